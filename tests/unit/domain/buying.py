"""Subscriptions for the tests of buying, as the rules see them."""

from __future__ import annotations

from datetime import date

from portal.domain.money import Money
from portal.domain.periods import Interval, Period
from portal.domain.subscriptions import ItemState, SubscriptionState

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
) -> SubscriptionState:
    """A quarterly subscription from 31 August to 29 November 2026; `number` is its id."""
    return SubscriptionState(number, product, status, interval, period, tuple(items))
