"""Proration: quantity × unit price × days left ÷ days, rounded once on the line (S2, C1)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import CurrencyMismatch, DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval, Period, Term
from portal.domain.proration import ProratedLine, prorate_seats, prorate_switch

untimed = settings(deadline=None)
DAY = timedelta(days=1)
QUARTER = Period(date(2026, 8, 31), date(2026, 11, 30))  # 91 days
ON = date(2026, 10, 29)  # 32 days left

quantities = st.integers(1, 10_000)
prices = st.integers(0, 10_000_000).map(lambda minor: Money(minor, "EUR"))


@st.composite
def days_in_periods(draw: st.DrawFn) -> tuple[Period, date]:
    first = draw(st.dates(date(2024, 1, 1), date(2040, 12, 31)))
    term = Term.opening_at(first, draw(st.sampled_from(Interval)), first.day)
    period = term.period(draw(st.integers(0, 24)))
    return period, period.start + draw(st.integers(0, period.days - 1)) * DAY


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def test_s2_the_line_and_its_formula() -> None:
    assert prorate_seats(3, eur(7500), QUARTER, ON) == ProratedLine(
        quantity=3,
        unit_price=eur(7500),
        days_left=32,
        days=91,
        net=eur(7912),  # 7912.09; rounding each seat first would give 7911
        period=QUARTER,
        on=ON,
    )


@pytest.mark.parametrize(
    ("quantity", "minor", "period", "on", "net"),
    [
        (1, 1000, Period(date(2026, 4, 1), date(2026, 5, 1)), date(2026, 4, 16), 500),
        (1, 1001, Period(date(2026, 4, 1), date(2026, 5, 1)), date(2026, 4, 16), 501),  # 500.5
        (7, 1, Period(date(2026, 4, 1), date(2026, 5, 1)), date(2026, 4, 29), 0),  # 0.47
        (5, 36500, Period(date(2026, 1, 1), date(2027, 1, 1)), date(2026, 12, 31), 500),
        (5, 36600, Period(date(2028, 1, 1), date(2029, 1, 1)), date(2028, 12, 31), 500),
        (2, 2800, Period(date(2027, 2, 28), date(2027, 3, 31)), date(2027, 3, 30), 181),
        (1, 0, QUARTER, ON, 0),
    ],
)
def test_s2_examples(quantity: int, minor: int, period: Period, on: date, net: int) -> None:
    assert prorate_seats(quantity, eur(minor), period, on).net == eur(net)


def test_s2_amounts_of_a_currency_without_decimals() -> None:
    line = prorate_seats(3, Money(1200, "JPY"), QUARTER, ON)
    assert line.net == Money(1266, "JPY")  # 1265.93


@untimed
@given(quantities, prices, days_in_periods())
def test_s2_rounded_once_half_away_from_zero(
    quantity: int, price: Money, when: tuple[Period, date]
) -> None:
    period, on = when
    line = prorate_seats(quantity, price, period, on)
    with localcontext(prec=60):
        exact = Decimal(quantity * price.minor * (period.end - on).days) / period.days
        assert line.net == eur(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


@untimed
@given(quantities, prices, days_in_periods())
def test_s2_the_first_day_costs_the_full_price_and_waiting_never_costs_more(
    quantity: int, price: Money, when: tuple[Period, date]
) -> None:
    period, on = when
    assert prorate_seats(quantity, price, period, period.start).net == price * quantity
    net = prorate_seats(quantity, price, period, on).net
    assert Money.zero("EUR") <= net <= price * quantity
    if period.contains(on + DAY):
        assert prorate_seats(quantity, price, period, on + DAY).net <= net


@untimed
@given(quantities, quantities, prices, days_in_periods())
def test_s2_adding_in_two_steps_costs_the_same_but_for_one_unit(
    some: int, more: int, price: Money, when: tuple[Period, date]
) -> None:
    period, on = when
    steps = prorate_seats(some, price, period, on).net + prorate_seats(more, price, period, on).net
    at_once = prorate_seats(some + more, price, period, on).net
    assert abs(steps.minor - at_once.minor) <= 1


@pytest.mark.parametrize("on", [QUARTER.start - DAY, QUARTER.end])
def test_s2_a_day_outside_the_lines_own_period_is_refused(on: date) -> None:
    with pytest.raises(DomainError) as caught:
        prorate_seats(1, eur(100), QUARTER, on)
    assert caught.value.code == "date_outside_period"


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_line_has_at_least_one_unit(quantity: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        prorate_seats(quantity, eur(100), QUARTER, ON)


def test_c1_a_switch_credits_the_old_price_and_charges_the_new() -> None:
    credit, charge = prorate_switch(eur(7500), eur(12000), 3, QUARTER, ON)
    assert credit == ProratedLine(3, eur(-7500), 32, 91, eur(-7912), QUARTER, ON)
    assert charge == ProratedLine(3, eur(12000), 32, 91, eur(12659), QUARTER, ON)


def test_c1_a_half_cent_is_credited_as_it_was_charged() -> None:
    april = Period(date(2026, 4, 1), date(2026, 5, 1))
    credit, charge = prorate_switch(eur(1001), eur(2001), 1, april, date(2026, 4, 16))
    assert (credit.net, charge.net) == (eur(-501), eur(1001))


@untimed
@given(quantities, prices, prices, days_in_periods())
def test_c1_an_upgrade_costs_and_a_downgrade_credits(
    quantity: int, old: Money, new: Money, when: tuple[Period, date]
) -> None:
    credit, charge = prorate_switch(old, new, quantity, *when)
    assert credit.net == -prorate_seats(quantity, old, *when).net
    assert charge == prorate_seats(quantity, new, *when)
    net = credit.net + charge.net
    if old <= new:
        assert not net.is_negative
    if old >= new:
        assert net <= Money.zero("EUR")


def test_c1_prices_of_two_currencies_do_not_switch() -> None:
    with pytest.raises(CurrencyMismatch) as caught:
        prorate_switch(eur(100), Money(100, "CHF"), 1, QUARTER, ON)
    assert caught.value.data == {"left": "EUR", "right": "CHF"}
