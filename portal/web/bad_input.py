"""What no page should have to think about: NULs, bytes that are no text, numbers without end.

PostgreSQL refuses a NUL in a text and an integer of more than 64 bits; both must be answered,
not end in a 500. A path or query with a NUL names nothing: 404. In a form every control character
becomes the replacement character, which `PortalForm` and the parsers of the domain refuse at its
field, and which can be shown again in the form (a control character is no HTML). So it does in the
name of a file that is sent, which some pages keep: there lines and tabs count, too.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from flask import Flask, abort, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import IntegerConverter

from portal.web.forms import UNREADABLE

__all__ = ["DatabaseInteger", "guard", "install"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Lone surrogates (a charset that the client invents can leave them) fit in no database either.
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class DatabaseInteger(IntegerConverter):
    """`<int:…>` in an address: a number that a BIGINT column can hold, else 404."""

    regex = "[0-9]+"  # one number has one address: no digits of other scripts

    def __init__(self, map, *args, **kwargs) -> None:  # noqa: A002
        kwargs.setdefault("max", 2**63 - 1)
        super().__init__(map, *args, **kwargs)


def guard() -> None:
    """Before every request that may reach the database."""
    if "\0" in request.path:
        abort(404)
    query = request.query_string
    if query and (b"\0" in query or b"\0" in unquote_to_bytes(query)):
        abort(404)
    if request.method not in {"POST", "PUT", "PATCH"}:
        return
    if any(
        _CONTROL.search(name) or _CONTROL.search(value)
        for name, value in request.form.items(multi=True)
    ):
        request.form = ImmutableMultiDict(
            (_CONTROL.sub(UNREADABLE, name), _CONTROL.sub(UNREADABLE, value))
            for name, value in request.form.items(multi=True)
        )
    for _name, sent in request.files.items(multi=True):
        if sent.filename:
            sent.filename = _NOT_IN_A_NAME.sub(UNREADABLE, sent.filename)


def install(app: Flask) -> None:
    """Bounded integers in addresses; call it before the first route is added."""
    app.url_map.converters["int"] = DatabaseInteger
