"""Whom the portal writes to when a whole account is concerned: its active admins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Member, Person

__all__ = ["AdminOf", "list_admins", "list_admins_of"]


@dataclass(frozen=True, slots=True)
class AdminOf:
    """An active admin as the recipient of a mail."""

    account_id: int
    member_id: int
    person_id: int
    email: str
    locale: str


_ADMINS = (
    select(Member.account_id, Member.id, Person.id, Person.email, Person.locale)
    .join(Person, Person.id == Member.person_id)
    .where(
        Member.account_id.in_(bindparam("ids", expanding=True)),
        Member.role == "admin",
        Member.status == "active",
    )
    .order_by(Member.account_id, Member.id)
)


def list_admins(connection: Connection, account_id: int) -> list[AdminOf]:
    """The active admins of one account."""
    return list_admins_of(connection, [account_id])[account_id]


def list_admins_of(
    connection: Connection, account_ids: Collection[int]
) -> dict[int, list[AdminOf]]:
    """The active admins of these accounts, by account id."""
    found: defaultdict[int, list[AdminOf]] = defaultdict(list)
    if account_ids:
        for row in fetch_all(connection, _ADMINS, ids=sorted(account_ids)):
            found[row[0]].append(AdminOf(*row))
    return found
