"""Where a person is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import SignInSession

__all__ = ["OpenSession", "list_sessions"]

_MOST = 100


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser in which the person is signed in."""

    id: int
    browser: str
    address: str
    created_at: datetime
    expires_at: datetime


_SESSIONS = (
    select(
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
    """The person's sessions that have neither ended nor expired, newest first."""
    rows = connection.execute(_SESSIONS, {"person_id": person_id, "now": now})
    return [OpenSession(*row) for row in rows]
