"""What a customer can do instead of cancelling, with the figures of today (C3, C4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from portal.domain.changes import (
    PlannedChange,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
)
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.subscriptions import SubscriptionState

__all__ = ["Alternative", "plan_alternatives"]

_MONTHS_OF_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to pay less and stay: `kind` is seats, plan or period; amounts are net.

    `before` and `after` are the subscription's invoice of the renewal on `on`, for a period both
    for a whole year. `removed` counts the seats that would go: those that nobody holds if
    `unused`, else one, as an example. `plan_key` is the smaller plan.
    """

    kind: str
    on: date
    before: Money
    after: Money
    removed: int = 0
    unused: bool = False
    plan_key: str = ""

    @property
    def saving(self) -> Money:
        """What is paid less."""
        return self.before - self.after


def plan_alternatives(
    state: SubscriptionState,
    offered_plans: Iterable[str],
    book: PriceBook,
    asked_on: date,
    notice_days: int,
) -> tuple[Alternative, ...]:
    """Fewer seats, the next smaller of the `offered_plans`, the yearly price; what saves money.

    Each is the same plan that its own page would confirm; one that is not possible is not named.
    """
    found = (
        *_fewer_seats(state, book.currency, asked_on, notice_days),
        *_smaller_plan(state, offered_plans, book, asked_on, notice_days),
        *_yearly(state, book, asked_on, notice_days),
    )
    return tuple(each for each in found if not each.saving.is_zero and not each.saving.is_negative)


def _fewer_seats(
    state: SubscriptionState, currency: str, asked_on: date, notice_days: int
) -> Iterator[Alternative]:
    item = state.plan_item
    ahead = item.quantity_at_renewal
    unused = min(ahead - item.assigned, ahead - 1)
    removed = max(unused, 1)
    planned = _tried(lambda: plan_reduction(state, item.item_id, removed, asked_on, notice_days))
    if planned is not None:
        yield Alternative(
            "seats",
            planned.time.effective_on,
            planned.before.net(currency),
            planned.after.net(currency),
            removed=removed,
            unused=unused > 0,
        )


def _smaller_plan(
    state: SubscriptionState,
    offered_plans: Iterable[str],
    book: PriceBook,
    asked_on: date,
    notice_days: int,
) -> Iterator[Alternative]:
    item = state.plan_item
    if state.interval is None or item.unit_price is None:
        return
    priced = {
        key: found.unit
        for key in offered_plans
        if (found := book.plan(state.product_key, key, state.interval)) is not None
        and found.unit < item.unit_price
    }
    if not priced:
        return
    key = max(priced, key=lambda plan: priced[plan].minor)
    planned = _tried(lambda: plan_plan_change(state, key, book, asked_on, notice_days))
    if planned is not None:
        yield Alternative(
            "plan",
            planned.time.effective_on,
            planned.before.net(book.currency),
            planned.after.net(book.currency),
            plan_key=key,
        )


def _yearly(
    state: SubscriptionState, book: PriceBook, asked_on: date, notice_days: int
) -> Iterator[Alternative]:
    planned = _tried(lambda: plan_period_change(state, Interval.YEAR, book, asked_on, notice_days))
    if planned is None or planned.before.after.interval is None:
        return
    periods = _MONTHS_OF_A_YEAR // planned.before.after.interval.months
    yield Alternative(
        "period",
        planned.time.effective_on,
        planned.before.net(book.currency) * periods,
        planned.after.net(book.currency),
    )


def _tried(plan: Callable[[], PlannedChange]) -> PlannedChange | None:
    try:
        return plan()
    except DomainError:
        return None
