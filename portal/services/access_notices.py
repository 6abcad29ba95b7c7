"""Telling every admin who is about to lose access: when it is asked, 15 and 3 days before (S6).

Nothing is written where nobody would lose anything; what was told is not told again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.domain.access import Held
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.labels import item_label
from portal.domain.periods import local_date
from portal.domain.seat_removal import Loss, plan_losses
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange
from portal.models import Account, OutboxMessage
from portal.queries.access_losses import (
    DueReduction,
    list_due_reductions,
    list_held_of_items,
    list_known_keys,
    list_states_of,
)
from portal.queries.admins import AdminOf, list_admins, list_admins_of
from portal.queries.holders import HeldBy
from portal.services.bulk_rows import as_json, insert_rows
from portal.services.outbox import enqueue_mail

__all__ = ["REMINDER_DAYS", "due_stage", "remind_of_losses", "tell_of_loss"]

REMINDER_DAYS = (15, 3)
"""So many local days before the renewal the admins are reminded."""

_NAMED = 20  # in one mail; the page lists everybody
# The local date may be a day before or after UTC's.
_DATE_LINE = timedelta(days=1)
_COLUMNS = (
    "account_id", "kind", "topic", "recipient", "locale", "payload", "dedupe_key", "status",
    "created_at", "available_at", "attempts", "fence", "last_error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Notice:
    """What one mail tells, before it has a language."""

    account_id: int
    account_name: str
    state: SubscriptionState
    change: WaitingChange
    stage: str
    seats: int
    losing: Sequence[Held]
    names: Mapping[int, str]

    def key(self, admin: AdminOf) -> str:
        return f"access_loss:{self.change.id}:{self.stage}:{admin.member_id}"

    def payload(self, catalogue: Catalogue, locale: str) -> dict[str, Any]:
        item = self.state.item(self.change.item_id)
        assert item is not None, "somebody holds a licence of it"
        named = [self.names[one.assignment_id] for one in self.losing[:_NAMED]]
        return {
            "account_name": self.account_name,
            "product": item_label(catalogue, self.state.product_key, item, locale),
            "change_id": self.change.id,
            "on": self.change.effective_on.isoformat(),
            "seats": self.seats,
            "people": named,
            "more": len(self.losing) - len(named),
        }


def due_stage(change_on: date, asked_on: date, today: date) -> str | None:
    """Which reminder of a renewal on `change_on` is due on the local day `today`, if any.

    A worker that was down sends the latest alone. On the day it was asked, all were told already;
    on the renewal date itself nothing can be undone any more.
    """
    if today >= change_on or today <= asked_on:
        return None
    for days in sorted(REMINDER_DAYS):
        due_on = change_on - timedelta(days=days)
        if today >= due_on:
            return None if asked_on >= due_on else f"{days}_days"
    return None


def tell_of_loss(
    session: Session,
    account: Account,
    state: SubscriptionState,
    change: WaitingChange,
    held: Sequence[HeldBy],
    *,
    active_admins: int,
    catalogue: Catalogue,
    now: datetime,
) -> int:
    """Write the mails of a reduction that has just been asked; how many. `state` has it waiting."""
    losses = plan_losses(state, [one.held for one in held], active_admins=active_admins)
    notice = _notice(account.id, account.name, state, change, "asked", losses, held)
    if notice is None:
        return 0
    admins = list_admins(session.connection(), account.id)
    written = [
        enqueue_mail(
            session,
            "access_loss",
            recipient=admin.email,
            locale=admin.locale,
            payload=notice.payload(catalogue, admin.locale),
            now=now,
            account_id=account.id,
            dedupe_key=notice.key(admin),
        )
        for admin in admins
    ]
    return sum(message is not None for message in written)


def remind_of_losses(
    session: Session,
    *,
    catalogue: Catalogue,
    now: datetime,
    after: tuple[date, int] | None,
    limit: int,
) -> tuple[date, int] | None:
    """Write the reminders that are due of the next `limit` reductions beyond `after`.

    Returns where to go on, None where all were looked at. Six statements, however many there are.
    """
    today = now.date()
    first, last = today - _DATE_LINE, today + timedelta(days=max(REMINDER_DAYS)) + _DATE_LINE
    connection = session.connection()
    due = list_due_reductions(
        connection, first=first, last=last, after=after or (date.min, 0), limit=limit
    )
    if not due:
        return None
    days = _local_days(due, now)
    states = list_states_of(
        connection, {one.subscription_id for one in due if one.change_id in days}
    )
    staged = _staged(due, states, days)
    held = list_held_of_items(connection, {c.item_id for _, _, c, _ in staged if c.item_id})
    admins = list_admins_of(connection, {one.account_id for one, _, _, _ in staged})
    notices = []
    for one, state, change, stage in staged:
        mine = held[change.item_id or 0]
        losses = plan_losses(
            state, [person.held for person in mine], active_admins=len(admins[one.account_id])
        )
        notice = _notice(one.account_id, one.account_name, state, change, stage, losses, mine)
        if notice is not None:
            notices += [(notice, admin) for admin in admins[one.account_id]]
    known = list_known_keys(connection, [notice.key(admin) for notice, admin in notices])
    rows = [
        (notice.account_id, "mail", "access_loss", admin.email, admin.locale,
         as_json(notice.payload(catalogue, admin.locale)), notice.key(admin), "waiting", now, now,
         0, 0, "")
        for notice, admin in notices
        if notice.key(admin) not in known
    ]  # fmt: skip
    insert_rows(connection, OutboxMessage.__table__, _COLUMNS, rows)
    return due[-1].effective_on, due[-1].change_id


def _local_days(due: Sequence[DueReduction], now: datetime) -> dict[int, date]:
    """Today where each customer is, by change; without those of whom that cannot be told."""
    days: dict[int, date] = {}
    for one in due:
        try:
            days[one.change_id] = local_date(now, one.time_zone)
        except DomainError:
            continue  # its renewal is parked for the same reason; the others are told
    return days


def _staged(
    due: Sequence[DueReduction], states: Mapping[int, SubscriptionState], days: Mapping[int, date]
) -> list[tuple[DueReduction, SubscriptionState, WaitingChange, str]]:
    """The reductions of which a reminder is due today where the account is."""
    found = []
    for one in due:
        state = states.get(one.subscription_id)
        change = state.change(one.change_id) if state is not None else None
        if state is None or change is None or one.change_id not in days:
            continue
        stage = due_stage(change.effective_on, change.asked_on, days[one.change_id])
        if stage is not None and _exceeds(state, change):
            found.append((one, state, change, stage))
    return found


def _exceeds(state: SubscriptionState, change: WaitingChange) -> bool:
    """Whether more licences are held than there will be: mostly not, and nobody is read then."""
    item = state.item(change.item_id)
    if item is None:
        return False
    reduced = sum(
        other.delta or 0
        for other in state.changes_of(ChangeKind.SEATS, item.item_id)
        if other.effective_on <= change.effective_on
    )
    return item.assigned > item.quantity + reduced


def _notice(
    account_id: int,
    account_name: str,
    state: SubscriptionState,
    change: WaitingChange,
    stage: str,
    losses: Sequence[Loss],
    held: Sequence[HeldBy],
) -> _Notice | None:
    """None where nobody loses a licence of the item at that renewal."""
    loss = next((each for each in losses if each.on == change.effective_on), None)
    if loss is None or change.item_id is None:
        return None
    losing = loss.of_item(change.item_id)
    if not losing:
        return None
    names = {one.held.assignment_id: one.name for one in held}
    return _Notice(account_id, account_name, state, change, stage, loss.seats[change.item_id],
                   losing, names)  # fmt: skip
