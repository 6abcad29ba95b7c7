"""People of an account as pages offer and list them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, func, or_, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.member_import import MemberFacts
from portal.models import Assignment, Member, Person, Product, Subscription, SubscriptionItem

__all__ = [
    "MOST_ADMINS", "AdminRow", "ExportRow", "HeldLicence", "MemberDetail", "MemberFilter",
    "MemberRow", "count_members", "get_member", "list_export_rows", "list_licences_of",
    "list_member_facts", "list_members",
]  # fmt: skip

MOST_ADMINS = 50  # offered in a list; an account with more types the address


@dataclass(frozen=True, slots=True)
class AdminRow:
    """An admin of the account who may be the contact of an order."""

    member_id: int
    person_id: int
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A person in the list."""

    member_id: int
    name: str
    email: str
    role: str
    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class MemberDetail:
    """A person with all that their page shows; `active_admins` are the account's (S7)."""

    member_id: int
    person_id: int
    name: str
    email: str
    locale: str
    role: str
    status: str
    since: datetime
    invited_at: datetime | None
    deactivated_at: datetime | None
    active_admins: int

    @property
    def is_active_admin(self) -> bool:
        """Whether S7 guards them: they lose access or rights only with consent."""
        return self.role == "admin" and self.status == "active"


@dataclass(frozen=True, slots=True)
class HeldLicence:
    """A licence in a member's hands."""

    member_id: int
    item_id: int
    since: datetime


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """What the list is narrowed to: part of a name or an address, a status, a product's key."""

    text: str = ""
    status: str = ""
    product: str = ""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A person as exported, with the items of which they hold a licence."""

    email: str
    name: str
    role: str
    status: str
    locale: str
    since: datetime
    items: frozenset[int]


# SQLite's lower() knows ASCII alone: what was typed is tried in the three ways names are written.
_TYPED = ("as_lower", "as_title", "as_upper")


def _matches_text() -> ColumnElement[bool]:
    found = [
        func.lower(column).like(bindparam(name), escape="\\")
        for column in (Person.name, Person.email)
        for name in _TYPED
    ]
    return or_(*found)


def _holds_product() -> ColumnElement[bool]:
    return exists().where(
        Assignment.member_id == Member.id,
        Assignment.freed_at.is_(None),
        SubscriptionItem.id == Assignment.item_id,
        Subscription.id == SubscriptionItem.subscription_id,
        Product.id == Subscription.product_id,
        Product.key == bindparam("product"),
    )


def _narrowed(statement: Any, text: bool, status: bool, product: bool) -> Any:
    statement = statement.join(Person, Person.id == Member.person_id).where(
        Member.account_id == bindparam("account_id")
    )
    if text:
        statement = statement.where(_matches_text())
    if status:
        statement = statement.where(Member.status == bindparam("status"))
    if product:
        statement = statement.where(_holds_product())
    return statement


@cache
def _list(text: bool, status: bool, product: bool) -> Any:
    columns = select(
        Member.id, Person.name, Person.email, Member.role, Member.status, Member.added_at
    )
    return (
        _narrowed(columns.select_from(Member), text, status, product)
        .order_by(func.lower(Person.name), Member.id)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


@cache
def _count(text: bool, product: bool) -> Any:
    columns = select(Member.status, func.count()).select_from(Member)
    return _narrowed(columns, text, False, product).group_by(Member.status)


def _values(account_id: int, wanted: MemberFilter, *, with_status: bool) -> dict[str, Any]:
    values: dict[str, Any] = {"account_id": account_id}
    if wanted.text:
        ways = (wanted.text.lower(), wanted.text.title(), wanted.text.upper())
        values |= {name: f"%{_plain(way)}%" for name, way in zip(_TYPED, ways, strict=True)}
    if wanted.status and with_status:
        values["status"] = wanted.status
    if wanted.product:
        values["product"] = wanted.product
    return values


def _plain(text: str) -> str:
    """`text` as SQLite's lower() would have it, its wildcards taken as they stand."""
    lowered = "".join(c.lower() if c.isascii() else c for c in text)
    for sign in ("\\", "%", "_"):
        lowered = lowered.replace(sign, f"\\{sign}")
    return lowered


def list_members(
    connection: Connection, account_id: int, wanted: MemberFilter, *, limit: int, offset: int
) -> list[MemberRow]:
    """One page of the account's people by name, narrowed by `wanted`."""
    statement = _list(bool(wanted.text), bool(wanted.status), bool(wanted.product))
    values = _values(account_id, wanted, with_status=True)
    rows = fetch_all(connection, statement, **values, limit=limit, offset=offset)
    return [MemberRow(*row) for row in rows]


def count_members(connection: Connection, account_id: int, wanted: MemberFilter) -> dict[str, int]:
    """How many people `wanted` leaves, by status; its own status is not looked at."""
    statement = _count(bool(wanted.text), bool(wanted.product))
    values = _values(account_id, wanted, with_status=False)
    return dict(fetch_all(connection, statement, **values))


_LICENCES_OF = (
    select(Assignment.member_id, Assignment.item_id, Assignment.assigned_at)
    .join(Member, Member.id == Assignment.member_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Assignment.member_id.in_(bindparam("ids", expanding=True)),
        Assignment.freed_at.is_(None),
    )
    .order_by(Assignment.member_id, Assignment.item_id)
)


def list_licences_of(
    connection: Connection, account_id: int, ids: Collection[int]
) -> dict[int, list[HeldLicence]]:
    """The licences that the members `ids` of the account hold, by member."""
    found: dict[int, list[HeldLicence]] = {}
    for row in fetch_all(connection, _LICENCES_OF, account_id=account_id, ids=sorted(ids)):
        found.setdefault(row[0], []).append(HeldLicence(*row))
    return found


_OF_ACCOUNT = Member.__table__.alias("of_account")
_ACTIVE_ADMINS = (
    select(func.count())
    .select_from(_OF_ACCOUNT)
    .where(
        _OF_ACCOUNT.c.account_id == Member.account_id,
        _OF_ACCOUNT.c.role == "admin",
        _OF_ACCOUNT.c.status == "active",
    )
    .correlate(Member)
    .scalar_subquery()
)
_MEMBER = (
    select(
        Member.id,
        Person.id,
        Person.name,
        Person.email,
        Person.locale,
        Member.role,
        Member.status,
        Member.added_at,
        Member.invited_at,
        Member.deactivated_at,
        _ACTIVE_ADMINS,
    )
    .join(Person, Person.id == Member.person_id)
    .where(Member.account_id == bindparam("account_id"), Member.id == bindparam("member_id"))
)


def get_member(connection: Connection, account_id: int, member_id: int) -> MemberDetail | None:
    """One of the account's people, or None (also for another account's)."""
    row = fetch_first(connection, _MEMBER, account_id=account_id, member_id=member_id)
    return MemberDetail(*row) if row is not None else None


_EXPORT = (
    select(
        Person.email,
        Person.name,
        Member.role,
        Member.status,
        Person.locale,
        Member.added_at,
        Member.id,
        Assignment.item_id,
    )
    .select_from(Member)
    .join(Person, Person.id == Member.person_id)
    .outerjoin(Assignment, (Assignment.member_id == Member.id) & Assignment.freed_at.is_(None))
    .where(Member.account_id == bindparam("account_id"))
    .order_by(Member.id)
)


def list_export_rows(connection: Connection, account_id: int) -> list[ExportRow]:
    """Everyone in the account with their licences, in the order they were added: one statement."""
    return [
        ExportRow(row[0], row[1], row[2], row[3], row[4], row[5], items)
        for row, items in _with_items(connection, account_id)
    ]


def list_member_facts(connection: Connection, account_id: int) -> list[MemberFacts]:
    """Everyone in the account as an import compares them with its file: one statement."""
    return [
        MemberFacts(row[6], row[0], row[1], row[2], row[3], items)
        for row, items in _with_items(connection, account_id)
    ]


def _with_items(connection: Connection, account_id: int) -> list[tuple[Any, frozenset[int]]]:
    first: dict[int, Any] = {}
    items: dict[int, set[int]] = {}
    for row in fetch_all(connection, _EXPORT, account_id=account_id):
        first.setdefault(row[6], row)
        if row[7] is not None:
            items.setdefault(row[6], set()).add(row[7])
    return [(row, frozenset(items.get(key, ()))) for key, row in first.items()]
