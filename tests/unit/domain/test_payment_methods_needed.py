"""How long a payment method is needed, and which renewal a card does not reach (M3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from portal.domain.money import Money
from portal.domain.payment_methods import (
    MethodNeed,
    NeedKind,
    plan_method_needs,
    renewal_beyond_expiry,
)
from portal.domain.periods import Interval, Period
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)

RENEWAL = date(2026, 12, 1)


def state(
    renewal: date = RENEWAL, price: int | None = 2500, status: str = "active", quantity: int = 3
) -> SubscriptionState:
    unit = Money(price, "EUR") if price is not None else None
    plan = ItemState(1, "plan", "pro", None, None, True, quantity, 0, unit, 1)
    period = Period(date(2026, 11, 1), renewal)
    return SubscriptionState(7, "crm", status, Interval.MONTH, period, (plan,))


def cancelled(on: date) -> SubscriptionState:
    change = WaitingChange(1, ChangeKind.CANCEL, None, None, {}, on, date(2026, 11, 2))
    return with_changes(state(), [change])


@pytest.mark.parametrize(
    ("month", "year", "found"),
    [
        (11, 2026, RENEWAL),
        (12, 2026, None),
        (1, 2027, None),
        (10, 2026, RENEWAL),
        (12, 2025, RENEWAL),
    ],
)
def test_M3_a_card_is_good_through_its_month(month: int, year: int, found: date | None) -> None:
    assert renewal_beyond_expiry(year, month, [state()]) == found


def test_M3_the_first_renewal_that_the_card_does_not_reach_is_told() -> None:
    yearly, monthly = state(date(2027, 10, 1)), state(date(2026, 12, 5))
    assert renewal_beyond_expiry(2027, 3, [yearly, monthly]) == date(2027, 10, 1)
    assert renewal_beyond_expiry(2026, 11, [yearly, monthly]) == date(2026, 12, 5)


def test_M3_a_debit_never_expires() -> None:
    assert renewal_beyond_expiry(None, None, [state()]) is None


@pytest.mark.parametrize(
    "quiet",
    [
        state(price=0),
        state(price=None),
        state(quantity=0),
        state(status="suspended"),
        cancelled(RENEWAL),
        replace(state(), status="trial", period=None, interval=None),
    ],
)
def test_M3_what_charges_nothing_needs_no_method(quiet: SubscriptionState) -> None:
    assert plan_method_needs([quiet], []) == ()
    assert renewal_beyond_expiry(2020, 1, [quiet]) is None


def test_M3_a_later_end_still_charges_the_coming_renewal() -> None:
    (need,) = plan_method_needs([cancelled(date(2027, 1, 1))], [])
    assert need == MethodNeed(NeedKind.RENEWAL, "crm", RENEWAL, 7)


def test_M3_renewals_come_first_then_what_is_owed() -> None:
    owed = [MethodNeed(NeedKind.INVOICE, "KAN-2026-00001", None, 4)]
    needs = plan_method_needs([state(date(2027, 1, 1)), state()], owed)
    assert [need.on for need in needs] == [RENEWAL, date(2027, 1, 1), None]
