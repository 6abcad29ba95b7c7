"""A period change by request: what was asked after its sending, and waits already (C2, C3, C4, S4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.changes import (
    plan_cancellation,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
    plan_undo,
)
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.renewals import plan_next_period
from tests.unit.domain.buying import QUARTER, add_on, plan, subscription
from tests.unit.domain.test_changes import (
    AFTER_NEXT,
    ASKS,
    EARLY,
    LAST,
    LATE,
    NOTICE,
    book,
    stored,
    untimed,
)


def test_C3_S4_a_request_sent_before_a_cancellation_does_not_move_its_confirmed_day() -> None:
    state = subscription(plan(quantity=12))
    ended = stored(state, plan_cancellation(state, "", LATE, NOTICE), 1)
    for interval in (Interval.MONTH, Interval.YEAR):
        with pytest.raises(DomainError, match="subscription_ends") as refused:
            plan_period_change(ended, interval, book(), EARLY, NOTICE)
        assert refused.value.data == {"on": AFTER_NEXT - timedelta(days=1)}


@pytest.mark.parametrize(
    ("interval", "moved_to"),
    [(Interval.YEAR, date(2027, 11, 30)), (Interval.MONTH, date(2026, 12, 31))],
)
def test_C2_S4_what_was_asked_after_the_sending_of_a_period_change_waits_as_if_confirmed_after_it(
    interval: Interval, moved_to: date
) -> None:
    state = subscription(plan(quantity=12))
    fewer = stored(state, plan_reduction(state, 1, 2, LATE, NOTICE), 1)
    planned = plan_period_change(fewer, interval, book(), EARLY, NOTICE)
    assert planned.time.effective_on == QUARTER.end
    assert planned.retimed == (replace(fewer.changes[0], effective_on=moved_to),)
    both = stored(fewer, planned, 2)
    assert both == replace(planned.after_state, changes=both.changes)
    turned = stored(state, plan_period_change(state, interval, book(), EARLY, NOTICE), 2)
    assert both == stored(turned, plan_reduction(turned, 1, 2, LATE, NOTICE), 1)
    undo = plan_undo(both, 2, NOTICE)  # S5
    assert (undo.after_state, undo.retimed) == (fewer, fewer.changes)


def test_Q4_the_days_that_move_are_part_of_what_was_shown() -> None:
    state = subscription(plan(quantity=12))
    alone = plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE)
    fewer = stored(state, plan_reduction(state, 1, 2, LATE, NOTICE), 7)
    moving = plan_period_change(fewer, Interval.YEAR, book(), EARLY, NOTICE)
    assert moving.after.lines == alone.after.lines
    assert moving.key == f"{alone.key}.7-2027-11-30"


def test_C2_a_period_change_in_the_place_of_another_takes_along_what_followed_that_one() -> None:
    state = subscription(plan(quantity=12))
    yearly = stored(state, plan_period_change(state, Interval.YEAR, book(), EARLY, NOTICE), 1)
    both = stored(yearly, plan_reduction(yearly, 1, 2, LATE, NOTICE), 2)
    monthly = plan_period_change(both, Interval.MONTH, book(), LAST, NOTICE)
    assert [change.id for change in monthly.replaces] == [1]
    assert [(c.id, c.effective_on) for c in monthly.retimed] == [(2, date(2026, 12, 31))]


def test_C4_what_changes_later_must_be_sold_in_the_period_it_moves_to() -> None:
    never_yearly = replace(
        book(), plans={key: p for key, p in book().plans.items() if key[1:] != ("start", "year")}
    )
    state = subscription(plan(quantity=12))
    lower = stored(state, plan_plan_change(state, "start", never_yearly, LATE, NOTICE), 1)
    with pytest.raises(DomainError, match="price_missing"):
        plan_period_change(lower, Interval.YEAR, never_yearly, EARLY, NOTICE)
    assert plan_period_change(lower, Interval.MONTH, never_yearly, EARLY, NOTICE).retimed


def test_S4_what_was_too_late_stays_so_where_the_notice_is_shorter_by_now() -> None:
    state = subscription(plan(quantity=12))
    once = stored(state, plan_reduction(state, 1, 2, EARLY, NOTICE), 1)
    twice = stored(once, plan_reduction(once, 1, 3, LATE, NOTICE), 2)
    planned = plan_period_change(twice, Interval.YEAR, book(), LATE, 5)
    assert planned.time.effective_on == QUARTER.end
    assert [(c.id, c.effective_on) for c in planned.retimed] == [(2, date(2027, 11, 30))]


@untimed
@given(
    order=st.permutations(range(len(ASKS))),
    days=st.lists(st.integers(0, 90), min_size=len(ASKS), max_size=len(ASKS)),
)
def test_C2_S4_confirmed_in_any_order_each_takes_effect_on_the_day_that_is_shown(
    order: list[int], days: list[int]
) -> None:
    """A request's day of sending may lie before what waits already."""
    state = subscription(plan(quantity=12), add_on(2, quantity=3))
    for change_id, (place, day) in enumerate(zip(order, days, strict=True), start=1):
        end = state.ends_on
        try:
            planned = ASKS[place](state, QUARTER.start + timedelta(days=day))
        except DomainError as error:
            if error.code != "subscription_ends":
                raise
            continue
        state = stored(state, planned, change_id)
        assert end is None or state.ends_on == end  # C3
    while state.changes:
        renewal = plan_next_period(state)
        assert {change.effective_on for change in renewal.applied} <= {renewal.on}
        if renewal.ends:
            break
        state = renewal.after
