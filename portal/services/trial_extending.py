"""Giving a trial more time: an operator's decision, recorded and told to the admins (C5)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.trials import READ_ONLY, TRIAL, plan_extension
from portal.models import Account, Subscription
from portal.queries.subscriptions import list_subscription_states
from portal.queries.trials import list_unpaid_trials_of
from portal.services.audit import Actor, record
from portal.services.entitlements import announce_entitlements
from portal.services.locks import lock_account
from portal.services.trial_mails import TrialMail, write_trial_mails

__all__ = ["extend_trial"]


def extend_trial(
    session: Session,
    account_id: int,
    product_key: str,
    until: date,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> date:
    """The trial works to the end of `until`, also where it was read-only; its last day so far.

    DomainError: `account_unknown`, `trial_unknown` (also one that has ended: its data may be gone),
    and as `plan_extension`.
    """
    if session.get(Account, account_id) is None:
        raise DomainError("account_unknown")
    account = lock_account(session, account_id)
    state = next(
        (
            state
            for state in list_subscription_states(session.connection(), account_id)
            if state.product_key == product_key
        ),
        None,
    )
    if state is None:
        raise DomainError("trial_unknown")
    before = state.trial_ends_on
    row = session.scalars(
        select(Subscription)
        .where(Subscription.id == state.subscription_id)
        .execution_options(populate_existing=True)
    ).one()
    row.trial_ends_on = plan_extension(state, until, local_date(now, account.time_zone))
    assert before is not None, "what can be extended has a last day"
    was_read_only = row.status == READ_ONLY
    row.status, row.read_only_from = TRIAL, None
    record(session, "trial_extended", actor=actor, now=now, account_id=account_id,
           subject=product_key, old={"ends_on": before.isoformat()},
           new={"ends_on": until.isoformat()})  # fmt: skip
    session.flush()
    if was_read_only:
        announce_entitlements(session, account, [row.id], catalogue, now)
    [trial] = list_unpaid_trials_of(session.connection(), [row.id])
    mail = TrialMail("trial_extended", trial, "", {"ends_on": until.isoformat()})
    write_trial_mails(session, [mail], catalogue=catalogue, now=now)
    return before
