"""Long lists by age: a page begins behind the last row of the one before, found by an index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_

__all__ = ["Place", "page_by_age", "page_values"]

Place = tuple[datetime, int]
"""Where a page ended: the instant and the id of its last row."""

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_AT: Any = bindparam("at")
_ID: Any = bindparam("id")


def page_by_age(found: Select[Any], at: Any, key: Any, *, latest_first: bool) -> Select[Any]:
    """A page of `found`, the oldest `at` first or the latest; `page_values` binds where it begins."""
    if latest_first:
        found = found.where(at <= _AT, or_(at < _AT, and_(at == _AT, key < _ID)))
        found = found.order_by(at.desc(), key.desc())
    else:
        found = found.where(at >= _AT, or_(at > _AT, and_(at == _AT, key > _ID)))
        found = found.order_by(at, key)
    return found.limit(bindparam("limit"))


def page_values(behind: Place | None, limit: int, *, latest_first: bool) -> dict[str, Any]:
    """What `page_by_age` binds; None begins at the list's head."""
    at, key = behind or (_LAST if latest_first else _FIRST, 0)
    return {"at": at, "id": key, "limit": limit}
