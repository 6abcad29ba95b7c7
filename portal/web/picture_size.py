"""How wide a picture is for its height, read from the first bytes of an SVG, PNG or WebP file.

A page that says so keeps the place free, and nothing moves when the picture comes.
"""

from __future__ import annotations

import re

__all__ = ["width_at"]

_SVG = re.compile(rb"<svg\b[^>]*>")
_SVG_SIDE = rb"""\s%s\s*=\s*["']\s*([\d.]+)(?:px)?\s*["']"""
_SVG_BOX = re.compile(rb"""\sviewBox\s*=\s*["']([^"']+)["']""")
_PNG, _RIFF = b"\x89PNG\r\n\x1a\n", b"RIFF"


def width_at(height: int, content: bytes) -> int:
    """The whole pixels that the picture is wide at this height; a square where it does not tell."""
    wide, high = _size(content)
    return max(1, round(height * wide / high)) if wide > 0 and high > 0 else height


def _size(content: bytes) -> tuple[float, float]:
    if content.startswith(_PNG):
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if content.startswith(_RIFF):
        return _webp_size(content)
    return _svg_size(content)


def _webp_size(content: bytes) -> tuple[float, float]:
    kind = content[12:16]
    if kind == b"VP8X":  # with transparency, colours or metadata: three bytes each, less one
        return 1 + _whole(content[24:27]), 1 + _whole(content[27:30])
    if kind == b"VP8L":  # without loss: 14 bits each, less one
        bits = _whole(content[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _whole(content[26:28]) & 0x3FFF, _whole(content[28:30]) & 0x3FFF


def _svg_size(content: bytes) -> tuple[float, float]:
    found = _SVG.search(content)
    root = found[0] if found else b""
    sides = [re.search(_SVG_SIDE % name, root) for name in (b"width", b"height")]
    box = _SVG_BOX.search(root)
    try:
        if sides[0] and sides[1]:
            return float(sides[0][1]), float(sides[1][1])
        numbers = box[1].replace(b",", b" ").split() if box else []
        return float(numbers[2]), float(numbers[3])
    except (ValueError, IndexError):
        return 0, 0


def _whole(content: bytes) -> int:
    return int.from_bytes(content, "little")
