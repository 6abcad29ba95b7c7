"""A trial that is bought, as the rules see it: what is kept, when it is paid from (C5, P1, S2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import DEMO_CATALOG
from portal.domain.catalogue import TrialPaidStart
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import DomainError
from portal.domain.order_lines import unpaid_items, with_lines
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.purchases import Purchase, plan_purchase
from portal.domain.quotes import PricedQuote, price_quote
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import TaxDecision, TaxTreatment
from portal.domain.wishes import AddOnChoice, Seats, Start
from tests.unit.domain.buying import add_on, eur, plan, subscription

untimed = settings(deadline=None)
ON = date(2026, 10, 29)
LAST_DAY = date(2026, 11, 4)
BELGIAN = TaxDecision(TaxTreatment.DOMESTIC, Decimal(21), "BE")
CATALOGUE = parse_catalogue(DEMO_CATALOG.read_text())
AT_ONCE = replace(
    CATALOGUE, policy=replace(CATALOGUE.policy, trial_paid_start=TrialPaidStart.AT_ONCE)
)
BOOK = PriceBook(
    "EUR",
    {("crm", name, i): PriceOf(1, eur(2500)) for name in ("start", "pro") for i in Interval},
    {("crm", "appointments", key, i): PriceOf(2, eur(900))
     for key in ("basic", "beyond") for i in Interval},
)  # fmt: skip
TRIAL = replace(
    subscription(
        replace(plan(1, quantity=5, assigned=4), unit_price=None, price_id=None),
        replace(add_on(2, quantity=3), unit_price=None, price_id=None, assigned=2),
        status="trial", interval=None, period=None,
    ),
    trial_ends_on=LAST_DAY,
)  # fmt: skip
FOUR = Start("crm", "pro", Interval.MONTH, 4)


def bought(
    wish: Start = FOUR, state: SubscriptionState = TRIAL, on: date = ON, policy: object = CATALOGUE
) -> tuple[Purchase, SubscriptionState, PricedQuote]:
    purchase = plan_purchase([wish], [state], BOOK, policy, "automatic", on)  # type: ignore[arg-type]
    (after,) = with_lines([state], purchase.lines, on)
    return purchase, after, price_quote(purchase.lines, [state], BELGIAN, "EUR", on)


def test_C5_the_subscription_and_its_plans_licences_are_the_same() -> None:
    purchase, after, _ = bought()
    assert (after.subscription_id, after.status) == (1, "active")
    assert (after.plan_item.item_id, after.plan_item.assigned, after.plan_item.quantity) == (
        1,
        4,
        4,
    )
    assert (purchase.subscriptions, purchase.products) == ((1,), ("crm",))


def test_P1_the_day_after_the_trial_is_the_anchor_of_a_whole_period() -> None:
    _, after, priced = bought()
    assert after.period is not None
    assert after.term is not None
    assert (after.period.start, after.period.end) == (date(2026, 11, 5), date(2026, 12, 5))
    assert (after.term.anchor_day, after.number) == (5, 1)
    (line,) = priced.lines
    assert (line.net, line.days, line.covers) == (eur(10000), None, after.period)


@pytest.mark.parametrize(
    ("state", "on", "policy"),
    [
        (TRIAL, ON, AT_ONCE),
        (TRIAL, LAST_DAY + timedelta(days=3), CATALOGUE),  # the worker is late
        (replace(TRIAL, status="read_only", read_only_from=LAST_DAY + timedelta(days=1)),
         LAST_DAY + timedelta(days=9), CATALOGUE),
    ],
)  # fmt: skip
def test_C5_it_begins_at_once_by_policy_or_where_the_trial_is_over(
    state: SubscriptionState, on: date, policy: object
) -> None:
    _, after, _ = bought(state=state, on=on, policy=policy)
    assert after.period is not None
    assert (after.period.start, after.status, after.read_only_from) == (on, "active", None)


def test_C5_free_add_ons_are_no_lines_and_are_left_over() -> None:
    purchase, after, priced = bought()
    assert len(purchase.lines) == 1
    assert [item.item_id for item in unpaid_items(after)] == [2]
    (outlook,) = priced.outlook
    assert (outlook.net_before, outlook.net_after) == (eur(0), eur(10000))
    assert (outlook.was_trial, outlook.is_new, outlook.begins_on) == (True, True, date(2026, 11, 5))


def test_C5_a_chosen_one_keeps_its_people_also_in_another_package() -> None:
    _, after, priced = bought(replace(FOUR, add_ons=(AddOnChoice("appointments", "basic", 2),)))
    kept = after.items[1]
    assert (kept.item_id, kept.package_key, kept.assigned, kept.quantity) == (2, "basic", 2, 2)
    assert unpaid_items(after) == ()
    assert priced.totals.net == eur(10000 + 1800)


@pytest.mark.parametrize(
    ("wish", "minimum"),
    [
        (replace(FOUR, quantity=3), 4),
        (replace(FOUR, add_ons=(AddOnChoice("appointments", "basic", 1),)), 2),
    ],
)
def test_C5_never_fewer_than_work_with_it(wish: Start, minimum: int) -> None:
    with pytest.raises(DomainError) as refused:
        bought(wish)
    assert (refused.value.code, refused.value.data) == ("licences_in_use", {"minimum": minimum})


def test_Q2_nor_once_more_people_came() -> None:
    purchase, _, _ = bought()
    crowded = replace(TRIAL, items=(replace(TRIAL.items[0], assigned=5), TRIAL.items[1]))
    with pytest.raises(DomainError, match="licences_in_use"):
        price_quote(purchase.lines, [crowded], BELGIAN, "EUR", ON)


def test_Q2_a_quote_of_a_trial_that_is_gone_begins_anew() -> None:
    purchase, _, _ = bought()
    priced = price_quote(purchase.lines, [], BELGIAN, "EUR", ON)
    (outlook,) = priced.outlook
    assert (outlook.begins_on, outlook.was_trial) == (ON, False)
    assert priced.totals.net == eur(10000)


def test_C3_what_is_paid_already_is_not_bought_again() -> None:
    purchase, after, _ = bought()
    with pytest.raises(DomainError, match="already_subscribed"):
        price_quote(purchase.lines, [after], BELGIAN, "EUR", ON)


@untimed
@given(st.sampled_from(list(Interval)), st.integers(0, 60), st.integers(1, 30))
def test_S2_what_is_added_before_the_paid_period_costs_a_whole_one(
    interval: Interval, days: int, added: int
) -> None:
    state = replace(TRIAL, trial_ends_on=ON + timedelta(days=days))
    _, after, _ = bought(replace(FOUR, interval=interval), state=state)
    more = plan_purchase([Seats(1, 4 + added)], [after], BOOK, CATALOGUE, "automatic", ON)
    (line,) = price_quote(more.lines, [after], BELGIAN, "EUR", ON).lines
    assert line.net == eur(2500 * added)
    assert line.covers == after.period


@untimed
@given(st.sampled_from(list(Interval)), st.dates(date(2024, 1, 1), date(2031, 1, 1)))
def test_P2_the_second_period_follows_the_first_whatever_the_trials_last_day(
    interval: Interval, last_day: date
) -> None:
    state = replace(TRIAL, trial_ends_on=last_day)
    _, after, _ = bought(
        replace(FOUR, interval=interval), state=state, on=last_day - timedelta(days=2)
    )  # fmt: skip
    assert after.period is not None
    assert after.period.start == last_day + timedelta(days=1)
    following = plan_next_period(after)
    assert following.on == after.period.end
    assert following.net("EUR") == eur(10000)
