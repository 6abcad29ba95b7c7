"""The jobs of trials: reminding before the end, and ending what nobody bought (C5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.trial_ending import end_due_trials
from portal.services.trial_reminders import remind_of_trials

__all__ = ["end_trials", "remind_of_trial_ends"]

_BATCH = 500
_START: tuple[date, int] = (date.min, 0)


@register("trial_ends", every=timedelta(hours=1))
def end_trials(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Make read-only, or end, the trials that are over where each customer is; one commit a batch."""
    _in_batches(end_due_trials, parts, now)


@register("trial_reminders", every=timedelta(hours=1))
def remind_of_trial_ends(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Write the mails of trials that end within days; one commit a batch."""
    _in_batches(remind_of_trials, parts, now)


def _in_batches(
    activity: Callable[..., tuple[date, int] | None], parts: Parts, now: datetime
) -> None:
    after: tuple[date, int] | None = _START
    while after is not None:
        with transaction() as session:
            after = activity(session, catalogue=parts.catalogue, now=now, after=after, limit=_BATCH)
