"""What is due for an invoice that could not be collected (M5): retries, mails, suspension.

A case begins on the account's local day on which its charge failed, or on which a bank transfer
was due. Every later day is counted from there, never from when the worker ran: one that was down
deals with the days that it missed in one step, and with none of them twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from portal.domain.catalogue import Dunning

__all__ = [
    "AUTHENTICATION", "CaseState", "DunningAction", "DunningMail", "DunningStep", "access_ends_on",
    "is_hard_decline", "plan_dunning_step", "plan_telling",
]  # fmt: skip

AUTHENTICATION = frozenset({"authentication_required", "authentication_failed"})
"""Decline codes after which the customer has to confirm with the bank, on screen."""

_HARD_CODES = frozenset({"lost_card", "stolen_card", "pickup_card", "do_not_try_again"})
_HARD_ADVICE = "do_not_try_again"


class DunningAction(StrEnum):
    """What is done now."""

    NOTHING = "nothing"
    RETRY = "retry"
    TELL = "tell"
    SUSPEND = "suspend"


class DunningMail(StrEnum):
    """The e-mails of a case, one a step; `recovered` and `ended` close it."""

    FAILED = "failed"
    AUTHENTICATION = "authentication"
    LAST_WARNING = "last_warning"
    SUSPENDED = "suspended"
    RECOVERED = "recovered"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case as the rules see it.

    `step` counts the policy's retry days that were dealt with. `told_on` is the first day on which
    the customer was written to. `may_charge`: the account pays automatically, has a method, and no
    hard decline has stopped the retries. `under_way`: a charge is being made, or a debit was
    accepted and is not settled yet (M4). `reason` is the last decline's code, empty for a transfer.
    """

    started_on: date
    step: int
    told_on: date | None = None
    suspended: bool = False
    may_charge: bool = True
    under_way: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DunningStep:
    """What is done now, the step reached by it, and the day on which something is due again.

    `next_on` is None where nothing more comes by itself: the renewal ends what is suspended.
    """

    action: DunningAction
    step: int
    next_on: date | None
    mail: DunningMail | None = None


def is_hard_decline(code: str | None, advice: str | None, may_retry: bool) -> bool:
    """Whether a decline stops the retries at once (M5)."""
    return not may_retry or advice == _HARD_ADVICE or code in _HARD_CODES


def access_ends_on(started_on: date, policy: Dunning) -> date:
    """The day on which access is suspended unless the money has come by then."""
    return started_on + timedelta(days=policy.suspend_on_day)


def plan_dunning_step(case: CaseState, today: date, policy: Dunning) -> DunningStep:
    """What is due on `today`, the account's local day.

    While a charge is under way nothing is: no mail, no second charge, no suspension. A retry's
    outcome is told by `plan_telling` once it is known.
    """
    if case.suspended:
        return DunningStep(DunningAction.NOTHING, case.step, None)
    if case.under_way:
        return DunningStep(DunningAction.NOTHING, case.step, _next_day(case, case.step, policy))
    passed = sum(case.started_on + timedelta(days=day) <= today for day in policy.retry_days)
    if passed > case.step:
        if case.may_charge:
            return DunningStep(DunningAction.RETRY, passed, _next_day(case, passed, policy))
        return plan_telling(case, passed, today, policy)
    if case.told_on is None or today >= access_ends_on(case.started_on, policy):
        return plan_telling(case, case.step, today, policy)
    return DunningStep(DunningAction.NOTHING, case.step, _next_day(case, case.step, policy))


def plan_telling(case: CaseState, step: int, today: date, policy: Dunning) -> DunningStep:
    """What follows from a try that failed, or from a day without a try: a mail or the suspension.

    Nobody is suspended on the day on which they hear of it first, however late the worker is.
    """
    ends_on = access_ends_on(case.started_on, policy)
    if today >= ends_on:
        if case.told_on is not None and case.told_on < today:
            return DunningStep(DunningAction.SUSPEND, step, None, DunningMail.SUSPENDED)
        tomorrow = today + timedelta(days=1)
        if case.told_on == today:
            return DunningStep(DunningAction.NOTHING, step, tomorrow)
        return DunningStep(DunningAction.TELL, step, tomorrow, DunningMail.LAST_WARNING)
    next_on = _next_day(case, step, policy)
    if next_on == ends_on and step > 0:
        mail = DunningMail.LAST_WARNING
    elif case.reason in AUTHENTICATION:
        mail = DunningMail.AUTHENTICATION
    else:
        mail = DunningMail.FAILED
    return DunningStep(DunningAction.TELL, step, next_on, mail)


def _next_day(case: CaseState, step: int, policy: Dunning) -> date:
    """The next retry day after `step`, or the day on which access ends."""
    ends_on = access_ends_on(case.started_on, policy)
    if step < len(policy.retry_days):
        return min(case.started_on + timedelta(days=policy.retry_days[step]), ends_on)
    return ends_on
