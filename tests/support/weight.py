"""What answers weigh on the wire."""

from __future__ import annotations

from werkzeug.test import TestResponse

__all__ = ["GZIP", "MOST_PADDING", "padding_of", "weight"]

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
MOST_PADDING = 99  # bytes, see portal.web.compression


def padding_of(packed: bytes) -> bytes:
    """The file name in the header of a gzip member (RFC 1952, 2.3)."""
    assert packed[3] == 8, "it has a file name and nothing else"
    return packed[10 : packed.index(b"\0", 10)]


def weight(answer: TestResponse) -> int:
    """Bytes of the body as it is sent, with the most padding that it may have."""
    packed: bytes = answer.data
    if answer.headers.get("Content-Encoding") != "gzip":
        return len(packed)
    if not packed[3]:  # an asset is the same for everybody: it has nothing to hide
        return len(packed)
    return len(packed) - len(padding_of(packed)) + MOST_PADDING
