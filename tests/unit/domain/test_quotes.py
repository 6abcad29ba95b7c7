"""Quotes: pinned lines, priced on a day, and what may be done with one when (Q1, Q2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.quotes import (
    PinnedLine,
    PricedQuote,
    QuoteStatus,
    last_valid_day,
    price_quote,
    require_open,
    subject_of_subscription,
    terms_key,
)
from portal.domain.tax import TaxDecision, TaxTreatment
from tests.unit.domain.buying import QUARTER, YEAR, add_on, eur, plan, subscription

untimed = settings(deadline=None)
ON = date(2026, 10, 29)
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
REVERSED = TaxDecision(TaxTreatment.REVERSE_CHARGE, Decimal(0), None)


def pinned(
    quantity: int = 3, *, item: int = 1, position: int = 1, unit: Money | None = None,
    discount: int = 0,
) -> PinnedLine:  # fmt: skip
    return PinnedLine(position, "seats", item, 10 + item, quantity, unit or eur(7500), discount)


def priced(*lines: PinnedLine, on: date = ON, tax: TaxDecision = BELGIAN) -> PricedQuote:
    states = [subscription(plan(1, quantity=12), add_on(2, quantity=3))]
    return price_quote(lines or (pinned(),), states, tax, "EUR", on)


def test_I1_three_seats_are_79_12_and_95_74_with_vat() -> None:
    quote = priced()
    assert quote.lines[0].net == eur(7912)
    assert (quote.totals.net, quote.totals.tax, quote.totals.gross) == (
        eur(7912), eur(1662), eur(9574),
    )  # fmt: skip


def test_Q2_unit_prices_are_pinned_and_the_proration_is_of_the_day() -> None:
    cheaper = priced(pinned(unit=eur(6000)))  # the item's own price is 75.00 by now
    assert cheaper.lines[0].unit_price == eur(6000)
    assert cheaper.lines[0].net == eur(6330)
    assert priced(on=ON + timedelta(days=1)).lines[0].days_left == 31


def test_Q2_a_discount_belongs_to_the_line_and_is_rounded_with_it_once() -> None:
    quote = priced(pinned(discount=1000))
    assert quote.lines[0].net == eur(7121)  # 225.00 × 0.9 × 32 ÷ 91 = 71.208…


def test_S2_the_quote_shows_the_invoice_from_the_next_period_before_and_after() -> None:
    (outlook,) = priced().outlook
    assert (outlook.on, outlook.interval) == (QUARTER.end, Interval.QUARTER)
    assert outlook.net_before == eur(12 * 7500 + 3 * 2500)
    assert outlook.net_after == eur(15 * 7500 + 3 * 2500)
    assert outlook.gross_after == eur(145_200)


def test_S3_a_reduction_that_waits_is_in_the_outlook() -> None:
    state = subscription(plan(quantity=12, waiting=-4))
    (outlook,) = price_quote([pinned()], [state], BELGIAN, "EUR", ON).outlook
    assert (outlook.net_before, outlook.net_after) == (eur(8 * 7500), eur(11 * 7500))


def test_S2_lines_of_two_subscriptions_prorate_each_on_its_own_period() -> None:
    states = [
        subscription(plan(1)),
        subscription(plan(2, unit=eur(36_500)), number=2, interval=Interval.YEAR, period=YEAR),
    ]
    quote = price_quote(
        [pinned(), pinned(1, item=2, position=2, unit=eur(36_500))], states, BELGIAN, "EUR", ON
    )
    assert [(line.days_left, line.days) for line in quote.lines] == [(32, 91), (64, 365)]
    assert quote.totals.net == eur(7912 + 6400)
    assert [o.subscription_id for o in quote.outlook] == [1, 2]


def test_a_line_without_an_item_is_not_prorated() -> None:
    line = PinnedLine(1, "service", None, 5, 2, eur(50_000))
    quote = price_quote([line], [], BELGIAN, "EUR", ON)
    assert (quote.lines[0].net, quote.lines[0].days, quote.outlook) == (eur(100_000), None, ())


def test_an_item_that_is_gone_or_in_no_period_cannot_be_priced() -> None:
    with pytest.raises(DomainError, match="item_gone"):
        priced(pinned(item=99))
    trial = subscription(plan(), status="trial", interval=None, period=None)
    with pytest.raises(DomainError, match="item_gone"):
        price_quote([pinned()], [trial], BELGIAN, "EUR", ON)


@untimed
@given(
    lines=st.lists(st.tuples(st.integers(1, 500), st.integers(0, 200_000)), min_size=1, max_size=8),
    rate=st.sampled_from([Decimal(0), Decimal("5.5"), Decimal(20), Decimal(21), Decimal("25.5")]),
    day=st.integers(0, 90),
)
def test_I1_the_total_is_the_sum_of_its_rounded_lines_and_one_vat_on_that_sum(
    lines: list[tuple[int, int]], rate: Decimal, day: int
) -> None:
    quote = priced(
        *(
            pinned(quantity, position=position, unit=eur(unit))
            for position, (quantity, unit) in enumerate(lines, start=1)
        ),
        on=QUARTER.start + timedelta(days=day),
        tax=TaxDecision(TaxTreatment.OSS, rate, "XX"),
    )
    net = sum(line.net.minor for line in quote.lines)
    assert quote.totals.net == eur(net)
    assert abs(quote.totals.tax.minor - net * rate / 100) <= Decimal("0.5")
    assert quote.totals.gross == quote.totals.net + quote.totals.tax


# --- terms_key: what was shown is what is charged (Q2) -----------------------------------------


def test_Q2_the_same_terms_have_the_same_key() -> None:
    assert terms_key(priced()) == terms_key(priced())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(priced(pinned(4)), id="quantity"),
        pytest.param(priced(pinned(unit=eur(7501))), id="unit price"),
        pytest.param(priced(on=ON + timedelta(days=1)), id="day"),
        pytest.param(priced(tax=REVERSED), id="vat"),
        pytest.param(priced(tax=replace(BELGIAN, rate=Decimal(20))), id="rate"),
        pytest.param(priced(pinned(discount=1)), id="discount that changes the amount"),
        pytest.param(priced(pinned(), pinned(1, item=2, position=2)), id="one line more"),
    ],
)
def test_Q2_any_change_of_what_money_depends_on_changes_the_key(other: PricedQuote) -> None:
    assert terms_key(other) != terms_key(priced())


def test_Q2_the_treatment_counts_even_where_the_amount_is_the_same() -> None:
    outside = TaxDecision(TaxTreatment.OUTSIDE_EU, Decimal(0), None)
    assert terms_key(priced(tax=outside)) != terms_key(priced(tax=REVERSED))


# --- what may be done when (Q1) ----------------------------------------------------------------


@pytest.mark.parametrize("status", [s for s in QuoteStatus if s is not QuoteStatus.OPEN])
def test_Q1_only_an_open_quote_can_be_ordered(status: QuoteStatus) -> None:
    with pytest.raises(DomainError) as refused:
        require_open(status, ON, ON)
    assert refused.value.code == f"quote_{status}"


def test_Q1_a_quote_is_good_through_its_last_local_day() -> None:
    last = last_valid_day(ON, 30)
    assert last == date(2026, 11, 28)
    require_open("open", last, last)
    with pytest.raises(DomainError, match="quote_expired"):
        require_open("open", last, last + timedelta(days=1))


def test_Q1_a_subject_names_the_subscription() -> None:
    assert subject_of_subscription(7) == "subscription:7"
    assert len({subject_of_subscription(n) for n in range(50)}) == 50
