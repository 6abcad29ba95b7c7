"""Writing changes that wait for a renewal, and taking them back (S3, S5, C1, C2, C3).

What is written was decided by `portal.domain.changes`; the services of single activities
(seat_removal, plan_changes, cancelling …) call the two functions here and add their own mails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.changes import PlannedChange, plan_undo
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange
from portal.models import Account, Person, ScheduledChange
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.cancellation_mails import confirm_cancellation, confirm_undo
from portal.services.locks import lock_account
from portal.services.renewal_reissue import reissue_renewal
from portal.services.renewals import renew_due_of_account

__all__ = ["Opened", "open_subscription", "schedule_as_shown", "schedule_change", "undo_change"]

_ASKED = {
    ChangeKind.SEATS: "reduction_asked",
    ChangeKind.PLAN: "plan_change_asked",
    ChangeKind.PERIOD: "period_change_asked",
    ChangeKind.ADD_ON: "add_on_change_asked",
    ChangeKind.CANCEL: "cancellation_asked",
}
_UNDONE = {
    ChangeKind.SEATS: "reduction_undone",
    ChangeKind.PLAN: "plan_change_undone",
    ChangeKind.PERIOD: "period_change_undone",
    ChangeKind.ADD_ON: "add_on_change_undone",
    ChangeKind.CANCEL: "cancellation_undone",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A subscription to be changed: its account is locked, its due renewals have run (P3)."""

    account: Account
    state: SubscriptionState
    today: date
    catalogue: Catalogue

    def asked_on(self, asked_at: datetime | None) -> date:
        """The account's local day that counts for the notice: today, or of an earlier request (S4)."""
        return self.today if asked_at is None else local_date(asked_at, self.account.time_zone)


def open_subscription(
    session: Session, account_id: int, subscription_id: int, *, catalogue: Catalogue, now: datetime
) -> Opened:
    """Lock the account, run what is due, and read the subscription as of today.

    DomainError `subscription_unknown` (also for another account's, and for one that has ended).
    """
    account = lock_account(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    for state in list_subscription_states(session.connection(), account_id):
        if state.subscription_id == subscription_id:
            return Opened(account, state, local_date(now, account.time_zone), catalogue)
    raise DomainError("subscription_unknown")


def schedule_change(
    session: Session,
    opened: Opened,
    planned: PlannedChange,
    *,
    actor: Actor,
    now: datetime,
    asked_at: datetime | None = None,
) -> ScheduledChange:
    """Write a planned change, in place of those it replaces, with its audit event.

    What it moves to another renewal (C2) is stored with the new day.

    `asked_at` is the instant that counts for the notice where it is not now: a bank-transfer
    customer's request was sent earlier (S4).
    """
    state = opened.state
    _end(session, planned.replaces, "replaced", now)
    row = ScheduledChange(
        subscription_id=state.subscription_id,
        item_id=planned.item_id,
        kind=planned.kind.value,
        delta=planned.delta,
        target=dict(planned.target),
        effective_on=planned.time.effective_on,
        status="waiting",
        asked_at=asked_at or now,
        asked_by_id=actor.person_id,
    )
    session.add(row)
    session.flush()
    _retime(session, planned.retimed)
    record(session, _ASKED[planned.kind], actor=actor, now=now, account_id=opened.account.id,
           subject=state.product_key,
           old=_facts(state, planned.replaces[-1]) if planned.replaces else None,
           new=_facts(state, WaitingChange(row.id, planned.kind, planned.item_id, planned.delta,
                                           planned.target, planned.time.effective_on,
                                           planned.time.asked_on), planned.replaces))  # fmt: skip
    session.flush()
    reissue_renewal(
        session, opened.account, state, catalogue=opened.catalogue, actor=actor, now=now
    )
    return row


def schedule_as_shown(
    session: Session,
    opened: Opened,
    planned: PlannedChange,
    shown: str,
    *,
    actor: Actor,
    now: datetime,
    asked_at: datetime | None = None,
) -> ScheduledChange:
    """Write the change that was confirmed as `shown` (`PlannedChange.key`); it waits once (Q4).

    DomainError `date_moved` (`on`) where it takes effect on another day (S4), `change_differs`
    where it costs something else by now.
    """
    waiting = planned.waits_already
    if waiting is not None:
        return session.get_one(ScheduledChange, waiting.id)
    if shown != planned.key:
        day = _day(shown.partition(".")[0])
        if day is not None and day != planned.time.effective_on:
            raise DomainError("date_moved", on=planned.time.effective_on)
        raise DomainError("change_differs")
    return schedule_change(session, opened, planned, actor=actor, now=now, asked_at=asked_at)


def undo_change(
    session: Session,
    account_id: int,
    change_id: int,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> WaitingChange:
    """Take back a change that waits: what was there before it stays, exactly (S5).

    DomainError `change_unknown`: it does not wait (any more), or belongs to another account.
    """
    account = lock_account(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    for state in list_subscription_states(session.connection(), account_id):
        if state.change(change_id) is not None:
            break
    else:
        raise DomainError("change_unknown")
    undo = plan_undo(state, change_id, catalogue.policy.change_notice_days)
    _end(session, (undo.change,), "undone", now)
    _retime(session, undo.retimed)
    for later in undo.retimed:
        if later.kind is ChangeKind.CANCEL:
            _confirm_moved_end(session, account, state, later, catalogue, actor, now)
    record(session, _UNDONE[undo.change.kind], actor=actor, now=now, account_id=account_id,
           subject=state.product_key, old=_facts(state, undo.change))  # fmt: skip
    session.flush()
    reissue_renewal(session, account, state, catalogue=catalogue, actor=actor, now=now)
    if undo.change.kind is ChangeKind.CANCEL and state.period is not None:
        confirm_undo(
            session, account, product_key=state.product_key,
            subscription_id=state.subscription_id, change_id=change_id,
            today=local_date(now, account.time_zone), renews_on=state.period.end,
            catalogue=catalogue, actor=actor, now=now,
        )  # fmt: skip
    return undo.change


def _confirm_moved_end(
    session: Session,
    account: Account,
    state: SubscriptionState,
    end: WaitingChange,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> None:
    """The end that was confirmed is on another day now: that is confirmed anew (C3)."""
    row = session.get_one(ScheduledChange, end.id)
    asker = session.get(Person, row.asked_by_id) if row.asked_by_id else None
    confirm_cancellation(
        session, account, product_key=state.product_key, subscription_id=state.subscription_id,
        change_id=end.id, today=end.asked_on, effective_on=end.effective_on, credited="",
        catalogue=catalogue,
        actor=Actor("person", asker.name, asker.id) if asker is not None else actor, now=now,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _end(session: Session, changes: tuple[WaitingChange, ...], status: str, now: datetime) -> None:
    if changes:
        session.execute(
            update(ScheduledChange)
            .where(ScheduledChange.id.in_([change.id for change in changes]))
            .values(status=status, settled_at=now)
            .execution_options(synchronize_session=False)
        )


def _retime(session: Session, changes: tuple[WaitingChange, ...]) -> None:
    """Let what waits wait for another renewal, as it was planned."""
    for change in changes:
        session.execute(
            update(ScheduledChange)
            .where(ScheduledChange.id == change.id)
            .values(effective_on=change.effective_on)
            .execution_options(synchronize_session=False)
        )


def _facts(
    state: SubscriptionState, change: WaitingChange, replaced: tuple[WaitingChange, ...] = ()
) -> dict[str, Any]:
    """What the activity page tells of a change: values that mean something to a reader.

    The seats are those that its renewal leaves, with the reductions that come before it (S3) and
    without what it has `replaced`.
    """
    facts: dict[str, Any] = {"effective_on": change.effective_on.isoformat()}
    if change.item_id is not None:
        facts["item_id"] = change.item_id
    item = state.item(change.item_id)
    if change.kind is ChangeKind.SEATS and item is not None:
        gone = {change.id, *(one.id for one in replaced)}
        before = sum(
            other.delta or 0
            for other in state.changes_of(ChangeKind.SEATS, change.item_id)
            if other.effective_on <= change.effective_on and other.id not in gone
        )
        facts["seats"] = item.quantity + before + (change.delta or 0)
    for key in ("plan", "package", "interval", "reason", "comment"):
        if change.target.get(key):
            facts[key] = change.target[key]
    return facts
