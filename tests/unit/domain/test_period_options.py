"""Monthly, quarterly, yearly side by side (C4), and who chooses alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from portal.demo import demo_catalogue_text
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import DomainError
from portal.domain.period_options import plan_period_options, why_no_period_change
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.subscriptions import ChangeKind
from tests.unit.domain.buying import QUARTER, add_on, eur, plan, subscription, waiting

CATALOGUE = parse_catalogue(demo_catalogue_text())
TODAY, NOTICE = date(2026, 10, 29), 15
BOOK = PriceBook(
    "EUR",
    plans={
        ("crm", "pro", "month"): PriceOf(1, eur(2700)),
        ("crm", "pro", "quarter"): PriceOf(2, eur(7600)),  # dearer today than what is pinned
        ("crm", "pro", "year"): PriceOf(3, eur(28_500)),
    },
    add_ons={
        ("crm", "appointments", "beyond", "month"): PriceOf(4, eur(900)),
        ("crm", "appointments", "beyond", "year"): PriceOf(5, eur(9600)),
    },
)


def test_C4_the_present_period_is_as_pinned_and_the_others_as_of_today() -> None:
    options = plan_period_options(subscription(plan()), BOOK, TODAY, NOTICE)
    assert [(o.interval, o.per_period.minor, o.per_year.minor) for o in options] == [
        (Interval.MONTH, 12 * 2700, 144 * 2700),
        (Interval.QUARTER, 12 * 7500, 48 * 7500),
        (Interval.YEAR, 12 * 28_500, 12 * 28_500),
    ]
    assert [o.is_current for o in options] == [False, True, False]


def test_the_saving_is_that_of_a_year_and_never_promises_too_much() -> None:
    month, quarter, year = plan_period_options(subscription(plan()), BOOK, TODAY, NOTICE)
    assert (month.saving, month.saving_percent) == (eur(0), 0)
    assert (quarter.saving, quarter.saving_percent) == (eur(28_800), 7)  # 7.4 %
    assert (year.saving, year.saving_percent) == (eur(46_800), 12)  # 12.03 %


def test_add_ons_count_with_their_quantities() -> None:
    state = subscription(plan(), add_on(2, quantity=3))
    month, quarter, year = plan_period_options(state, BOOK, TODAY, NOTICE)
    assert month.per_period == eur(12 * 2700 + 3 * 900)
    assert quarter.per_period == eur(12 * 7500 + 3 * 2500)
    assert year.per_period == eur(12 * 28_500 + 3 * 9600)


def test_C4_without_a_price_of_every_item_a_period_is_not_offered() -> None:
    book = replace(BOOK, add_ons={("crm", "appointments", "beyond", "year"): PriceOf(5, eur(1))})
    state = subscription(plan(), add_on(2))
    options = plan_period_options(state, book, TODAY, NOTICE)
    assert [o.interval for o in options] == [Interval.QUARTER, Interval.YEAR]
    nothing = PriceBook("EUR", {}, {})
    assert [o.interval for o in plan_period_options(state, nothing, TODAY, NOTICE)] == [
        Interval.QUARTER
    ]


def test_C2_what_a_waiting_plan_is_not_sold_in_is_not_offered() -> None:
    other = waiting(7, ChangeKind.PLAN, on=QUARTER.end, item_id=1,
                    target={"plan": "essential", "prices": {"quarter": [9, 3300],
                                                            "year": [8, 12_600]}})  # fmt: skip
    options = plan_period_options(subscription(plan(), changes=[other]), BOOK, TODAY, NOTICE)
    assert [o.interval for o in options] == [Interval.QUARTER, Interval.YEAR]


def test_the_waiting_one_is_marked() -> None:
    change = waiting(7, ChangeKind.PERIOD, on=QUARTER.end,
                     target={"interval": "year", "prices": {"plan:pro": [3, 28_500]}})  # fmt: skip
    options = plan_period_options(subscription(plan(), changes=[change]), BOOK, TODAY, NOTICE)
    assert [o.waiting for o in options] == [None, None, change]


def test_a_cancelled_subscription_changes_no_period() -> None:
    ends = waiting(7, ChangeKind.CANCEL, on=QUARTER.end, target={"reason": ""})
    state = subscription(plan(), changes=[ends])
    assert why_no_period_change(state, CATALOGUE, "automatic") == "ends"
    with pytest.raises(DomainError, match="subscription_ends"):
        plan_period_options(state, BOOK, TODAY, NOTICE)


@pytest.mark.parametrize(
    ("state", "terms", "reason"),
    [
        (subscription(plan()), "automatic", None),
        (subscription(plan()), "bank_transfer", "bank_transfer"),
        (subscription(plan(unit=None), status="trial", interval=None, period=None), "automatic",
         "trial"),
        (subscription(plan(), status="suspended"), "automatic", "suspended"),
        (subscription(plan(key="analyst"), product="insights"), "automatic", "product_support"),
    ],
)  # fmt: skip
def test_who_does_not_change_it_alone(state: object, terms: str, reason: str | None) -> None:
    assert why_no_period_change(state, CATALOGUE, terms) == reason  # type: ignore[arg-type]
