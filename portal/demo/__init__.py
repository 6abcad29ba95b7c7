"""The demo vendor, Kanto: what it sells stands in `catalog.toml` beside this file."""

from __future__ import annotations

from pathlib import Path

CATALOGUE_FILE = Path(__file__).with_name("catalog.toml")


def demo_catalogue_text() -> str:
    """The demo vendor's catalogue file, for `parse_catalogue`."""
    return CATALOGUE_FILE.read_text(encoding="utf-8")
