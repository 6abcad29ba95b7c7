"""How much the people of an account may write to the vendor: enough for anyone, too little to flood."""

from __future__ import annotations

from sqlalchemy import Select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError

__all__ = ["MOST_IN_AN_HOUR", "require_not_too_many"]

MOST_IN_AN_HOUR = 20


def require_not_too_many(session: Session, *written: Select[int]) -> None:
    """`written` select the ids of what the account wrote within the hour, each kind its own.

    DomainError `too_many_messages` where they are MOST_IN_AN_HOUR together.
    """
    found = [session.scalars(each.limit(MOST_IN_AN_HOUR)).all() for each in written]
    if sum(map(len, found)) >= MOST_IN_AN_HOUR:
        raise DomainError("too_many_messages")
