"""Who holds the licences of an item, as the rules of losing access need it (S6, S7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, exists, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.access import Held
from portal.models import Assignment, Consent, Member, Person, SubscriptionItem

__all__ = [
    "HeldBy", "count_active_admins", "list_subscription_held", "select_held",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A licence in somebody's hands, with the name that a person reads."""

    held: Held
    name: str
    email: str


_OTHER = Assignment.__table__.alias("other")
_ELSEWHERE = (
    select(func.count())
    .select_from(_OTHER)
    .where(
        _OTHER.c.member_id == Assignment.member_id,
        _OTHER.c.item_id != Assignment.item_id,
        _OTHER.c.freed_at.is_(None),
    )
    .correlate(Assignment)
    .scalar_subquery()
)
# Whoever is invited has no admin rights to lose yet (S7).
_ROLE = case((Member.status == "active", Member.role), else_="member")
_CONSENTED = exists().where(
    Consent.member_id == Member.id,
    Consent.subject == "deactivation",
    Consent.answer == "given",
    # An old yes does not hold for a licence that was given since.
    Consent.answered_at >= Assignment.assigned_at,
)


def select_held(*conditions: ColumnElement[bool]) -> Select[Any]:
    """The statement of `Held` and names, the last assigned first, for the assignments held."""
    return (
        select(
            Assignment.id,
            Assignment.item_id,
            Member.id,
            _ROLE,
            Assignment.assigned_at,
            _CONSENTED,
            _ELSEWHERE,
            Person.name,
            Person.email,
        )
        .join(Member, Member.id == Assignment.member_id)
        .join(Person, Person.id == Member.person_id)
        .where(Assignment.freed_at.is_(None), *conditions)
        .order_by(Assignment.item_id, Assignment.assigned_at.desc(), Assignment.id.desc())
    )


_HELD_OF_SUBSCRIPTION = select_held(
    Member.account_id == bindparam("account_id"),
    Assignment.item_id.in_(
        select(SubscriptionItem.id).where(
            SubscriptionItem.subscription_id == bindparam("subscription_id"),
            SubscriptionItem.removed_at.is_(None),
        )
    ),
)
_ADMINS = select(func.count()).where(
    Member.account_id == bindparam("account_id"),
    Member.role == "admin",
    Member.status == "active",
)


def list_subscription_held(
    connection: Connection, account_id: int, subscription_id: int
) -> list[HeldBy]:
    """Who holds the licences of all items of a subscription, the last assigned of each first."""
    rows = fetch_all(
        connection, _HELD_OF_SUBSCRIPTION, account_id=account_id, subscription_id=subscription_id
    )
    return [HeldBy(Held(*row[:7]), row[7], row[8]) for row in rows]


def count_active_admins(connection: Connection, account_id: int) -> int:
    """The account's active admins, of whom one must stay (S7)."""
    return int(fetch_first(connection, _ADMINS, account_id=account_id)[0])
