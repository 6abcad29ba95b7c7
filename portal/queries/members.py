"""People of an account as pages offer them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Member, Person

__all__ = ["AdminRow", "list_admins"]

MOST_ADMINS = 50  # offered in a list; an account with more types the address


@dataclass(frozen=True, slots=True)
class AdminRow:
    """An admin of the account who may be the contact of an order."""

    member_id: int
    person_id: int
    name: str
    email: str


_ADMINS = (
    select(Member.id, Person.id, Person.name, Person.email)
    .join(Person, Person.id == Member.person_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Member.role == "admin",
        Member.status != "deactivated",
    )
    .order_by(Person.name, Member.id)
    .limit(MOST_ADMINS)
)


def list_admins(connection: Connection, account_id: int) -> list[AdminRow]:
    """The account's admins by name, invited ones included."""
    return [AdminRow(*row) for row in fetch_all(connection, _ADMINS, account_id=account_id)]
