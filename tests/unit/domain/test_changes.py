"""Asking for a change that waits, and undoing it: decided before anything is written (S3-S5, C1-C4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.changes import (
    PlannedChange,
    change_time,
    pin_for_item,
    plan_add_on_removal,
    plan_add_on_switch,
    plan_cancellation,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
    plan_undo,
)
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange, with_changes
from tests.unit.domain.buying import QUARTER, add_on, eur, plan, subscription, waiting

untimed = settings(deadline=None)
NOTICE = 15
EARLY, LAST, LATE = date(2026, 10, 1), date(2026, 11, 15), date(2026, 11, 16)
AFTER_NEXT = date(2027, 2, 28)


def book() -> PriceBook:
    plans = {
        ("crm", name, interval): PriceOf(base + place, eur(unit * months))
        for name, base, unit in (("start", 100, 1100), ("pro", 200, 2500))
        for place, (interval, months) in enumerate((("month", 1), ("quarter", 3), ("year", 11)))
    }
    add_ons = {
        ("crm", "appointments", package, interval): PriceOf(base + place, eur(unit * months))
        for package, base, unit in (("basic", 300, 400), ("beyond", 400, 900))
        for place, (interval, months) in enumerate((("month", 1), ("quarter", 3), ("year", 11)))
    }
    return PriceBook("EUR", plans, add_ons)


def stored(state: SubscriptionState, planned: PlannedChange, change_id: int) -> SubscriptionState:
    """The subscription once the planned change is stored under an id."""
    gone = {change.id for change in planned.replaces}
    new = WaitingChange(change_id, planned.kind, planned.item_id, planned.delta, planned.target,
                        planned.time.effective_on, planned.time.asked_on)  # fmt: skip
    moved = {change.id: change for change in planned.retimed}
    kept = (moved.get(c.id, c) for c in state.changes if c.id not in gone)
    return with_changes(state, [*kept, new])


def test_S4_asked_on_the_last_day_it_takes_effect_at_the_coming_renewal() -> None:
    time = change_time(subscription(plan()), LAST, NOTICE)
    assert (time.effective_on, time.next_renewal, time.in_time) == (QUARTER.end, QUARTER.end, True)
    assert time.notice_closes_on == LAST


def test_S4_asked_a_day_later_it_waits_for_the_renewal_after_and_both_dates_are_told() -> None:
    state = subscription(plan())
    time = change_time(state, LATE, NOTICE)
    assert (time.next_renewal, time.effective_on) == (QUARTER.end, AFTER_NEXT)
    assert not time.in_time


def test_S4_the_renewal_after_is_that_of_the_period_that_waits() -> None:
    state = subscription(plan())
    yearly = stored(state, plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE), 1)
    assert change_time(yearly, LATE, NOTICE).effective_on == date(2027, 11, 30)


@pytest.mark.parametrize("status", ["trial", "suspended", "ended"])
def test_C5_nothing_can_wait_where_no_period_runs(status: str) -> None:
    with pytest.raises(DomainError, match="not_running"):
        change_time(subscription(plan(), status=status), EARLY, NOTICE)


def test_S5_a_reduction_shows_the_renewal_without_and_with_it() -> None:
    planned = plan_reduction(subscription(plan(quantity=12)), 1, 2, EARLY, NOTICE)
    assert (planned.delta, planned.time.effective_on) == (-2, QUARTER.end)
    assert (planned.before.net("EUR"), planned.after.net("EUR")) == (eur(90_000), eur(75_000))
    assert planned.after_state.items[0].quantity == 12  # S1: nothing falls inside a period


def test_S5_a_second_reduction_for_the_same_renewal_takes_the_firsts_place() -> None:
    state = subscription(plan(quantity=12))
    once = stored(state, plan_reduction(state, 1, 2, EARLY, NOTICE, free=[7]), 1)
    again = plan_reduction(once, 1, 3, EARLY, NOTICE, free=[8])
    assert (again.delta, [change.id for change in again.replaces]) == (-5, [1])
    assert again.target == {"free": [7, 8]}
    assert again.before.lines[0].quantity == 10


def test_S3_what_waits_for_the_coming_renewal_stays_when_a_late_one_is_asked() -> None:
    state = subscription(plan(quantity=12))
    once = stored(state, plan_reduction(state, 1, 2, EARLY, NOTICE), 1)
    late = plan_reduction(once, 1, 3, LATE, NOTICE)
    assert (late.delta, late.replaces, late.time.effective_on) == (-3, (), AFTER_NEXT)
    assert late.after.lines[0].quantity == 7


@pytest.mark.parametrize(
    ("remove", "waits", "code"),
    [(0, 0, "nothing_removed"), (-1, 0, "nothing_removed"), (12, 0, "too_many_removed"),
     (11, -1, "too_many_removed")],
)  # fmt: skip
def test_a_reduction_leaves_at_least_one_seat(remove: int, waits: int, code: str) -> None:
    with pytest.raises(DomainError, match=code):
        plan_reduction(subscription(plan(quantity=12, waiting=waits)), 1, remove, EARLY, NOTICE)


def test_a_flat_add_on_and_an_unknown_item_have_no_seats_to_remove() -> None:
    state = subscription(plan(), add_on(2, per_seat=False))
    for item_id in (2, 99):
        with pytest.raises(DomainError, match="item_unknown"):
            plan_reduction(state, item_id, 1, EARLY, NOTICE)


def test_C1_a_downgrade_pins_todays_price_in_every_period_and_replaces_one_that_waits() -> None:
    state = subscription(plan())
    first = stored(state, plan_plan_change(state, "start", book(), EARLY, NOTICE), 1)
    again = plan_plan_change(first, "start", book(), EARLY, NOTICE)
    assert [change.id for change in again.replaces] == [1]
    assert again.target["prices"] == {
        "month": [100, 1100],
        "quarter": [101, 3300],
        "year": [102, 12100],
    }
    assert again.after.net("EUR") == eur(12 * 3300)


def test_C4_what_is_not_sold_in_the_currency_and_period_is_refused() -> None:
    state = subscription(plan())
    with pytest.raises(DomainError, match="price_missing"):
        plan_plan_change(state, "gone", book(), EARLY, NOTICE)
    bare = replace(book(), plans={})
    with pytest.raises(DomainError, match="price_missing"):
        plan_period_change(state, Interval.YEAR, bare, EARLY, NOTICE)


def test_nothing_changes_to_what_it_is() -> None:
    state = subscription(plan(), add_on(2))
    with pytest.raises(DomainError, match="plan_unchanged"):
        plan_plan_change(state, "pro", book(), EARLY, NOTICE)
    with pytest.raises(DomainError, match="interval_unchanged"):
        plan_period_change(state, Interval.QUARTER, book(), EARLY, NOTICE)
    with pytest.raises(DomainError, match="package_unchanged"):
        plan_add_on_switch(state, 2, "beyond", book(), EARLY, NOTICE)


def test_C1_an_add_on_goes_instead_of_changing_its_package() -> None:
    state = subscription(plan(), add_on(2, quantity=3))
    smaller = stored(state, plan_add_on_switch(state, 2, "basic", book(), EARLY, NOTICE), 1)
    gone = plan_add_on_removal(smaller, 2, EARLY, NOTICE)
    assert [change.id for change in gone.replaces] == [1]
    assert gone.after.removed == (2,)
    with pytest.raises(DomainError, match="item_unknown"):
        plan_add_on_removal(state, 1, EARLY, NOTICE)  # the plan is no add-on


def test_C3_what_waits_goes_on_waiting_while_a_cancellation_does() -> None:
    state = subscription(plan(quantity=12))
    fewer = stored(state, plan_reduction(state, 1, 2, EARLY, NOTICE), 1)
    planned = plan_cancellation(fewer, "too dear", EARLY, NOTICE)
    ended = stored(fewer, planned, 2)
    assert (planned.after.ends, planned.after.lines, ended.ends_on) == (True, (), QUARTER.end)
    assert plan_undo(ended, 2, NOTICE).after_state == fewer


def test_C3_it_is_cancelled_once_and_nothing_waits_for_a_day_after_the_end() -> None:
    state = subscription(plan(quantity=12))
    ended = stored(state, plan_cancellation(state, "", EARLY, NOTICE), 1)
    with pytest.raises(DomainError, match="subscription_ends"):
        plan_cancellation(ended, "", EARLY, NOTICE)
    for asked in (EARLY, LATE):
        with pytest.raises(DomainError, match="subscription_ends"):
            plan_reduction(ended, 1, 1, asked, NOTICE)


def test_C3_cancelled_too_late_the_coming_renewal_still_takes_place() -> None:
    state = subscription(plan(quantity=12))
    planned = plan_cancellation(state, "", LATE, NOTICE)
    assert planned.time.effective_on == AFTER_NEXT
    ended = stored(state, planned, 1)
    assert not plan_next_period(ended).ends
    fewer = plan_reduction(ended, 1, 2, EARLY, NOTICE)  # before the end there is still a renewal
    assert fewer.time.effective_on == QUARTER.end


def test_C2_without_the_period_change_a_late_change_waits_for_the_renewal_it_had() -> None:
    state = subscription(plan(quantity=12))
    yearly = stored(state, plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE), 1)
    both = stored(yearly, plan_reduction(yearly, 1, 2, LATE, NOTICE), 2)
    assert both.changes[-1].effective_on == date(2027, 11, 30)
    undo = plan_undo(both, 1, NOTICE)
    assert [change.effective_on for change in undo.retimed] == [AFTER_NEXT]
    assert undo.after_state == stored(state, plan_reduction(state, 1, 2, LATE, NOTICE), 2)


def test_S5_the_first_of_two_period_changes_can_be_undone_and_all_else_keeps_its_notice() -> None:
    state = subscription(plan(quantity=12))
    monthly = stored(state, plan_period_change(state, Interval.MONTH, book(), EARLY, NOTICE), 1)
    yearly = stored(monthly, plan_period_change(monthly, Interval.YEAR, book(), LATE, NOTICE), 2)
    all_three = stored(yearly, plan_reduction(yearly, 1, 2, LATE, NOTICE), 3)
    assert [c.effective_on for c in all_three.changes[1:]] == [date(2026, 12, 31)] * 2
    undo = plan_undo(all_three, 1, NOTICE)  # there is no renewal on 31 December any more
    assert {change.id: change.effective_on for change in undo.retimed} == dict.fromkeys(
        (2, 3), AFTER_NEXT
    )
    turned = stored(state, plan_period_change(state, Interval.YEAR, book(), LATE, NOTICE), 2)
    assert undo.after_state == stored(turned, plan_reduction(turned, 1, 2, LATE, NOTICE), 3)


def test_C4_what_is_not_sold_without_it_is_undone_first() -> None:
    only_yearly = replace(
        book(), plans={key: p for key, p in book().plans.items() if key[1:] != ("start", "quarter")}
    )
    state = subscription(plan(quantity=12))
    yearly = stored(state, plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE), 1)
    both = stored(yearly, plan_plan_change(yearly, "start", only_yearly, EARLY, NOTICE), 2)
    with pytest.raises(DomainError, match="undo_other_first"):
        plan_undo(both, 1, NOTICE)
    assert plan_undo(plan_undo(both, 2, NOTICE).after_state, 1, NOTICE).after_state == state


def test_C4_what_is_broken_already_keeps_nothing_from_being_undone() -> None:
    state = subscription(plan(quantity=12))
    broken = waiting(1, ChangeKind.PERIOD, on=QUARTER.end, target={"interval": "year"})
    fewer = waiting(2, ChangeKind.SEATS, item_id=1, delta=-2, on=QUARTER.end)
    both = with_changes(state, [broken, fewer])
    assert plan_undo(both, 2, NOTICE).after_state == with_changes(state, [broken])
    assert plan_undo(both, 1, NOTICE).after_state == with_changes(state, [fewer])


def test_S5_a_suspended_subscriptions_changes_are_undone_as_well() -> None:
    state = subscription(plan(quantity=12))
    yearly = stored(state, plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE), 1)
    both = stored(yearly, plan_reduction(yearly, 1, 2, LATE, NOTICE), 2)
    suspended = replace(both, status="suspended")
    undo = plan_undo(suspended, 1, NOTICE)
    assert [change.effective_on for change in undo.retimed] == [AFTER_NEXT]


def test_Q4_the_same_change_asked_twice_is_known_and_another_is_not() -> None:
    state = subscription(plan(quantity=12))
    first = plan_plan_change(state, "start", book(), EARLY, NOTICE)
    assert first.waits_already is None
    again = plan_plan_change(stored(state, first, 7), "start", book(), EARLY, NOTICE)
    assert again.waits_already is not None
    assert again.waits_already.id == 7
    assert again.key != first.key  # before it is what the first click made of it
    late = plan_plan_change(stored(state, first, 7), "start", book(), LATE, NOTICE)
    assert late.waits_already is None


def test_S5_what_does_not_wait_cannot_be_undone() -> None:
    with pytest.raises(DomainError, match="change_unknown"):
        plan_undo(subscription(plan()), 1, NOTICE)


def test_C4_an_item_that_comes_later_gets_its_price_in_the_period_that_waits() -> None:
    state = subscription(plan())
    planned = plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE)
    turn = stored(state, planned, 1).changes[0]
    target = pin_for_item(turn, state, add_on(9), book())
    assert target["prices"]["plan:pro"] == [202, 27_500]
    assert target["prices"]["add_on:appointments:beyond"] == [402, 9_900]
    with pytest.raises(DomainError, match="price_missing"):
        pin_for_item(turn, state, add_on(9), replace(book(), add_ons={}))


ASKS: list[Callable[[SubscriptionState, date], PlannedChange]] = [
    lambda s, on: plan_reduction(s, 1, 2, on, NOTICE),
    lambda s, on: plan_reduction(s, 2, 1, on, NOTICE),
    lambda s, on: plan_plan_change(s, "start", book(), on, NOTICE),
    lambda s, on: plan_period_change(s, Interval.YEAR, book(), on, NOTICE),
    lambda s, on: plan_period_change(s, Interval.MONTH, book(), on, NOTICE),
    lambda s, on: plan_add_on_switch(s, 2, "basic", book(), on, NOTICE),
    lambda s, on: plan_cancellation(s, "", on, NOTICE),
]


@untimed
@given(
    order=st.permutations(range(len(ASKS))),
    days=st.lists(st.integers(0, 90), min_size=len(ASKS), max_size=len(ASKS)),
    undone=st.permutations(range(len(ASKS))),
)
def test_C2_S5_asked_on_any_days_and_undone_in_any_order_everything_is_as_before(
    order: list[int], days: list[int], undone: list[int]
) -> None:
    start = state = subscription(plan(quantity=12), add_on(2, quantity=3))
    for change_id, (place, day) in enumerate(zip(order, sorted(days), strict=True), start=1):
        try:
            planned = ASKS[place](state, QUARTER.start + timedelta(days=day))
        except DomainError as error:
            if error.code != "subscription_ends":
                raise
            continue
        state = stored(state, planned, change_id)
        assert state == replace(planned.after_state, changes=state.changes)
        plan_next_period(state)  # whatever waits together can be renewed
    ids = {change.id for change in state.changes}
    for change_id in (place + 1 for place in undone):
        if change_id in ids:
            state = plan_undo(state, change_id, NOTICE).after_state
            plan_next_period(state)
    assert state == start


def test_C2_C4_a_period_change_knows_the_price_of_what_an_item_will_be_by_then() -> None:
    state = subscription(plan(), add_on(2, quantity=3))
    smaller = stored(state, plan_add_on_switch(state, 2, "basic", book(), EARLY, NOTICE), 1)
    late = plan_period_change(smaller, Interval.YEAR, book(), LATE, NOTICE)
    assert late.time.effective_on == AFTER_NEXT  # the package has changed at the renewal before
    assert late.after.lines[1].unit_price == eur(4_400)
    undone = plan_undo(stored(smaller, late, 2), 1, NOTICE).after_state
    assert plan_next_period(plan_next_period(undone).after).lines[1].unit_price == eur(9_900)


def test_a_change_that_is_not_stored_yet_is_in_the_preview() -> None:
    state = subscription(plan(quantity=12), changes=[waiting(5, ChangeKind.CANCEL, on=AFTER_NEXT)])
    planned = plan_reduction(state, 1, 2, EARLY, NOTICE)
    assert plan_next_period(planned.after_state).lines == planned.after.lines
