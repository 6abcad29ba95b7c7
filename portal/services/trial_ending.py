"""The end of a trial that nobody bought: read-only first, then over for good (C5).

What ends in the portal ends in the vendor's product by the same transaction's entitlement message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Table, select, update
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.trials import TrialStep, plan_trial_step
from portal.models import Account, Assignment, AuditEvent, Subscription, SubscriptionItem
from portal.queries.access_losses import list_states_of
from portal.queries.trials import (
    UnpaidTrial,
    list_unpaid_trials,
    list_unpaid_trials_of,
    list_unpaid_trials_of_account,
)
from portal.services.audit import SYSTEM
from portal.services.bulk_rows import as_json, insert_rows, update_rows
from portal.services.entitlements import Announcement, announce, grants_of
from portal.services.locks import lock_accounts
from portal.services.trial_mails import TrialMail, write_trial_mails

__all__ = ["end_due_trials", "end_due_trials_of_account"]

_SUBSCRIPTIONS: Table = Subscription.__table__
_ITEMS: Table = SubscriptionItem.__table__
_ASSIGNMENTS: Table = Assignment.__table__
_EVENT = ("account_id", "at", "actor_kind", "actor_name", "action", "subject", "new")


@dataclass(frozen=True, slots=True)
class _Ending:
    """A trial, and what this day makes of it."""

    trial: UnpaidTrial
    step: TrialStep


def end_due_trials(
    session: Session,
    *,
    catalogue: Catalogue,
    now: datetime,
    after: tuple[date, int],
    limit: int,
) -> tuple[date, int] | None:
    """Do what is due of the next `limit` trials beyond `after`; accounts in use are left for later.

    Returns where to go on, None where all were looked at. A fixed number of statements.
    """
    connection = session.connection()
    # The local day is a day ahead of UTC's at most, and a trial works to the end of its last day.
    found = list_unpaid_trials(
        connection, first=date.min, last=now.date(), after=after, limit=limit
    )
    due = _due(found, catalogue, now)
    if due:
        ours = lock_accounts(session, {one.trial.account_id for one in due}, wait=False)
        ids = [one.trial.subscription_id for one in due if one.trial.account_id in ours]
        # Until the lock was ours it may have been bought, or extended.
        _end(session, _due(list_unpaid_trials_of(connection, ids), catalogue, now), catalogue, now)
    return (found[-1].ends_on, found[-1].subscription_id) if len(found) == limit else None


def end_due_trials_of_account(
    session: Session, account: Account, *, catalogue: Catalogue, now: datetime
) -> None:
    """Before a write: the account's trials are as this day has them. The account is locked (P3)."""
    found = list_unpaid_trials_of_account(session.connection(), account.id)
    _end(session, _due(found, catalogue, now), catalogue, now)


def _due(found: Sequence[UnpaidTrial], catalogue: Catalogue, now: datetime) -> list[_Ending]:
    due = []
    for trial in found:
        try:
            today = local_date(now, trial.time_zone)
        except DomainError:
            continue  # a time zone that is none: whoever mends the account mends this
        step = plan_trial_step(trial.status, trial.ends_on, trial.read_only_from, today,
                               catalogue.policy.trial_read_only_days)  # fmt: skip
        # An order that is being paid finds the trial that it buys when the money comes.
        if step is not None and not (step.ended_on and trial.is_being_bought):
            due.append(_Ending(trial, step))
    return due


def _end(session: Session, endings: Sequence[_Ending], catalogue: Catalogue, now: datetime) -> None:
    if not endings:
        return
    connection = session.connection()
    update_rows(
        connection, _SUBSCRIPTIONS, ("status", "read_only_from", "ended_on"),
        [
            (one.trial.subscription_id, one.step.status, one.step.read_only_from, one.step.ended_on)
            for one in endings
        ],
    )  # fmt: skip
    _free(session, [one.trial.subscription_id for one in endings if one.step.ended_on], now)
    _announce(session, endings, catalogue, now)
    insert_rows(connection, AuditEvent.__table__, _EVENT, (_event(one, now) for one in endings))
    write_trial_mails(
        session,
        [TrialMail("trial_over", one.trial, one.step.status, _days(one)) for one in endings],
        catalogue=catalogue,
        now=now,
    )
    # They were written past the session: what it knows of them is read anew.
    for row in list(session.identity_map.values()):
        if isinstance(row, Assignment | Subscription):
            session.expire(row)


def _free(session: Session, subscription_ids: Sequence[int], now: datetime) -> None:
    """Nobody is deactivated: who loses a product is still a member. The items stay, to be read."""
    if not subscription_ids:
        return
    items = select(_ITEMS.c.id).where(among(_ITEMS.c.subscription_id, ids=subscription_ids))
    session.execute(
        update(_ASSIGNMENTS)
        .where(_ASSIGNMENTS.c.item_id.in_(items), _ASSIGNMENTS.c.freed_at.is_(None))
        .values(freed_at=now, freed_because="ended")
    )


def _announce(
    session: Session, endings: Sequence[_Ending], catalogue: Catalogue, now: datetime
) -> None:
    ids = [one.trial.subscription_id for one in endings]
    states = list_states_of(session.connection(), ids)
    announce(
        session,
        [
            Announcement(
                one.trial.account_id,
                one.trial.subscription_id,
                grants_of(one.trial.account_ref, states[one.trial.subscription_id]),
                catalogue.product(one.trial.product_key).entitlement_url is not None,
            )
            for one in endings
        ],
        now,
    )


def _event(one: _Ending, now: datetime) -> tuple[object, ...]:
    action = "trial_ended" if one.step.ended_on else "trial_read_only"
    return (
        one.trial.account_id, now, SYSTEM.kind, SYSTEM.name, action, one.trial.product_key,
        as_json(_days(one)),
    )  # fmt: skip


def _days(one: _Ending) -> dict[str, str]:
    """What the event and the mail tell: the last day of working, and that of reading."""
    days = {"ends_on": one.trial.ends_on}
    if one.step.read_until is not None:
        days["read_until_on"] = one.step.read_until
    return {name: day.isoformat() for name, day in days.items()}
