"""Changes that wait for a renewal, the term they count in, and who would lose a licence."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.access import Held
from portal.domain.changes import ChangeKind, WaitingChange
from portal.domain.periods import Interval, Term
from portal.models import (
    Assignment,
    BillingPeriod,
    Consent,
    Member,
    Person,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.models import Term as TermRow

__all__ = ["HeldBy", "count_active_admins", "get_term", "list_held", "list_waiting_changes"]


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A licence in somebody's hands, with the name that a person reads."""

    held: Held
    name: str
    email: str


_TERM = (
    select(
        TermRow.interval,
        TermRow.first_year,
        TermRow.first_month,
        Subscription.anchor_day,
        BillingPeriod.number,
    )
    .join(BillingPeriod, BillingPeriod.term_id == TermRow.id)
    .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        Subscription.id == bindparam("subscription_id"),
        BillingPeriod.is_current,
    )
)
_WAITING = (
    select(
        ScheduledChange.subscription_id,
        ScheduledChange.id,
        ScheduledChange.kind,
        ScheduledChange.item_id,
        ScheduledChange.delta,
        ScheduledChange.target,
        ScheduledChange.effective_on,
        ScheduledChange.asked_at,
    )
    .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        Subscription.status != "ended",
        ScheduledChange.status == "waiting",
    )
    .order_by(ScheduledChange.effective_on, ScheduledChange.id)
)
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
_CONSENTED = exists().where(
    Consent.member_id == Member.id,
    Consent.subject == "deactivation",
    Consent.answer == "given",
    # An old yes does not hold for a licence that was given since.
    Consent.answered_at >= Assignment.assigned_at,
)
_HELD = (
    select(
        Assignment.id,
        Member.id,
        Member.role,
        Assignment.assigned_at,
        _CONSENTED,
        _ELSEWHERE,
        Person.name,
        Person.email,
    )
    .join(Member, Member.id == Assignment.member_id)
    .join(Person, Person.id == Member.person_id)
    .join(SubscriptionItem, SubscriptionItem.id == Assignment.item_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Assignment.item_id == bindparam("item_id"),
        Assignment.freed_at.is_(None),
    )
    .order_by(Assignment.assigned_at.desc(), Assignment.id.desc())
)
_ADMINS = select(func.count()).where(
    Member.account_id == bindparam("account_id"),
    Member.role == "admin",
    Member.status == "active",
)


def get_term(
    connection: Connection, account_id: int, subscription_id: int
) -> tuple[Term, int] | None:
    """The term a subscription is in and the number of its present period; None for a trial."""
    row = fetch_first(connection, _TERM, account_id=account_id, subscription_id=subscription_id)
    if row is None:
        return None
    return Term(Interval(row[0]), row[1], row[2], row[3]), row[4]


def list_waiting_changes(connection: Connection, account_id: int) -> dict[int, list[WaitingChange]]:
    """Every change of the account that waits, by subscription, the earliest first."""
    found: dict[int, list[WaitingChange]] = {}
    for row in fetch_all(connection, _WAITING, account_id=account_id):
        change = WaitingChange(row[1], ChangeKind(row[2]), *row[3:])
        found.setdefault(row[0], []).append(change)
    return found


def list_held(connection: Connection, account_id: int, item_id: int) -> list[HeldBy]:
    """Who holds the licences of an item, the last assigned first (S6)."""
    rows = fetch_all(connection, _HELD, account_id=account_id, item_id=item_id)
    return [HeldBy(Held(*row[:6]), row[6], row[7]) for row in rows]


def count_active_admins(connection: Connection, account_id: int) -> int:
    """The account's active admins, of whom one must stay (S7)."""
    return int(fetch_first(connection, _ADMINS, account_id=account_id)[0])
