"""Where a page of a long list of the desk begins: behind the last row of the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from flask import abort, request

__all__ = ["LIST_PAGE", "after_date", "after_instant", "after_text", "cut",
           "page_number"]  # fmt: skip

LIST_PAGE = 25
_LONGEST, _HIGHEST, _LAST_PAGE = 240, 2**62, 10_000

Row = TypeVar("Row")
Value = TypeVar("Value", str, date, datetime)


def _place(read: Callable[[str], Value]) -> tuple[Value, int] | None:
    typed = request.args.get("after", "")
    if not typed:
        return None
    value, _, key = typed.rpartition("~")
    if not (key.isascii() and key.isdigit() and int(key[:20]) < _HIGHEST) or len(typed) > _LONGEST:
        abort(404)
    try:
        return read(value), int(key[:20])
    except ValueError:
        abort(404)


def page_number() -> int:
    """`?page=3`; 404 beyond what any list holds."""
    page = request.args.get("page", 1, type=int)
    return page if 1 <= page <= _LAST_PAGE else abort(404)


def after_text() -> tuple[str, int] | None:
    """`?after=Atelier~17`: the text and the id of the last row; 404 where it cannot be read."""
    return _place(str)


def after_date() -> tuple[date, int] | None:
    """`?after=2026-10-29~17`."""
    return _place(date.fromisoformat)


def after_instant() -> tuple[datetime, int] | None:
    """`?after=2026-10-29T09:00:00+00:00~17`."""
    return _place(_aware)


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant must be aware")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("an instant has a year of our calendar in UTC") from error


def cut(rows: Sequence[Row], place: Callable[[Row], object]) -> tuple[Sequence[Row], str | None]:
    """The rows of this page, read with one more than it holds; and the next one's `after`.

    `place` names the last row, as the functions above read it back.
    """
    if len(rows) <= LIST_PAGE:
        return rows, None
    shown = rows[:LIST_PAGE]
    return shown, str(place(shown[-1]))
