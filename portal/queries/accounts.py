"""An account's people and a person's accounts, as the pages around sign-in read them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import Account, Member, Person

__all__ = ["Admin", "Choice", "list_accounts_of", "list_admins"]

_MOST_ADMINS = 10
_MOST_ACCOUNTS = 200


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody to ask: an active admin of the account."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a person's accounts."""

    account_id: int
    name: str
    role: str
    status: str


_ADMINS = (
    select(Person.name, Person.email)
    .join(Member, Member.person_id == Person.id)
    .where(
        Member.account_id == bindparam("account_id"),
        Member.role == "admin",
        Member.status == "active",
    )
    .order_by(Person.name, Person.id)
    .limit(_MOST_ADMINS)
)

_ACCOUNTS = (
    select(Account.id, Account.name, Member.role, Member.status)
    .join(Member, Member.account_id == Account.id)
    .where(Member.person_id == bindparam("person_id"), Member.status != "invited")
    .order_by(Account.name, Account.id)
    .limit(_MOST_ACCOUNTS)
)


def list_admins(connection: Connection, account_id: int) -> list[Admin]:
    """The account's active admins by name, ten at most."""
    return [Admin(*row) for row in connection.execute(_ADMINS, {"account_id": account_id})]


def list_accounts_of(connection: Connection, person_id: int) -> list[Choice]:
    """The accounts the person belongs to, by name."""
    return [Choice(*row) for row in connection.execute(_ACCOUNTS, {"person_id": person_id})]
