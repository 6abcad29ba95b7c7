"""Trials: how long they last, when they are only read, and when what is bought begins (C5).

A trial works to the end of its last day. Unpaid it is read-only from the next day on, keeps its
data for the days of the vendor's policy, and then ends; until then it can still be bought. All days
are the account's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from portal.domain.catalogue import TrialPaidStart
from portal.domain.errors import DomainError
from portal.domain.subscriptions import SubscriptionState

__all__ = [
    "READ_ONLY", "REMINDER_DAYS", "TRIAL", "UNPAID", "TrialStep", "days_left", "due_reminder",
    "is_unpaid_trial", "paid_start", "plan_extension", "plan_trial_step", "read_until", "trial_on",
    "trial_stage",
]  # fmt: skip

TRIAL, READ_ONLY = "trial", "read_only"
UNPAID = (TRIAL, READ_ONLY)
"""The statuses of a trial that was not bought."""

REMINDER_DAYS = (7, 3, 1)
"""So many local days before a trial's last day its admins are reminded."""

LONGEST_EXTENSION = timedelta(days=366)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TrialStep:
    """What a day makes of an unpaid trial: its new status, and since when it is only read.

    `ended_on`, the first day without access, where it ends. `read_until` is the last day on which
    it can be read, None where that time is over with the trial itself.
    """

    status: str
    read_only_from: date
    read_until: date | None
    ended_on: date | None


def is_unpaid_trial(state: SubscriptionState) -> bool:
    """Whether it is a trial, or was one and is only read, and nothing was bought of it."""
    return state.status in UNPAID


def days_left(ends_on: date, today: date) -> int:
    """The days that a trial works after today; 0 on its last day, and when it is over."""
    return max((ends_on - today).days, 0)


def due_reminder(ends_on: date, today: date) -> int | None:
    """Which reminder (its days) of a trial is due on the local day `today`, if any.

    A worker that was down sends the latest alone; once the trial is over there is none.
    """
    if today > ends_on:
        return None
    due = (days for days in sorted(REMINDER_DAYS) if today >= ends_on - timedelta(days=days))
    return next(due, None)


def read_until(read_only_from: date, keep_days: int) -> date:
    """The last day on which a trial that is over can be read, the vendor's policy of days long."""
    return read_only_from + timedelta(days=keep_days) - _DAY


def plan_trial_step(
    status: str,
    ends_on: date,
    read_only_from: date | None,
    today: date,
    keep_days: int,
) -> TrialStep | None:
    """What is due of an unpaid trial on the local day `today`; None where it stays as it is.

    The days of reading are counted from the day on which it became read-only: where the worker was
    down, nobody loses data on the day on which they hear of it first.
    """
    if status == TRIAL:
        if today <= ends_on:
            return None
        if keep_days > 0:
            return TrialStep(READ_ONLY, today, read_until(today, keep_days), None)
        return TrialStep("ended", today, None, today)
    if status != READ_ONLY or read_only_from is None:
        return None
    last = read_until(read_only_from, keep_days)
    return TrialStep("ended", read_only_from, None, last + _DAY) if today > last else None


def trial_stage(
    status: str, ends_on: date, read_only_from: date | None, on: date
) -> tuple[str, date | None]:
    """An unpaid trial's status on `on`, also where the worker is late (P3), and since when it is
    read-only."""
    if status == TRIAL and on > ends_on:
        return READ_ONLY, on
    return status, read_only_from


def trial_on(state: SubscriptionState, on: date) -> SubscriptionState:
    """The trial as it is on `on`; any other subscription unchanged."""
    if state.status != TRIAL or state.trial_ends_on is None:
        return state
    status, since = trial_stage(state.status, state.trial_ends_on, state.read_only_from, on)
    return replace(state, status=status, read_only_from=since) if status != TRIAL else state


def paid_start(state: SubscriptionState, today: date, policy: TrialPaidStart) -> date:
    """The first day of the first paid period of a trial that is bought on `today`.

    With `trial_end` that is the day after the trial's last one, so that its free days stay free; a
    trial that is over begins at once.
    """
    if policy is TrialPaidStart.AT_ONCE or state.status != TRIAL or state.trial_ends_on is None:
        return today
    return max(state.trial_ends_on + _DAY, today)


def plan_extension(state: SubscriptionState, until: date, today: date) -> date:
    """The trial's new last day, where an operator may give it: `until` itself.

    DomainError: `trial_bought`, `trial_not_longer` (`on`, the present last day), `trial_past`,
    `trial_too_long` (`on`, the latest day).
    """
    if not is_unpaid_trial(state) or state.trial_ends_on is None:
        raise DomainError("trial_bought")
    if until < today:
        raise DomainError("trial_past")
    if until <= state.trial_ends_on:
        raise DomainError("trial_not_longer", on=state.trial_ends_on)
    latest = max(state.trial_ends_on, today) + LONGEST_EXTENSION
    if until > latest:
        raise DomainError("trial_too_long", on=latest)
    return until
