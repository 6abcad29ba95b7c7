"""Removing seats: asked now, in effect at the renewal that the notice leaves (S3 to S7)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.seat_removal import plan_other_choice, plan_seat_removal, waits_already
from portal.domain.seats import may_change_seats
from portal.models import ScheduledChange
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.subscriptions import list_subscription_states
from portal.services.access_notices import tell_of_loss
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.renewals import renew_due_of_account
from portal.services.scheduling import open_subscription, schedule_change

__all__ = ["choose_who_loses", "remove_seats"]


def remove_seats(
    session: Session,
    account_id: int,
    subscription_id: int,
    item_id: int,
    remove: int,
    *,
    chosen: Collection[int] | None,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    asked_at: datetime | None = None,
    credited: int = 0,
) -> date:
    """Let `remove` seats fewer of an item wait for their renewal, and tell every admin who loses.

    `shown` is the key of what was confirmed (`SeatRemoval.key`): a second click changes nothing
    more, and what has become different meanwhile is refused with `change_differs`. `asked_at`
    counts for the notice where a request was sent earlier (S4): two requests may ask for the very
    same, so a click on the second is no second click. `credited` are the net minor units that are
    credited with it. The day it takes effect is returned. DomainError as `open_subscription` and `plan_seat_removal`; `item_unknown`, and
    `not_self_service` where the customer does not change it alone.
    """
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    state, account = opened.state, opened.account
    done = waits_already(state, item_id, shown) if asked_at is None else None
    if done is not None:
        return done
    item = state.item(item_id)
    if item is None:
        raise DomainError("item_unknown")
    if actor.kind != "staff":
        reason = may_change_seats(state, item, catalogue, account.payment_terms)
        if reason is not None:
            raise DomainError("not_self_service", reason=reason)
    connection = session.connection()
    held = list_subscription_held(connection, account_id, subscription_id)
    admins = count_active_admins(connection, account_id)
    removal = plan_seat_removal(
        state,
        item_id,
        remove,
        held=[one.held for one in held],
        active_admins=admins,
        asked_on=opened.asked_on(asked_at),
        notice_days=catalogue.policy.change_notice_days,
        chosen=chosen,
        credited=credited,
    )
    if removal.key != shown:
        raise DomainError("change_differs")
    planned = removal.planned
    row = schedule_change(session, opened, planned, actor=actor, now=now, asked_at=asked_at)
    present = next(s for s in list_subscription_states(connection, account_id)
                   if s.subscription_id == subscription_id)  # fmt: skip
    change = present.change(row.id)
    assert change is not None, "it was written just now"
    tell_of_loss(session, account, present, change, held, active_admins=admins,
                 catalogue=catalogue, now=now)  # fmt: skip
    return planned.time.effective_on


def choose_who_loses(
    session: Session,
    account_id: int,
    change_id: int,
    chosen: Collection[int],
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> None:
    """Let other members give their licence back at a waiting reduction; nobody chosen: the last.

    DomainError `change_unknown`, also for another account's; Rejected as `plan_other_choice`.
    """
    account = lock_account(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    connection = session.connection()
    for state in list_subscription_states(connection, account_id):
        before = state.change(change_id)
        if before is not None:
            break
    else:
        raise DomainError("change_unknown")
    held = list_subscription_held(connection, account_id, state.subscription_id)
    after, loss = plan_other_choice(
        state,
        change_id,
        chosen,
        held=[one.held for one in held],
        active_admins=count_active_admins(connection, account_id),
    )
    if dict(after.target) == dict(before.target):
        return
    session.execute(
        update(ScheduledChange)
        .where(ScheduledChange.id == change_id)
        .values(target=dict(after.target))
        .execution_options(synchronize_session=False)
    )
    names = {one.held.assignment_id: one.name for one in held}
    record(session, "access_loss_chosen", actor=actor, now=now, account_id=account_id,
           subject=state.product_key,
           new={"item_id": after.item_id, "effective_on": after.effective_on.isoformat(),
                "people": [names[one.assignment_id]
                           for one in loss.of_item(after.item_id or 0)]})  # fmt: skip
    session.flush()
