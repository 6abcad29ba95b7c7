"""What an account has: live subscriptions with items, prices and periods, and who uses them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.money import Money
from portal.domain.periods import Interval, Period, local_date
from portal.domain.periods import Term as DatedTerm
from portal.domain.renewals import carry_forward
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)
from portal.models import (
    WAITING_CHANGE,
    Account,
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
    "Holder", "SubscriptionRow", "has_change", "has_subscription", "list_item_holders", "list_subscription_rows", "list_subscription_states",
    "read_states", "select_states",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as a card shows it: the rules' picture and the dates around it."""

    state: SubscriptionState
    started_on: date

    @property
    def trial_ends_on(self) -> date | None:
        """The last day of the trial that it is, or once was."""
        return self.state.trial_ends_on


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

# One row an item and waiting change: there are few of both, and a page reads them in one statement.
_STATE_COLUMNS = (
    Subscription.id,
    Product.key,
    Subscription.status,
    Subscription.started_on,
    Subscription.trial_ends_on,
    Subscription.read_only_from,
    Subscription.overhang,
    BillingPeriod.starts_on,
    BillingPeriod.ends_on,
    BillingPeriod.number,
    Term.interval,
    Term.first_year,
    Term.first_month,
    Subscription.anchor_day,
    Account.time_zone,
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
    ScheduledChange.id,
    ScheduledChange.kind,
    ScheduledChange.item_id,
    ScheduledChange.delta,
    ScheduledChange.target,
    ScheduledChange.effective_on,
    ScheduledChange.asked_at,
)
_FIRST_OF_ITEM, _FIRST_OF_CHANGE = 15, 26  # where they begin in a row


def select_states(*conditions: Any) -> Select[Any]:
    """The statement whose rows `read_states` understands, for the subscriptions of `conditions`."""
    return (
        select(*_STATE_COLUMNS)
        .select_from(Subscription)
        .join(Account, Account.id == Subscription.account_id)
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
        .outerjoin(
            ScheduledChange,
            and_(ScheduledChange.subscription_id == Subscription.id, WAITING_CHANGE),
        )
        .where(*conditions)
        .order_by(
            Subscription.id, SubscriptionItem.kind.desc(), SubscriptionItem.id, ScheduledChange.id
        )
    )


_STATES = select_states(
    Subscription.account_id == bindparam("account_id"), Subscription.status != "ended"
)

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

_OF_ACCOUNT = select(Subscription.id).where(
    Subscription.account_id == bindparam("account_id"),
    Subscription.id == bindparam("subscription_id"),
)
_CHANGE_OF = (
    select(ScheduledChange.id)
    .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        ScheduledChange.id == bindparam("change_id"),
    )
)


def list_subscription_rows(
    connection: Connection, account_id: int, on: date | None = None
) -> tuple[SubscriptionRow, ...]:
    """The account's subscriptions that have not ended, oldest first: one statement.

    With `on`, the account's local day, as they are once the renewals due by then have run: a page
    shows the present period also where the worker is late (P3).
    """
    rows = read_states(fetch_all(connection, _STATES, account_id=account_id))
    if on is None:
        return rows
    carried = (replace(row, state=carry_forward(row.state, on)) for row in rows)
    return tuple(row for row in carried if row.state.status != "ended")


def list_subscription_states(
    connection: Connection, account_id: int, on: date | None = None
) -> tuple[SubscriptionState, ...]:
    """The same, as the rules see them."""
    return tuple(row.state for row in list_subscription_rows(connection, account_id, on))


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


def has_subscription(connection: Connection, account_id: int, subscription_id: int) -> bool:
    """Whether the account has that subscription, or had it."""
    row = fetch_first(
        connection, _OF_ACCOUNT, account_id=account_id, subscription_id=subscription_id
    )
    return row is not None


def has_change(connection: Connection, account_id: int, change_id: int) -> bool:
    """Whether the account ever asked for that change, whatever became of it."""
    row = fetch_first(connection, _CHANGE_OF, account_id=account_id, change_id=change_id)
    return row is not None


def read_states(rows: Iterable[Any]) -> tuple[SubscriptionRow, ...]:
    """The subscriptions that rows of `select_states` tell, in their order."""
    return tuple(_subscription(list(group)) for _, group in groupby(rows, key=_subscription_id))


def _subscription_id(row: Any) -> int:
    return int(row[0])


def _subscription(rows: list[Any]) -> SubscriptionRow:
    (key, product, status, started_on, trial_ends_on, read_only_from, overhang, starts_on, ends_on,
     number, interval, first_year, first_month, anchor_day,
     time_zone) = rows[0][:_FIRST_OF_ITEM]  # fmt: skip
    has_periods = starts_on is not None
    state = SubscriptionState(
        subscription_id=key,
        product_key=product,
        status=status,
        interval=Interval(interval) if has_periods else None,
        period=Period(starts_on, ends_on) if has_periods else None,
        items=tuple({row[_FIRST_OF_ITEM]: _item(row) for row in rows}.values()),
        term=DatedTerm(Interval(interval), first_year, first_month, anchor_day)
        if has_periods
        else None,
        number=number,
        overhang=overhang,
        trial_ends_on=trial_ends_on,
        read_only_from=read_only_from,
    )
    if rows[0][_FIRST_OF_CHANGE] is not None:
        first_item = rows[0][_FIRST_OF_ITEM]
        changes = [_change(row, time_zone) for row in rows if row[_FIRST_OF_ITEM] == first_item]
        state = with_changes(state, changes)
    return SubscriptionRow(state, started_on=started_on)


def _item(row: Any) -> ItemState:
    (key, kind, plan, add_on, package, per_seat, quantity, assigned, minor, currency,
     price_id) = row[_FIRST_OF_ITEM:_FIRST_OF_CHANGE]  # fmt: skip
    return ItemState(
        item_id=key,
        kind=kind,
        plan_key=plan,
        add_on_key=add_on,
        package_key=package,
        per_seat=per_seat,
        quantity=quantity,
        assigned=assigned,
        unit_price=Money(minor, currency) if minor is not None else None,
        price_id=price_id,
    )


def _change(row: Any, time_zone: str) -> WaitingChange:
    key, kind, item_id, delta, target, effective_on, asked_at = row[_FIRST_OF_CHANGE:]
    return WaitingChange(
        id=key,
        kind=ChangeKind(kind),
        item_id=item_id,
        delta=delta,
        target=target or {},
        effective_on=effective_on,
        asked_on=local_date(asked_at, time_zone),
    )
