"""Subscriptions for the tests of buying, as the rules see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from portal.domain.money import Money
from portal.domain.periods import Interval, Period, Term
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)

QUARTER = Period(date(2026, 8, 31), date(2026, 11, 30))  # 91 days
YEAR = Period(date(2026, 1, 1), date(2027, 1, 1))


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


SEAT, EXTRA = eur(7500), eur(2500)


def plan(
    item_id: int = 1,
    *,
    key: str = "pro",
    quantity: int = 12,
    assigned: int = 0,
    unit: Money | None = SEAT,
    waiting: int = 0,
) -> ItemState:
    """The item that is the plan: 12 seats at 75.00."""
    return ItemState(
        item_id, "plan", key, None, None, True, quantity, assigned, unit, 10 + item_id, waiting
    )


def add_on(
    item_id: int, *, quantity: int = 1, unit: Money = EXTRA, per_seat: bool = True
) -> ItemState:
    """An add-on at 25.00."""
    return ItemState(
        item_id, "add_on", None, "appointments", "beyond", per_seat, quantity, 0, unit, 10 + item_id
    )


def subscription(
    *items: ItemState,
    number: int = 1,
    product: str = "crm",
    status: str = "active",
    interval: Interval | None = Interval.QUARTER,
    period: Period | None = QUARTER,
    changes: Iterable[WaitingChange] = (),
) -> SubscriptionState:
    """A quarterly subscription from 31 August to 29 November 2026; `number` is its id.

    An item's `waiting` is a reduction that waits for the renewal; `changes` wait as well.
    """
    term = None
    if period is not None and interval is not None:
        term = Term.opening_at(period.start, interval, max(period.start.day, period.end.day))
        changes = (*changes, *(
            waiting(100 + item.item_id, ChangeKind.SEATS, item_id=item.item_id,
                    delta=item.waiting_delta, on=period.end)
            for item in items if item.waiting_delta
        ))  # fmt: skip
    state = SubscriptionState(
        number, product, status, interval, period, tuple(items), term, 1 if term else None
    )
    return with_changes(state, changes)


def waiting(
    change_id: int,
    kind: ChangeKind,
    *,
    on: date,
    item_id: int | None = None,
    delta: int | None = None,
    target: dict[str, Any] | None = None,
    asked_on: date = date(2026, 9, 1),
) -> WaitingChange:
    """A change that waits for the renewal on `on`."""
    return WaitingChange(change_id, kind, item_id, delta, target or {}, on, asked_on)
