"""Showing an e-mail's HTML inside a page, without trusting it.

It is served by itself, under a policy of its own: no script, no form, no network, only the style
sheet it came with (known by its hash, so that no unsafe-inline is needed), in a sandboxed frame.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

__all__ = ["FramingPage", "MailPart"]

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class FramingPage(Response):
    """A page of the portal that shows one of the portal's own addresses in a frame.

    The headers of every answer are put on it last of all, so its policy is opened here, where
    the headers are sent.
    """

    def get_wsgi_headers(self, environ: Any) -> Headers:
        headers = super().get_wsgi_headers(environ)
        policy = headers.get("Content-Security-Policy", "default-src 'self'")
        if "frame-src" not in policy:
            headers["Content-Security-Policy"] = f"{policy}; frame-src 'self'"
        return headers


class MailPart(Response):
    """The HTML of an e-mail, for the frame of a `FramingPage` alone."""

    def __init__(self, html: str) -> None:
        super().__init__(html, mimetype="text/html")
        self._style_hashes = _style_hashes(html)  # now: what is sent is compressed

    def get_wsgi_headers(self, environ: Any) -> Headers:
        headers = super().get_wsgi_headers(environ)
        hashes = " ".join(f"'sha256-{each}'" for each in self._style_hashes)
        headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src {hashes or chr(39) + 'none' + chr(39)}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
            "sandbox allow-popups allow-popups-to-escape-sandbox"
        )
        headers["X-Frame-Options"] = "SAMEORIGIN"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return headers


def _style_hashes(html: str) -> list[str]:
    return [
        base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
        for style in _STYLE.findall(html)
    ]
