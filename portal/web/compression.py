"""Text answers are sent with gzip, padded so that their size tells nothing (docs/decisions/0010).

A page holds the session's token beside words that came with the request. Who can make somebody
send requests and watch how long the answers are might guess the token letter by letter (BREACH).
A file name of random length in gzip's own header, which every client skips, hides the few bytes
that a right guess saves.
"""

from __future__ import annotations

import secrets
import zlib
from functools import lru_cache

from flask import Flask, Response, request
from werkzeug.http import parse_accept_header

__all__ = ["install", "takes_gzip", "zipped"]

_LEVEL = 6  # 9 saves a few bytes of a page more
_SMALLEST = 400  # bytes; below that the header and the padding outweigh what is saved
_MOST_PADDING = 100  # bytes
_DEFLATE, _HAS_NAME, _UNKNOWN_SYSTEM = 8, 8, 255
_TEXTS = frozenset(
    ("application/json", "application/problem+json", "application/xml", "image/svg+xml")
)


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client that sends this Accept-Encoding reads gzip (`gzip;q=0` does not)."""
    return parse_accept_header(accept_encoding).quality("gzip") > 0


def zipped(content: bytes) -> bytes:
    """`content` as one gzip member (RFC 1952) with up to 99 bytes of padding as its file name."""
    flags = bytes((0x1F, 0x8B, _DEFLATE, _HAS_NAME, 0, 0, 0, 0, 0, _UNKNOWN_SYSTEM))
    padding = b"a" * secrets.randbelow(_MOST_PADDING) + b"\0"
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content) + packer.flush()
    check = zlib.crc32(content).to_bytes(4, "little")
    length = (len(content) & 0xFFFFFFFF).to_bytes(4, "little")
    return flags + padding + packed + check + length


def _is_text(response: Response) -> bool:
    """Text that is whole: no stream, no part of a file, nothing that is encoded already."""
    media_type = response.mimetype or ""
    return (
        (media_type.startswith("text/") or media_type in _TEXTS)
        and not response.is_streamed
        and not response.direct_passthrough
        and response.status_code not in {204, 206, 304}
        and "Content-Encoding" not in response.headers
    )


def _compress(response: Response) -> Response:
    if not _is_text(response):
        return response
    content = response.get_data()
    if len(content) < _SMALLEST:
        return response
    response.vary.add("Accept-Encoding")
    if takes_gzip(request.headers.get("Accept-Encoding", "")):
        response.set_data(zipped(content))
        response.headers["Content-Encoding"] = "gzip"
        etag, is_weak = response.get_etag()
        if etag is not None and not is_weak:  # the same page has other bytes every time
            response.set_etag(etag, weak=True)
    return response


def install(app: Flask) -> None:
    """Last of all that an answer goes through, so the first that is put down."""
    app.after_request_funcs.setdefault(None, []).insert(0, _compress)
