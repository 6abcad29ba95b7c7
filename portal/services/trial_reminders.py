"""Reminding admins that a trial ends: 7 days, 3 days and 1 day before its last day (C5).

What was bought, or is being paid, is not spoken of, and nothing is told twice.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.trials import REMINDER_DAYS, TRIAL, days_left, due_reminder, read_until
from portal.queries.trials import UnpaidTrial, list_unpaid_trials
from portal.services.trial_mails import TrialMail, write_trial_mails

__all__ = ["remind_of_trials"]

# The local date may be a day before or after UTC's.
_DATE_LINE = timedelta(days=1)


def remind_of_trials(
    session: Session,
    *,
    catalogue: Catalogue,
    now: datetime,
    after: tuple[date, int],
    limit: int,
) -> tuple[date, int] | None:
    """Write the mails that are due of the next `limit` trials beyond `after`.

    Returns where to go on, None where all were looked at. A fixed number of statements.
    """
    today = now.date()
    found = list_unpaid_trials(
        session.connection(),
        first=today - _DATE_LINE,
        last=today + timedelta(days=max(REMINDER_DAYS)) + _DATE_LINE,
        after=after,
        limit=limit,
    )
    mails = [mail for trial in found if (mail := _mail(trial, catalogue, now)) is not None]
    write_trial_mails(session, mails, catalogue=catalogue, now=now)
    return (found[-1].ends_on, found[-1].subscription_id) if len(found) == limit else None


def _mail(trial: UnpaidTrial, catalogue: Catalogue, now: datetime) -> TrialMail | None:
    if trial.status != TRIAL or trial.is_being_bought:
        return None
    try:
        today = local_date(now, trial.time_zone)
    except DomainError:
        return None  # a time zone that is none: the others are told
    due = due_reminder(trial.ends_on, today)
    if due is None:
        return None
    payload: dict[str, str | int] = {
        "days": days_left(trial.ends_on, today),
        "ends_on": trial.ends_on.isoformat(),
    }
    keep_days = catalogue.policy.trial_read_only_days
    if keep_days:
        read_only_from = trial.ends_on + timedelta(days=1)
        payload["read_until_on"] = read_until(read_only_from, keep_days).isoformat()
    return TrialMail("trial_ending", trial, str(due), payload)
