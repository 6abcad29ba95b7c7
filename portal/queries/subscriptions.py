"""What an account has: live subscriptions with items, prices and periods, and who uses them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import and_, bindparam, func, select, true
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.money import Money
from portal.domain.periods import Interval, Period
from portal.domain.periods import Term as DatedTerm
from portal.domain.renewals import carry_forward
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.models import (
    AddOn,
    Assignment,
    BillingPeriod,
    Member,
    Person,
    Plan,
    Price,
    Product,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
    Term,
)

__all__ = [
    "Holder", "SubscriptionRow", "list_holders",
    "list_item_holders", "list_subscription_rows", "list_subscription_states",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as a card shows it: the rules' picture and the dates around it."""

    state: SubscriptionState
    started_on: date
    trial_ends_on: date | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A person who holds a licence of an item; `status` is the member's."""

    item_id: int
    member_id: int
    name: str
    email: str
    role: str
    status: str
    since: datetime


_ASSIGNED = (
    select(func.count())
    .where(Assignment.item_id == SubscriptionItem.id, Assignment.freed_at.is_(None))
    .correlate(SubscriptionItem)
    .scalar_subquery()
)
_WAITING = (
    select(func.coalesce(func.sum(ScheduledChange.delta), 0))
    .where(
        # What the index of waiting changes begins with: without it all accounts' would be read.
        ScheduledChange.subscription_id == SubscriptionItem.subscription_id,
        ScheduledChange.item_id == SubscriptionItem.id,
        ScheduledChange.kind == "seats",
        ScheduledChange.status == "waiting",
        ScheduledChange.effective_on == BillingPeriod.ends_on,
    )
    .correlate(SubscriptionItem, BillingPeriod)
    .scalar_subquery()
)
_STATES = (
    select(
        Subscription.id,
        Product.key,
        Subscription.status,
        Subscription.started_on,
        Subscription.trial_ends_on,
        Term.interval,
        BillingPeriod.starts_on,
        BillingPeriod.ends_on,
        SubscriptionItem.id,
        SubscriptionItem.kind,
        Plan.key,
        AddOn.key,
        AddOn.package_key,
        SubscriptionItem.per_seat,
        SubscriptionItem.quantity,
        _ASSIGNED,
        Price.unit_minor,
        Price.currency,
        Price.id,
        _WAITING,
        Term.first_year,
        Term.first_month,
        Subscription.anchor_day,
    )
    .select_from(Subscription)
    .join(Product, Product.id == Subscription.product_id)
    .join(
        SubscriptionItem,
        and_(
            SubscriptionItem.subscription_id == Subscription.id,
            SubscriptionItem.removed_at.is_(None),
        ),
    )
    .outerjoin(Plan, Plan.id == SubscriptionItem.plan_id)
    .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id)
    .outerjoin(Price, Price.id == SubscriptionItem.price_id)
    .outerjoin(
        BillingPeriod,
        and_(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.is_current),
    )
    .outerjoin(Term, Term.id == BillingPeriod.term_id)
    .where(Subscription.account_id == bindparam("account_id"), Subscription.status != "ended")
    .order_by(Subscription.id, SubscriptionItem.kind.desc(), SubscriptionItem.id)
)

# The first holders of each plan, however many there are: read in the order of an index, up to the
# limit. PostgreSQL does that with a lateral join, which SQLite does not have; SQLite does it with a
# correlated IN, which PostgreSQL would answer by reading the whole table.
_FIRST = (
    select(Assignment.id, Assignment.item_id, Assignment.member_id, Assignment.assigned_at)
    .where(Assignment.item_id == SubscriptionItem.id, Assignment.freed_at.is_(None))
    .order_by(Assignment.assigned_at, Assignment.id)
    .limit(bindparam("first"))
    .correlate(SubscriptionItem)
)


def _holders_of_plans(held: Any, condition: Any) -> Any:
    """The holders in `held`, a table of assignments that is joined on `condition`."""
    return (
        select(
            held.c.item_id,
            held.c.member_id,
            Person.name,
            Person.email,
            Member.role,
            Member.status,
            held.c.assigned_at,
        )
        .select_from(Subscription)
        .join(SubscriptionItem, SubscriptionItem.subscription_id == Subscription.id)
        .join(held, condition)
        .join(Member, Member.id == held.c.member_id)
        .join(Person, Person.id == Member.person_id)
        .where(
            Subscription.account_id == bindparam("account_id"),
            Subscription.status != "ended",
            SubscriptionItem.kind == "plan",
            SubscriptionItem.removed_at.is_(None),
        )
        .order_by(held.c.item_id, held.c.assigned_at, held.c.id)
    )


_HELD = Assignment.__table__.alias("held")
_HOLDERS = {
    "postgresql": _holders_of_plans(_FIRST.lateral("held"), true()),
    "sqlite": _holders_of_plans(_HELD, _HELD.c.id.in_(_FIRST.with_only_columns(Assignment.id))),
}

_ITEM_HOLDERS = (
    select(
        Assignment.item_id,
        Assignment.member_id,
        Person.name,
        Person.email,
        Member.role,
        Member.status,
        Assignment.assigned_at,
    )
    .join(Member, Member.id == Assignment.member_id)
    .join(Person, Person.id == Member.person_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Assignment.item_id == bindparam("item_id"),
        Assignment.freed_at.is_(None),
    )
    .order_by(Assignment.assigned_at, Assignment.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def list_subscription_rows(
    connection: Connection, account_id: int, on: date | None = None
) -> tuple[SubscriptionRow, ...]:
    """The account's subscriptions that have not ended, oldest first: one statement.

    With `on`, the account's local day, as they are once the renewals due by then have run: a page
    shows the present period also where the worker is late (P3).
    """
    rows = fetch_all(connection, _STATES, account_id=account_id)
    return tuple(
        _subscription(list(group), on) for _, group in groupby(rows, key=lambda row: row[0])
    )


def list_subscription_states(
    connection: Connection, account_id: int, on: date | None = None
) -> tuple[SubscriptionState, ...]:
    """The same, as the rules see them."""
    return tuple(row.state for row in list_subscription_rows(connection, account_id, on))


def list_holders(connection: Connection, account_id: int, first: int) -> dict[int, list[Holder]]:
    """The `first` people that hold each plan's licences, by item id, longest first."""
    found: dict[int, list[Holder]] = {}
    statement = _HOLDERS[connection.dialect.name]
    for row in fetch_all(connection, statement, account_id=account_id, first=first):
        found.setdefault(row[0], []).append(Holder(*row))
    return found


def list_item_holders(
    connection: Connection, account_id: int, item_id: int, *, limit: int, offset: int
) -> list[Holder]:
    """One page of the people that hold a licence of one item."""
    rows = fetch_all(
        connection,
        _ITEM_HOLDERS,
        account_id=account_id,
        item_id=item_id,
        limit=limit,
        offset=offset,
    )
    return [Holder(*row) for row in rows]


def _subscription(rows: list[Any], on: date | None) -> SubscriptionRow:
    first = rows[0]
    period = Period(first[6], first[7]) if first[6] is not None else None
    state = SubscriptionState(
        subscription_id=first[0],
        product_key=first[1],
        status=first[2],
        interval=Interval(first[5]) if first[5] is not None else None,
        period=period,
        items=tuple(_item(row) for row in rows),
    )
    if on is not None and period is not None:
        assert state.interval is not None
        term = DatedTerm(state.interval, first[20], first[21], first[22])
        state = carry_forward(state, term, on)
    return SubscriptionRow(state, started_on=first[3], trial_ends_on=first[4])


def _item(row: Any) -> ItemState:
    return ItemState(
        item_id=row[8],
        kind=row[9],
        plan_key=row[10],
        add_on_key=row[11],
        package_key=row[12],
        per_seat=row[13],
        quantity=row[14],
        assigned=row[15],
        unit_price=Money(row[16], row[17]) if row[16] is not None else None,
        price_id=row[18],
        waiting_delta=row[19] or 0,
    )
