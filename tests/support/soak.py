"""How much of a battery runs: a seeded sample with `make test`, all of it with `make soak`."""

from __future__ import annotations

import os

__all__ = ["IS_SOAK", "count_of"]

IS_SOAK = bool(os.environ.get("PORTAL_SOAK"))


def count_of(sample: int, full: int) -> int:
    """`sample`, or `full` where the whole battery is asked for."""
    return full if IS_SOAK else sample
