"""Files that are larger than any form: only where a route says so, and before its body is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, request

__all__ = ["accepts_files_up_to", "install"]

View = TypeVar("View", bound=Callable[..., Any])

_MOST = "portal_most_bytes"


def accepts_files_up_to(most_bytes: int) -> Callable[[View], View]:
    """The route takes a body of so many bytes, with some room for the form around the file."""

    def mark(view: View) -> View:
        setattr(view, _MOST, most_bytes + 100_000)
        return view

    return mark


def _allow() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    most = getattr(view, _MOST, None)
    if most is not None:
        request.max_content_length = most


def install(app: Flask) -> None:
    """Before everything else: the check of the form's token reads the body already."""
    app.before_request_funcs.setdefault(None, []).insert(0, _allow)
