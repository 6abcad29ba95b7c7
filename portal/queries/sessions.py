"""Where a person is signed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import SignInSession

__all__ = ["OpenSession", "list_sessions"]

_MOST = 100


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser in which the person is signed in.

    `id` is that of its latest row; `rows` are all that still let in: for a minute after a token was
    replaced, the one before as well.
    """

    id: int
    browser: str
    address: str
    created_at: datetime
    expires_at: datetime
    rows: frozenset[int]


_SESSIONS = (
    select(
        SignInSession.family,
        SignInSession.id,
        SignInSession.browser,
        SignInSession.address,
        SignInSession.created_at,
        SignInSession.expires_at,
    )
    .where(
        SignInSession.person_id == bindparam("person_id"),
        SignInSession.ended_at.is_(None),
        SignInSession.expires_at > bindparam("now"),
    )
    .order_by(SignInSession.created_at.desc(), SignInSession.id.desc())
    .limit(_MOST)
)


def list_sessions(connection: Connection, person_id: int, now: datetime) -> list[OpenSession]:
    """The person's sign-ins that have neither ended nor expired, one line each, newest first."""
    found: dict[str, OpenSession] = {}
    rows = connection.execute(_SESSIONS, {"person_id": person_id, "now": now})
    for family, row_id, browser, address, created_at, expires_at in rows:
        latest = found.get(family)
        found[family] = (
            OpenSession(row_id, browser, address, created_at, expires_at, frozenset({row_id}))
            if latest is None
            else replace(latest, rows=latest.rows | {row_id})
        )
    return list(found.values())
