"""What each billing period would cost: monthly, quarterly and yearly side by side (C4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.domain.catalogue import Catalogue
from portal.domain.changes import plan_period_change
from portal.domain.errors import DomainError
from portal.domain.money import Money, total
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange

__all__ = ["PeriodOption", "plan_period_options", "why_no_period_change"]

_MONTHS_OF_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class PeriodOption:
    """One billing period, priced for what the subscription has at present; amounts are net.

    The present period is priced as it is pinned, the others with today's prices (C4). `saving` is
    that of a year, compared with the dearest one offered; `saving_percent` is rounded down, so that
    it never promises more than there is. `waiting` changes to this period at a renewal.
    """

    interval: Interval
    per_period: Money
    per_year: Money
    saving: Money
    saving_percent: int
    is_current: bool
    waiting: WaitingChange | None


def plan_period_options(
    state: SubscriptionState, book: PriceBook, asked_on: date, notice_days: int
) -> tuple[PeriodOption, ...]:
    """The present billing period and those that could be asked for today, the shortest first.

    One in which any of the items has no price is not offered (C4), nor one that another waiting
    change could not be renewed in. DomainError as `change_time`.
    """
    waiting = {change.target["interval"]: change for change in state.changes_of(ChangeKind.PERIOD)}
    priced: list[tuple[Interval, Money]] = []
    for interval in Interval:
        if interval == state.interval or _is_offered(state, interval, book, asked_on, notice_days):
            amount = _price(state, interval, book)
            if amount is not None:
                priced.append((interval, amount))
    if not priced:
        return ()
    dearest = max(_per_year(amount, interval) for interval, amount in priced)
    options = []
    for interval, amount in priced:
        saving = dearest - _per_year(amount, interval)
        options.append(
            PeriodOption(
                interval=interval,
                per_period=amount,
                per_year=_per_year(amount, interval),
                saving=saving,
                saving_percent=0 if dearest.is_zero else 100 * saving.minor // dearest.minor,
                is_current=interval == state.interval,
                waiting=waiting.get(interval.value),
            )
        )
    return tuple(options)


def why_no_period_change(
    state: SubscriptionState, catalogue: Catalogue, payment_terms: str
) -> str | None:
    """None where the customer may change the billing period alone, else the code of the reason.

    bank_transfer: the account executive does it; product_support, plan_support: the catalogue says
    that help is needed; trial, suspended, ended: the subscription's status; ends: it is cancelled
    before another period could begin.
    """
    if payment_terms == "bank_transfer":
        return "bank_transfer"
    if not state.is_running:
        return state.status
    product = catalogue.product(state.product_key)
    if not product.self_service:
        return "product_support"
    if not product.plan(state.plan_item.plan_key or "").self_service:
        return "plan_support"
    return "ends" if state.ends_on is not None else None


def _is_offered(
    state: SubscriptionState, interval: Interval, book: PriceBook, asked_on: date, notice_days: int
) -> bool:
    try:
        plan_period_change(state, interval, book, asked_on, notice_days)
    except DomainError as error:
        if error.code == "price_missing":
            return False
        raise
    return True


def _price(state: SubscriptionState, interval: Interval, book: PriceBook) -> Money | None:
    """All items at their present quantities; None where one has no price in `interval`."""
    amounts: list[Money] = []
    for item in state.items:
        if item.unit_price is None:  # free as long as it lasts
            continue
        if interval == state.interval:
            unit = item.unit_price
        else:
            found = book.item(state.product_key, item, interval)
            if found is None:
                return None
            unit = found.unit
        amounts.append(unit * item.quantity)
    return total(amounts, book.currency)


def _per_year(amount: Money, interval: Interval) -> Money:
    return amount * (_MONTHS_OF_A_YEAR // interval.months)
