"""Looking at a sign-in link without using it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import Person, SignInLink

__all__ = ["find_link"]

_LINK = (
    select(Person.email)
    .join(SignInLink, SignInLink.person_id == Person.id)
    .where(
        SignInLink.token_hash == bindparam("token_hash"),
        SignInLink.used_at.is_(None),
        SignInLink.expires_at > bindparam("now"),
    )
)


def find_link(connection: Connection, token_hash: str, now: datetime) -> str | None:
    """The address that the link signs in, or None where it was used, has expired or never was."""
    found: str | None = connection.execute(_LINK, {"token_hash": token_hash, "now": now}).scalar()
    return found
