"""The vendor's logo in the top bar: its place is kept free while it loads."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from portal.app import create_app
from portal.extensions import limiter
from portal.parts import Parts
from portal.web.picture_size import width_at


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * width) * height)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    )  # fmt: skip


def _webp(kind: bytes, content: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _svg(attributes: str) -> bytes:
    return f'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" {attributes}/>'.encode()


@pytest.mark.parametrize(
    ("content", "width"),
    [
        (_png(300, 100), 84),
        (_webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 200, 100)), 56),
        (_webp(b"VP8L", b"\x2f" + struct.pack("<I", 199 | 99 << 14)), 56),
        (_webp(b"VP8X", b"\0\0\0\0" + b"\x8f\x01\0" + b"\x63\0\0"), 112),
        (_svg('viewBox="0 0 240 60"'), 112),
        (_svg('viewBox="0,0,60,60" width="120px" height="40"'), 84),
        (_svg('width="100%" height="100%" viewBox="0 0 30 60"'), 14),
        (_svg('stroke-width="9" viewBox="0 0 56 28"'), 56),
        (_svg('viewBox="0 0 0 0"'), 28),
        (_svg('viewBox="none at all"'), 28),
        (b"", 28),
        (b"\x89PNG\r\n\x1a\n", 28),
        (b"RIFF", 28),
    ],
)  # fmt: skip
def test_the_width_at_the_height_of_the_bar(content: bytes, width: int) -> None:
    """A file that does not tell its size gets a square."""
    assert width_at(28, content) == width


def test_the_bar_keeps_a_place_for_the_logo(app: Flask, parts: Parts, tmp_path: Path) -> None:
    """The image says its size, so that nothing moves when it comes; it is served as what it is."""
    catalogue = tmp_path / "catalog.toml"
    declared = parts.settings.catalog_file.read_text(encoding="utf-8")
    catalogue.write_text(re.sub(r"(?m)^# logo = ", "logo = ", declared), encoding="utf-8")
    (tmp_path / "logo.svg").write_bytes(_svg('viewBox="0 0 240 60"'))
    other = create_app(replace(parts.settings, catalog_file=catalogue))
    limiter.enabled = False
    browser = other.test_client()
    page = browser.get("/sign-in").get_data(as_text=True)
    found = re.search(
        r'<img class="logo" src="(/assets/\w+/logo\.svg)" width="112" height="28" alt="">', page
    )
    assert found, page
    answer = browser.get(found[1])
    assert answer.status_code == 200
    assert answer.mimetype == "image/svg+xml"
