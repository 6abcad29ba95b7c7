"""What can be done instead of cancelling: real figures, and only what saves money (C3, C4, S4)."""

from __future__ import annotations

from datetime import date

import pytest

from portal.domain.cancellation import Alternative, plan_alternatives
from portal.domain.changes import plan_cancellation
from portal.domain.errors import DomainError
from portal.domain.periods import Interval, Period
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.subscriptions import ChangeKind
from tests.unit.domain.buying import add_on, eur, plan, subscription, waiting

IN_TIME, LATE = date(2026, 11, 15), date(2026, 11, 16)
RENEWAL, AFTER = date(2026, 11, 30), date(2027, 2, 28)
PLANS = ("start", "pro", "enterprise")


def book(*, start: int | None = 3300, year: int | None = 28_500) -> PriceBook:
    prices = {
        ("crm", "pro", "quarter"): PriceOf(2, eur(7500)),
        ("crm", "enterprise", "quarter"): PriceOf(3, eur(12_000)),
    }
    if start is not None:
        prices["crm", "start", "quarter"] = PriceOf(1, eur(start))
    if year is not None:
        prices["crm", "pro", "year"] = PriceOf(4, eur(year))
    return PriceBook("EUR", prices, {})


def ways(
    *items: object, prices: PriceBook | None = None, on: date = IN_TIME, **more: object
) -> dict[str, Alternative]:
    state = subscription(*(items or (plan(assigned=10),)), **more)  # type: ignore[arg-type]
    found = plan_alternatives(state, PLANS, prices or book(), on, 15)
    return {way.kind: way for way in found}


def test_C3_the_seats_that_nobody_holds_can_go() -> None:
    seats = ways()["seats"]
    assert (seats.removed, seats.unused, seats.on) == (2, True, RENEWAL)
    assert (seats.before, seats.after, seats.saving) == (eur(90_000), eur(75_000), eur(15_000))


def test_C3_where_all_are_used_one_stands_for_each() -> None:
    seats = ways(plan(assigned=12))["seats"]
    assert (seats.removed, seats.unused, seats.saving) == (1, False, eur(7_500))
    assert "seats" not in ways(plan(quantity=1, assigned=1))  # the last one is a cancellation
    assert ways(plan(quantity=5, assigned=0))["seats"].removed == 4


def test_S3_what_is_reduced_already_is_not_offered_again() -> None:
    seats = ways(plan(assigned=8, waiting=-2))["seats"]
    assert (seats.removed, seats.before, seats.after) == (2, eur(75_000), eur(60_000))


def test_C4_the_next_smaller_plan_that_is_sold() -> None:
    smaller = ways()["plan"]
    assert (smaller.plan_key, smaller.before, smaller.after) == ("start", eur(90_000), eur(39_600))
    assert "plan" not in ways(prices=book(start=None))
    assert "plan" not in ways(prices=book(start=7500))  # no smaller one


def test_C4_the_yearly_price_where_it_saves() -> None:
    yearly = ways()["period"]
    assert (yearly.before, yearly.after) == (eur(360_000), eur(342_000))
    assert "period" not in ways(prices=book(year=30_000))
    assert "period" not in ways(prices=book(year=None))
    assert "period" not in ways(plan(assigned=10), add_on(2))  # the add-on is not sold yearly
    already = ways(interval=Interval.YEAR, period=Period(date(2026, 1, 1), date(2027, 1, 1)))
    assert "period" not in already


def test_S4_too_late_they_begin_at_the_renewal_after() -> None:
    assert {way.on for way in ways(on=LATE).values()} == {AFTER}


def test_C3_a_cancelled_subscription_has_no_alternatives() -> None:
    cancel = waiting(9, ChangeKind.CANCEL, on=RENEWAL, target={"reason": ""})
    assert ways(changes=[cancel]) == {}


def test_C3_the_reason_and_the_customers_own_words() -> None:
    state = subscription(plan())
    assert plan_cancellation(state, "", IN_TIME, 15).target == {"reason": ""}
    planned = plan_cancellation(state, "other", IN_TIME, 15, "We merge.")
    assert planned.target == {"reason": "other", "comment": "We merge."}
    assert planned.after.ends
    with pytest.raises(DomainError, match="subscription_ends"):
        plan_cancellation(planned.after_state, "", IN_TIME, 15)
