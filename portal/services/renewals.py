"""Carrying subscriptions from period to period, in batches: P1, P2, P3, S6, C2, I3.

A renewal is all or nothing per subscription: whoever calls commits. Many are loaded with few
statements, each is decided by the plan that its preview shows, all are written in bulk; a single
renewal is a batch of one. A worker that was down catches up each period exactly once, because the
database holds one row a period and one current period each, under the account's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, select, text, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, aliased

from portal.db import fetch_all
from portal.domain.catalogue import Catalogue
from portal.domain.periods import local_date, local_date_if_known
from portal.domain.renewals import is_invoiced_by
from portal.models import (
    Account,
    Assignment,
    BillingPeriod,
    Member,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.locks import lock_accounts
from portal.services.renewal_loading import load_renewing
from portal.services.renewal_parking import RETRY_PARKED, park, unpark
from portal.services.renewal_planning import Planner, Step
from portal.services.renewal_writing import write_steps
from portal.services.surplus_freeing import free_surplus
from portal.services.trial_ending import end_due_trials_of_account

__all__ = ["START", "BatchResult", "Due", "Place", "list_due", "park", "renew_batch",
           "renew_due_of_account", "renew_subscription"]  # fmt: skip

# The local date may be up to 14 hours ahead of UTC's; the exact day is checked for each.
_DATE_LINE = timedelta(days=1)

Place = tuple[date, int]
"""How far the due ones were listed: a period's last day and its id."""
START: Place = (date.min, 0)


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription that has something due: its renewal, or the invoice ahead of it."""

    account_id: int
    subscription_id: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: `done` steps, `skipped` because somebody else holds the account,
    `parked` with the errors that kept them from being renewed."""

    done: int
    skipped: int
    parked: tuple[tuple[Due, Exception], ...]


# A page of the index of what ends first, and what belongs to it: as cheap with a million others.
_PAGE = (
    select(BillingPeriod.ends_on, BillingPeriod.id, BillingPeriod.subscription_id)
    .where(
        # Written out, so that SQLite sees that the partial index of the current periods holds it.
        text("billing_period.is_current"),
        BillingPeriod.ends_on <= bindparam("ahead"),
        tuple_(BillingPeriod.ends_on, BillingPeriod.id)
        > tuple_(bindparam("after_day"), bindparam("after_id")),
    )
    .order_by(BillingPeriod.ends_on, BillingPeriod.id)
    .limit(bindparam("limit"))
    .subquery("page")
)
_FOLLOWING = aliased(BillingPeriod)
_DUE = (
    select(
        _PAGE.c.ends_on,
        _PAGE.c.id,
        Subscription.account_id,
        Subscription.id,
        Subscription.status,
        Subscription.parked_at,
        Account.time_zone,
        Account.payment_terms,
        _FOLLOWING.id,
    )
    .select_from(_PAGE)
    .join(Subscription, Subscription.id == _PAGE.c.subscription_id)
    .join(Account, Account.id == Subscription.account_id)
    .outerjoin(
        _FOLLOWING,
        and_(
            _FOLLOWING.subscription_id == _PAGE.c.subscription_id,
            _FOLLOWING.starts_on == _PAGE.c.ends_on,
        ),
    )
    .order_by(_PAGE.c.ends_on, _PAGE.c.id)
)


def list_due(
    connection: Connection, *, notice_days: int, now: datetime, after: Place, limit: int
) -> tuple[list[Due], Place | None]:
    """What is due beyond `after`, the longest due first, and how far it was looked; None at the end.

    `limit` periods are looked at. The days are local (P3), and only a bank transfer has something
    due before the renewal itself (I3), so that a page may hold little or nothing.
    """
    rows = fetch_all(
        connection,
        _DUE,
        ahead=now.date() + _DATE_LINE + timedelta(days=notice_days),
        after_day=after[0],
        after_id=after[1],
        limit=limit,
    )
    if not rows:
        return [], None
    days: dict[str, date | None] = {}
    found = []
    for ends_on, _id, account_id, key, status, parked_at, time_zone, terms, following in rows:
        if parked_at is not None and parked_at > now - RETRY_PARKED:
            continue
        if time_zone not in days:
            days[time_zone] = local_date_if_known(now, time_zone)
        today = days[time_zone]
        # One whose day cannot be told is parked when it is planned.
        if today is None or (
            today >= ends_on
            or (
                status == "active"  # what is suspended is not invoiced any more: it ends (M5)
                and following is None
                and is_invoiced_by(ends_on, today, notice_days, terms)
            )
        ):
            found.append(Due(account_id, key))
    return found, (rows[-1][0], rows[-1][1])


def renew_batch(
    session: Session, due: Sequence[Due], *, catalogue: Catalogue, now: datetime, wait: bool
) -> BatchResult:
    """One step for each of `due`: its next period is opened, or invoiced ahead; the caller commits.

    Accounts that somebody else holds are left out, or waited for with `wait`. One that cannot be
    planned is parked with its error; an error of the writing itself is raised, and whoever calls
    finds the culprit by renewing one at a time.
    """
    session.flush()
    ours = lock_accounts(session, {one.account_id for one in due}, wait=wait)
    mine = {one.subscription_id: one for one in due if one.account_id in ours}
    planner = Planner(catalogue, now)
    steps: list[Step] = []
    failed: list[tuple[Due, Exception]] = []
    healthy: list[int] = []
    for renewing in load_renewing(session, mine.keys()):
        try:
            step = planner.plan(renewing)
        except Exception as error:  # whatever is wrong with one must not keep the others waiting
            failed.append((mine[renewing.state.subscription_id], error))
            continue
        if renewing.parked:
            healthy.append(renewing.state.subscription_id)
        if step is not None:
            steps.append(step)
    write_steps(session, steps, catalogue=catalogue, now=now)
    free_surplus(session, _late_surplus(steps), now=now)
    unpark(session, healthy, now)
    for one, found in failed:
        park(session, one.account_id, one.subscription_id, found, now=now)
    if steps or failed:
        _forget(session)
    return BatchResult(len(steps), len(due) - len(mine), tuple(failed))


def renew_subscription(
    session: Session,
    account_id: int,
    subscription_id: int,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> int:
    """Do everything due for one subscription, parked or not; how many steps that were.

    One that cannot be renewed is parked (again).
    """
    due = [Due(account_id, subscription_id)]
    steps = 0
    while renew_batch(session, due, catalogue=catalogue, now=now, wait=True).done:
        steps += 1
    return steps


def renew_due_of_account(
    session: Session, account: Account, *, catalogue: Catalogue, now: datetime
) -> None:
    """Before a write: the account's subscriptions whose period has ended renew first (P3).

    So do its trials end that are over. One that cannot be renewed is parked and stays as it is: the write may be what corrects it.
    """
    end_due_trials_of_account(session, account, catalogue=catalogue, now=now)
    today = local_date(now, account.time_zone)
    due = [
        Due(account.id, state.subscription_id)
        for state in list_subscription_states(session.connection(), account.id)
        if state.is_running and state.period is not None and state.period.end <= today
    ]
    while due:
        result = renew_batch(session, due, catalogue=catalogue, now=now, wait=True)
        if not result.done:
            break
        stuck = {one.subscription_id for one, _error in result.parked}
        due = [one for one in due if one.subscription_id not in stuck]


def _late_surplus(steps: Sequence[Step]) -> Collection[int]:
    """Whose renewal day is over already: the surplus goes at once (S6)."""
    return [step.subscription_id for step in steps if step.enters and step.late and step.overhang]


_WRITTEN: tuple[Any, ...] = (
    Assignment, BillingPeriod, Member, ScheduledChange, Subscription, SubscriptionItem,
)  # fmt: skip


def _forget(session: Session) -> None:
    """The rows were written past the session: what it knows of them is read anew."""
    for row in list(session.identity_map.values()):
        if isinstance(row, _WRITTEN):
            session.expire(row)
