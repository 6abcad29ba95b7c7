"""The days of an owed invoice, whatever the policy and however rarely the worker runs (M5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.catalogue import Dunning
from portal.domain.dunning import (
    CaseState,
    DunningAction,
    DunningMail,
    access_ends_on,
    is_hard_decline,
    plan_dunning_step,
    plan_telling,
)

START = date(2026, 10, 31)
POLICY = Dunning()

policies = st.sets(st.integers(1, 60), min_size=1, max_size=6).flatmap(
    lambda days: st.builds(
        Dunning,
        retry_days=st.just(tuple(sorted(days))),
        suspend_on_day=st.integers(max(days), max(days) + 20),
    )
)


def on(days: int) -> date:
    return START + timedelta(days=days)


def lived(
    policy: Dunning, days: list[int], *, may_charge: bool = True, first_told: bool = True
) -> tuple[list[tuple[int, DunningAction]], CaseState]:
    """What happens on the days on which the worker runs, every try failing at once."""
    case = CaseState(START, 0, START if first_told else None, may_charge=may_charge)
    done: list[tuple[int, DunningAction]] = []
    for passed in days:
        for _ in range(3):  # it runs several times that day
            plan = plan_dunning_step(case, on(passed), policy)
            case = replace(case, step=plan.step)
            if plan.action is DunningAction.RETRY:
                done.append((passed, plan.action))
                plan = plan_telling(case, case.step, on(passed), policy)
            if plan.action is not DunningAction.NOTHING:
                done.append((passed, plan.action))
            if plan.action is DunningAction.TELL and case.told_on is None:
                case = replace(case, told_on=on(passed))
            if plan.action is DunningAction.SUSPEND:
                case = replace(case, suspended=True)
    return done, case


def test_M5_the_default_days() -> None:
    done, case = lived(POLICY, list(range(60)))
    assert [day for day, action in done if action is DunningAction.RETRY] == [2, 7, 14, 21]
    assert [day for day, action in done if action is DunningAction.TELL] == [2, 7, 14]
    assert [day for day, action in done if action is DunningAction.SUSPEND] == [21]
    assert case.suspended


@settings(deadline=None)
@given(policies)
def test_M5_a_worker_that_runs_every_day_tries_on_each_day_and_suspends_on_its_day(
    policy: Dunning,
) -> None:
    done, case = lived(policy, list(range(100)))
    tries = [day for day, action in done if action is DunningAction.RETRY]
    assert tries == list(policy.retry_days)
    assert [d for d, a in done if a is DunningAction.SUSPEND] == [policy.suspend_on_day]
    assert case.suspended


@settings(deadline=None)
@given(policies, st.sets(st.integers(0, 100)), st.booleans(), st.booleans())
def test_M5_however_rarely_it_runs_each_step_comes_once_and_never_early(
    policy: Dunning, days: set[int], may_charge: bool, first_told: bool
) -> None:
    done, case = lived(policy, sorted(days), may_charge=may_charge, first_told=first_told)
    tries = [day for day, action in done if action is DunningAction.RETRY]
    assert len(tries) == len(set(tries)) <= len(policy.retry_days)
    assert may_charge or not tries
    for number, day in enumerate(tries):
        assert day >= policy.retry_days[number]
    told = [day for day, action in done if action is DunningAction.TELL]
    assert len(told) == len(set(told))
    suspended = [day for day, action in done if action is DunningAction.SUSPEND]
    assert len(suspended) <= 1
    for day in suspended:
        assert day >= policy.suspend_on_day
        assert first_told or min(told) < day  # nobody is suspended unwarned
    assert case.suspended is bool(suspended)


@settings(deadline=None)
@given(policies, st.integers(0, 100), st.integers(0, 6), st.booleans())
def test_M5_what_comes_next_is_counted_from_the_start_never_from_today(
    policy: Dunning, passed: int, step: int, may_charge: bool
) -> None:
    case = CaseState(START, min(step, len(policy.retry_days)), START, may_charge=may_charge)
    plan = plan_dunning_step(case, on(passed), policy)
    if plan.next_on is not None and passed < policy.suspend_on_day:
        assert (plan.next_on - START).days in {*policy.retry_days, policy.suspend_on_day}
        assert plan.next_on <= access_ends_on(START, policy)
    assert plan.step >= case.step


@settings(deadline=None)
@given(policies, st.integers(0, 100), st.integers(0, 3))
def test_M4_while_a_charge_is_under_way_nothing_is_done(
    policy: Dunning, passed: int, step: int
) -> None:
    case = CaseState(START, step, None, under_way=True)
    assert plan_dunning_step(case, on(passed), policy).action is DunningAction.NOTHING


def test_M5_nobody_is_suspended_on_the_day_of_the_first_word() -> None:
    late = CaseState(START, 4, None, may_charge=False)
    plan = plan_dunning_step(late, on(40), POLICY)
    assert (plan.action, plan.mail) == (DunningAction.TELL, DunningMail.LAST_WARNING)
    told = replace(late, told_on=on(40))
    again = plan_dunning_step(told, on(40), POLICY)
    assert (again.action, again.next_on) == (DunningAction.NOTHING, on(41))
    assert plan_dunning_step(told, on(41), POLICY).action is DunningAction.SUSPEND


@pytest.mark.parametrize(
    ("step", "reason", "mail"),
    [
        (0, "insufficient_funds", DunningMail.FAILED),
        (1, "authentication_required", DunningMail.AUTHENTICATION),
        (3, "authentication_required", DunningMail.LAST_WARNING),
        (3, "", DunningMail.LAST_WARNING),
    ],
)
def test_M5_each_step_has_its_mail(step: int, reason: str, mail: DunningMail) -> None:
    today = on((0, 2, 7, 14)[step])
    assert plan_telling(CaseState(START, step, reason=reason), step, today, POLICY).mail is mail


@pytest.mark.parametrize(
    ("code", "advice", "may_retry", "hard"),
    [
        ("insufficient_funds", "try_again_later", True, False),
        ("generic_decline", None, True, False),
        ("generic_decline", "do_not_try_again", True, True),
        ("lost_card", None, True, True),
        ("stolen_card", None, True, True),
        ("insufficient_funds", None, False, True),
        (None, None, True, False),
    ],
)
def test_M5_a_hard_decline_stops_the_retries(
    code: str | None, advice: str | None, may_retry: bool, hard: bool
) -> None:
    assert is_hard_decline(code, advice, may_retry) is hard
