"""Offers: any line with a discount, each planned on what those before it leave (Q2, C4, I1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.offers import (
    Discount,
    Offer,
    Offered,
    credits_given_away,
    plan_offer,
    require_no_gift,
    require_validity,
)
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.pricing import price_line
from portal.domain.quotes import is_reminder_due, price_quote
from portal.domain.wishes import AddOnChoice, Credits, Free, NewAddOn, Seats, Start, Switch
from tests.unit.domain.buying import eur
from tests.unit.domain.test_purchases import BELGIAN, CATALOGUE, CRM, ON, book

BOOK = book()
PERIOD = CRM.period
assert PERIOD is not None
ITEM = CRM.plan_item


def offer(*offered: Offered) -> Offer:
    return plan_offer(offered, [CRM], BOOK, CATALOGUE, ON)


def seats(added: int = 3, discount: Discount = Discount()) -> Offered:  # noqa: B008 - frozen
    return Offered(Seats(ITEM.item_id, ITEM.quantity + added), discount)


def test_lines_of_the_catalogue_and_free_ones_are_numbered_as_one() -> None:
    planned = offer(Offered(Free("Workshop", 45_000, 2)), seats(), Offered(Free("Travel", 9_900)))
    lines = planned.purchase.lines
    assert [(x.position, x.kind, x.quantity) for x in lines] == [
        (1, "free", 2), (2, "seats", 3), (3, "free", 1),
    ]  # fmt: skip
    assert planned.sources == (0, 1, 2)
    assert planned.purchase.subscriptions == (CRM.subscription_id,)


def test_two_starts_are_two_subscriptions() -> None:
    """What is begun has an id of its own place, whichever wish it is of."""
    products = [p for p in CATALOGUE.products if p.key != "crm" and p.offered_plans][:2]
    plans = {
        (p.key, p.offered_plans[0].key, "year"): PriceOf(900 + n, eur(1_000))
        for n, p in enumerate(products)
    }
    starts = [Offered(Start(p.key, p.offered_plans[0].key, Interval.YEAR, 2)) for p in products]
    shop = PriceBook("EUR", plans, {})
    planned = plan_offer(starts, [], shop, CATALOGUE, ON)
    priced = price_quote(planned.purchase.lines, [], BELGIAN, "EUR", ON)
    assert planned.purchase.products == tuple(p.key for p in products)
    assert {o.product_key for o in priced.outlook} == {p.key for p in products}


def test_a_part_is_off_every_line_and_an_amount_off_the_first() -> None:
    part = offer(seats(discount=Discount(basis_points=1_250))).purchase.lines
    assert [x.discount_basis_points for x in part] == [1_250]
    amount = offer(seats(discount=Discount(minor=5_000))).purchase.lines
    assert [x.discount_minor for x in amount] == [5_000]


def test_C1_what_is_given_back_for_an_unused_part_stays_whole() -> None:
    key = next(p.key for p in CATALOGUE.product("crm").offered_plans if p.key != ITEM.plan_key
               and p.rank > CATALOGUE.plan("crm", ITEM.plan_key or "").rank)  # fmt: skip
    lines = offer(Offered(Switch(ITEM.item_id, key), Discount(basis_points=1_000))).purchase.lines
    assert [(x.kind, x.discount_basis_points) for x in lines] == [
        ("plan_credit", 0), ("plan_charge", 1_000),
    ]  # fmt: skip


def test_an_amount_beyond_the_line_is_refused() -> None:
    with pytest.raises(DomainError, match="discount_too_large") as refused:
        offer(Offered(Free("Workshop", 10_000), Discount(minor=10_001)))
    assert refused.value.data == {"maximum": Money(10_000, "EUR")}
    offer(Offered(Free("Workshop", 10_000), Discount(minor=10_000)))


PACKS = PriceBook(
    "EUR", {}, {}, packs={"medium": PriceOf(71, eur(18_000)), "large": PriceOf(72, eur(80_000))}
)
LIMIT = CATALOGUE.policy.manual_credit_approval_limit
assert LIMIT == 1_000, "the medium pack holds twice as many, the large one ten times"


def pack(key: str = "medium", discount: Discount = Discount()) -> Offered:  # noqa: B008 - frozen
    return Offered(Credits(key), discount)


@pytest.mark.parametrize(
    ("offered", "given"),
    [
        ([pack(discount=Discount(basis_points=5_000))], 1_000),
        ([pack(discount=Discount(basis_points=5_001))], 1_001),
        ([pack(discount=Discount(minor=9_000))], 1_000),
        ([pack(discount=Discount(minor=9_001))], 1_001),
        ([pack("large", Discount(basis_points=10_000))], 10_000),
        ([pack(discount=Discount(minor=4_500)), pack("large", Discount(basis_points=501))], 1_001),
    ],
)
def test_W2_a_discount_gives_no_more_credits_than_one_person_may(
    offered: list[Offered], given: int
) -> None:
    """Given are the credits of the share that is not paid, over all packs of the offer."""
    if given <= LIMIT:
        lines = plan_offer(offered, [CRM], PACKS, CATALOGUE, ON).purchase.lines
        assert credits_given_away(lines) == given
        return
    with pytest.raises(DomainError, match="discount_gives_credits") as refused:
        plan_offer(offered, [CRM], PACKS, CATALOGUE, ON)
    assert refused.value.data == {"credits": given, "maximum": LIMIT}


def test_W2_the_limit_is_not_got_round_in_parts() -> None:
    """What the same person gives by other quotes counts, but for an offer that gives none."""
    half = pack(discount=Discount(basis_points=2_500))
    lines = plan_offer([half], [CRM], PACKS, CATALOGUE, ON).purchase.lines
    require_no_gift(lines, Fraction(500), LIMIT)
    with pytest.raises(DomainError, match="discount_gives_credits"):
        require_no_gift(lines, Fraction(501), LIMIT)
    whole = plan_offer([pack()], [CRM], PACKS, CATALOGUE, ON).purchase.lines
    require_no_gift(whole, Fraction(5_000), LIMIT)


def test_an_offer_of_nothing_is_none() -> None:
    with pytest.raises(DomainError, match="offer_empty"):
        offer()


@pytest.mark.parametrize("percent", ["-1", "100.01", "12.345"])
def test_a_discount_is_from_0_to_100_per_cent(percent: str) -> None:
    with pytest.raises(DomainError, match="discount_malformed"):
        Discount.percent(Decimal(percent))


def test_a_validity_is_today_or_within_a_year() -> None:
    require_validity(ON, ON)
    with pytest.raises(DomainError, match="validity_past"):
        require_validity(date(ON.year - 1, 1, 1), ON)
    with pytest.raises(DomainError, match="validity_too_long"):
        require_validity(date(ON.year + 2, 1, 1), ON)


@given(
    quantity=st.integers(1, 500), unit=st.integers(0, 100_000), amount=st.integers(0, 10_000_000),
    points=st.integers(0, 10_000), left=st.integers(1, PERIOD.days),
)  # fmt: skip
def test_I1_a_line_is_rounded_once_and_never_below_nothing(
    quantity: int, unit: int, amount: int, points: int, left: int
) -> None:
    on = date.fromordinal(PERIOD.end.toordinal() - left)
    line = price_line(
        position=1, kind="seats", quantity=quantity, unit_price=Money(unit, "EUR"), period=PERIOD,
        on=on, discount_basis_points=points, discount_minor=amount,
    )  # fmt: skip
    without = price_line(
        position=1, kind="seats", quantity=quantity, unit_price=Money(unit, "EUR"), period=PERIOD,
        on=on, discount_basis_points=points,
    )  # fmt: skip
    assert line.net.minor == max(without.net.minor - amount, 0)
    assert line.net + line.discount == without.net


def test_I3_what_a_line_adds_to_a_period_invoiced_ahead_is_billed_whole() -> None:
    lines = offer(seats(3, Discount(basis_points=5_000))).purchase.lines
    ahead = {CRM.subscription_id: PERIOD.end}
    priced = price_quote(lines, [CRM], BELGIAN, "EUR", ON, ahead)
    now, coming = priced.lines
    assert (coming.kind, coming.quantity, coming.of_line) == ("coming", 3, now.position)
    assert coming.net == coming.unit_price * 3  # the discount is of the order alone
    assert coming.period is not None
    assert coming.period.start == PERIOD.end
    assert priced.outlook[0].on == coming.period.end
    alone = price_quote(lines, [CRM], BELGIAN, "EUR", ON)
    assert [x.kind for x in alone.lines] == ["seats"]
    assert priced.outlook[0].net_after - priced.outlook[0].net_before == coming.net


def test_I3_a_switch_bills_the_difference_of_the_coming_period() -> None:
    key = next(p.key for p in CATALOGUE.product("crm").offered_plans
               if p.rank > CATALOGUE.plan("crm", ITEM.plan_key or "").rank)  # fmt: skip
    lines = offer(Offered(Switch(ITEM.item_id, key))).purchase.lines
    priced = price_quote(lines, [CRM], BELGIAN, "EUR", ON, {CRM.subscription_id: PERIOD.end})
    back, charge = [x for x in priced.lines if x.kind == "coming"]
    assert back.unit_price == -(ITEM.unit_price or Money.zero("EUR"))
    assert (back.quantity, charge.quantity) == (ITEM.quantity, ITEM.quantity)
    assert charge.unit_price > Money.zero("EUR")


def test_I3_another_period_than_the_next_is_not_billed_again() -> None:
    """The worker is late: what was invoiced ahead is the period that is shown by now."""
    lines = offer(seats()).purchase.lines
    stale = {CRM.subscription_id: PERIOD.start}
    assert len(price_quote(lines, [CRM], BELGIAN, "EUR", ON, stale).lines) == 1


def test_a_new_add_on_is_billed_for_the_coming_period_too() -> None:
    wish = NewAddOn(CRM.subscription_id, AddOnChoice("appointments", "basic", 2))
    lines = offer(Offered(wish)).purchase.lines
    priced = price_quote(lines, [CRM], BELGIAN, "EUR", ON, {CRM.subscription_id: PERIOD.end})
    coming = priced.lines[-1]
    assert (coming.kind, coming.item_id, coming.of_line) == ("coming", None, 1)


def test_a_staff_offer_helps_with_what_needs_help() -> None:
    products = tuple(
        replace(p, self_service=False) if p.key == "crm" else p for p in CATALOGUE.products
    )
    helped = replace(CATALOGUE, products=products)
    assert plan_offer([seats()], [CRM], BOOK, helped, ON).purchase.seats == 3
    suspended = replace(CRM, status="suspended")
    with pytest.raises(DomainError, match="not_self_service"):
        plan_offer([seats()], [suspended], BOOK, CATALOGUE, ON)


@pytest.mark.parametrize(
    ("made", "last", "today", "due"),
    [
        (date(2026, 10, 1), date(2026, 10, 31), date(2026, 10, 27), False),
        (date(2026, 10, 1), date(2026, 10, 31), date(2026, 10, 28), True),
        (date(2026, 10, 1), date(2026, 10, 31), date(2026, 10, 31), True),
        (date(2026, 10, 1), date(2026, 10, 31), date(2026, 11, 1), False),
        (date(2026, 10, 28), date(2026, 10, 31), date(2026, 10, 29), False),
    ],
)
def test_Q1_a_quote_is_spoken_of_in_its_last_three_days(
    made: date, last: date, today: date, due: bool
) -> None:
    assert is_reminder_due(made, last, today) is due
