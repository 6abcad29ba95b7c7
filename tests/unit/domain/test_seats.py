"""Adding seats: what an increase costs now and from the next period (S1, S2, S3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import DEMO_CATALOG
from portal.domain.catalogue import Catalogue
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import Rejected
from portal.domain.labels import label_of
from portal.domain.periods import Interval
from portal.domain.seats import MAXIMUM_SEATS, may_change_seats, plan_seat_increase
from tests.unit.domain.buying import QUARTER, YEAR, add_on, eur, plan, subscription

untimed = settings(deadline=None)
ON = date(2026, 10, 29)  # 32 of 91 days left


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return parse_catalogue(Path(DEMO_CATALOG).read_text(encoding="utf-8"))


def problems(rejected: pytest.ExceptionInfo[Rejected]) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in rejected.value.problems]


def test_S2_three_seats_in_a_quarter_cost_79_12_now_and_1125_00_from_the_next_period() -> None:
    (increase,) = plan_seat_increase([subscription(plan(quantity=12))], {1: 15}, ON)
    assert (increase.added, increase.line.net) == (3, eur(7912))
    assert (increase.line.days_left, increase.line.days) == (32, 91)
    assert (increase.next_quantity, increase.next_amount) == (15, eur(112_500))
    assert increase.next_amount_before == eur(90_000)


def test_S2_each_line_prorates_on_its_own_period() -> None:
    quarterly = subscription(plan(1, quantity=12))
    yearly = subscription(
        plan(2, quantity=4, unit=eur(36_500)), number=2, interval=Interval.YEAR, period=YEAR
    )
    first, second = plan_seat_increase([quarterly, yearly], {1: 13, 2: 5}, ON)
    assert (first.line.days_left, first.line.days, first.interval) == (32, 91, Interval.QUARTER)
    assert (second.line.days_left, second.line.days) == (64, 365)
    assert second.line.net == eur(6400)


def test_S3_an_increase_adds_to_the_present_and_to_the_future_number() -> None:
    waiting = subscription(plan(quantity=12, waiting=-4))
    (increase,) = plan_seat_increase([waiting], {1: 15}, ON)
    assert increase.line.quantity == 3  # paid for now, as if nothing waited
    assert (increase.next_quantity, increase.next_amount) == (11, eur(11 * 7500))
    assert increase.next_amount_before == eur(8 * 7500)


@given(present=st.integers(0, 500), below=st.integers(1, 500))
def test_S1_seats_never_fall_inside_a_period(present: int, below: int) -> None:
    with pytest.raises(Rejected) as rejected:
        plan_seat_increase([subscription(plan(quantity=present))], {1: present - below}, ON)
    assert problems(rejected) == [("item_1", "seats_below_present")]
    assert rejected.value.problems[0].data == {"minimum": present}


def test_what_stays_as_it_is_makes_no_line() -> None:
    states = [subscription(plan(1, quantity=12), add_on(2, quantity=3))]
    (increase,) = plan_seat_increase(states, {1: 12, 2: 4}, ON)
    assert increase.item.item_id == 2


@pytest.mark.parametrize("totals", [{}, {1: 12}])
def test_a_form_that_adds_nothing_is_refused_as_a_whole(totals: dict[int, int]) -> None:
    with pytest.raises(Rejected) as rejected:
        plan_seat_increase([subscription(plan(quantity=12))], totals, ON)
    assert problems(rejected) == [("", "nothing_added")]


def test_every_wrong_number_is_named_and_nothing_is_half_accepted() -> None:
    flat = add_on(3, per_seat=False)
    states = [subscription(plan(1, quantity=12), add_on(2, quantity=3), flat)]
    with pytest.raises(Rejected) as rejected:
        plan_seat_increase(states, {1: 11, 2: MAXIMUM_SEATS + 1, 3: 2, 99: 5}, ON)
    assert problems(rejected) == [
        ("item_1", "seats_below_present"),
        ("item_2", "quantity_too_large"),
        ("item_3", "item_unknown"),  # a flat add-on has no seats
        ("item_99", "item_unknown"),
    ]


def test_the_largest_number_is_accepted() -> None:
    (increase,) = plan_seat_increase([subscription(plan(quantity=12))], {1: MAXIMUM_SEATS}, ON)
    assert increase.next_quantity == MAXIMUM_SEATS


@untimed
@given(
    present=st.integers(0, 1000),
    added=st.integers(1, 1000),
    unit=st.integers(1, 1_000_000),
    day=st.integers(0, 90),
)
def test_S2_the_first_day_costs_the_full_price_and_no_day_more(
    present: int, added: int, unit: int, day: int
) -> None:
    state = subscription(plan(quantity=present, unit=eur(unit)))
    on = QUARTER.start + timedelta(days=day)
    (increase,) = plan_seat_increase([state], {1: present + added}, on)
    full = eur(unit) * added
    assert eur(0) <= increase.line.net <= full
    assert (increase.line.net == full) or day > 0
    assert increase.next_amount - increase.next_amount_before == full
    assert increase.line.days_left == 91 - day


@pytest.mark.parametrize(
    ("terms", "status", "reason"),
    [
        ("automatic", "active", None),
        ("bank_transfer", "active", "bank_transfer"),
        ("automatic", "trial", "trial"),
        ("automatic", "suspended", "suspended"),
    ],
)
def test_who_may_add_seats_alone(
    catalogue: Catalogue, terms: str, status: str, reason: str | None
) -> None:
    state = subscription(plan(), status=status)
    assert may_change_seats(state, state.plan_item, catalogue, terms) == reason


def test_a_product_that_needs_help_is_not_changed_by_the_customer(catalogue: Catalogue) -> None:
    state = subscription(plan(key="analyst"), product="insights")
    assert may_change_seats(state, state.plan_item, catalogue, "automatic") == "product_support"


def test_a_plan_or_an_add_on_may_need_help_where_its_product_does_not(
    catalogue: Catalogue,
) -> None:
    crm = catalogue.product("crm")
    helped = replace(
        crm,
        plans=tuple(replace(p, self_service=False) for p in crm.plans),
        add_ons=tuple(replace(a, self_service=False) for a in crm.add_ons),
    )
    products = tuple(helped if p.key == "crm" else p for p in catalogue.products)
    changed = replace(catalogue, products=products)
    extra = add_on(2, quantity=3)
    state = subscription(plan(), extra)
    assert may_change_seats(state, state.plan_item, changed, "automatic") == "plan_support"
    assert may_change_seats(state, extra, changed, "automatic") == "add_on_support"
    assert may_change_seats(state, extra, catalogue, "automatic") is None


@pytest.mark.parametrize(
    ("keys", "label"),
    [
        (("crm", "pro", None, None), "Kanto CRM Pro"),
        (("crm", None, "appointments", "beyond"), "Customer appointments Beyond"),
        (("crm", None, None, None), "Kanto CRM"),
        (("gone", "pro", None, None), "gone pro"),
        (("crm", "gone", None, None), "crm gone"),
    ],
)
def test_what_is_sold_has_a_name_and_a_key_that_left_the_file_shows_itself(
    catalogue: Catalogue, keys: tuple[str, str | None, str | None, str | None], label: str
) -> None:
    assert label_of(catalogue, *keys, "en") == label


def test_a_flat_add_on_and_a_free_item_have_no_seats_to_add(catalogue: Catalogue) -> None:
    flat, free = add_on(2, per_seat=False), plan(1, unit=None)
    state = subscription(free, flat)
    assert may_change_seats(state, flat, catalogue, "automatic") == "not_per_seat"
    assert may_change_seats(state, free, catalogue, "automatic") == "not_per_seat"


def test_S9_free_seats_are_never_below_zero() -> None:
    assert plan(quantity=3, assigned=5).free == 0
    assert plan(quantity=5, assigned=3).free == 2
