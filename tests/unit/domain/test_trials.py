"""Trials by day: reminders, read-only, the end, an extension, the start of what is bought (C5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.catalogue import TrialPaidStart
from portal.domain.errors import DomainError
from portal.domain.renewals import carry_forward
from portal.domain.subscriptions import SubscriptionState
from portal.domain.trials import (
    days_left,
    due_reminder,
    paid_start,
    plan_extension,
    plan_trial_step,
    read_until,
    trial_on,
)

LAST = date(2026, 11, 4)
KEEP = 14
DAYS = st.integers(-400, 400).map(lambda days: LAST + timedelta(days=days))


def trial(**more: Any) -> SubscriptionState:
    state = SubscriptionState(7, "crm", "trial", None, None, (), trial_ends_on=LAST)
    return replace(state, **more)


def on(days: int) -> date:
    return LAST + timedelta(days=days)


@pytest.mark.parametrize(
    ("days", "due"),
    [(-30, None), (-8, None), (-7, 7), (-4, 7), (-3, 3), (-2, 3), (-1, 1), (0, 1), (1, None)],
)
def test_C5_a_trial_is_reminded_of_7_3_and_1_days_before_its_last_day(
    days: int, due: int | None
) -> None:
    assert due_reminder(LAST, on(days)) == due


def test_C5_the_days_left_are_those_after_today() -> None:
    assert [days_left(LAST, on(days)) for days in (-6, -1, 0, 3)] == [6, 1, 0, 0]


def test_C5_a_trial_works_to_the_end_of_its_last_day_and_is_read_only_then() -> None:
    assert plan_trial_step("trial", LAST, None, LAST, KEEP) is None
    step = plan_trial_step("trial", LAST, None, on(1), KEEP)
    assert step is not None
    assert (step.status, step.read_only_from, step.read_until) == ("read_only", on(1), on(14))
    assert step.ended_on is None


def test_C5_it_ends_once_it_could_be_read_for_the_days_of_the_policy() -> None:
    assert plan_trial_step("read_only", LAST, on(1), on(14), KEEP) is None
    step = plan_trial_step("read_only", LAST, on(1), on(15), KEEP)
    assert step is not None
    assert (step.status, step.ended_on) == ("ended", on(15))


def test_C5_without_days_of_reading_it_ends_with_the_trial() -> None:
    step = plan_trial_step("trial", LAST, None, on(1), 0)
    assert step is not None
    assert (step.status, step.read_until, step.ended_on) == ("ended", None, on(1))


def test_C5_a_late_worker_takes_no_day_of_reading_away() -> None:
    late = plan_trial_step("trial", LAST, None, on(40), KEEP)
    assert late is not None
    assert (late.status, late.read_until) == ("read_only", on(53))


@given(today=DAYS, keep=st.integers(0, 60))
def test_C5_nothing_ends_before_it_could_be_read_for_so_many_whole_days(
    today: date, keep: int
) -> None:
    step = plan_trial_step("trial", LAST, None, today, keep)
    assert (step is None) == (today <= LAST)
    if step is None or step.ended_on is not None:
        assert step is None or keep == 0
        return
    last = read_until(step.read_only_from, keep)
    assert (last - step.read_only_from).days + 1 == keep
    for days, status in ((0, None), (1, "ended"), (30, "ended")):
        then = plan_trial_step("read_only", LAST, step.read_only_from, last + timedelta(days), keep)
        assert (then.status if then else None) == status


@pytest.mark.parametrize("status", ["active", "suspended", "ended"])
def test_C5_what_was_bought_or_has_ended_is_left_alone(status: str) -> None:
    assert plan_trial_step(status, LAST, None, on(100), KEEP) is None
    assert trial_on(trial(status=status), on(100)) == trial(status=status)


def test_P3_a_page_shows_a_trial_that_is_over_as_read_only_also_where_the_worker_is_late() -> None:
    assert carry_forward(trial(), LAST) == trial()
    seen = carry_forward(trial(), on(3))
    assert (seen.status, seen.read_only_from) == ("read_only", on(3))


@given(today=DAYS)
def test_C5_the_paid_start_never_takes_a_free_day_nor_lies_in_the_past(today: date) -> None:
    at_end = paid_start(trial(), today, TrialPaidStart.TRIAL_END)
    assert at_end == max(on(1), today)
    assert paid_start(trial(), today, TrialPaidStart.AT_ONCE) == today


def test_C5_a_trial_that_is_only_read_starts_at_once() -> None:
    over = trial(status="read_only", read_only_from=on(1))
    assert paid_start(over, on(5), TrialPaidStart.TRIAL_END) == on(5)


@pytest.mark.parametrize(
    ("state", "until", "today", "code"),
    [
        (trial(status="active"), on(9), LAST, "trial_bought"),
        (trial(status="ended"), on(9), LAST, "trial_bought"),
        (trial(), LAST, on(-2), "trial_not_longer"),
        (trial(status="read_only", read_only_from=on(1)), on(2), on(3), "trial_past"),
        (trial(), on(367), on(-2), "trial_too_long"),
    ],
)
def test_C5_an_extension_is_longer_not_past_and_of_a_trial(
    state: SubscriptionState, until: date, today: date, code: str
) -> None:
    with pytest.raises(DomainError) as refused:
        plan_extension(state, until, today)
    assert refused.value.code == code


def test_C5_an_extension_may_end_today_and_last_a_year() -> None:
    over = trial(status="read_only", read_only_from=on(1))
    assert plan_extension(over, on(3), on(3)) == on(3)
    assert plan_extension(trial(), on(366), on(-2)) == on(366)
