"""Giving a member a licence and freeing it again: never more than there are (S9).

Both change who uses what is paid for, and nothing of what is paid (S8).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.assignments import plan_assignments, recorded_overhang
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import Assignment, Subscription
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.membership import OpenedAccount, Who, load_member, open_account

__all__ = ["assign_licence", "free_licence", "give", "settle_overhang", "take"]


def assign_licence(
    session: Session, account_id: int, member_id: int, item_id: int, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """Give the member one licence of the item; who has it keeps it. An invited member's is reserved.

    DomainError `member_unknown`, `member_deactivated`, and those of `plan_assignments`.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    if who.member.status == "deactivated":
        raise DomainError("member_deactivated")
    give(session, opened, who, [item_id], actor=actor, now=now)


def free_licence(
    session: Session, account_id: int, member_id: int, item_id: int, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """Take the member's licence of the item back; the member stays active, also without any.

    Whoever has none of it is left as they are. DomainError `member_unknown`.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    take(session, opened, who, "by_hand", items=[item_id], actor=actor, now=now)


def give(
    session: Session, opened: OpenedAccount, who: Who, items: Collection[int], *, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Write the assignments of a member of an opened account, with their audit events.

    The numbers are counted anew: whoever gives several people licences counts each.
    """
    if not items:
        return
    session.flush()
    states = list_subscription_states(session.connection(), opened.account.id)
    held = session.scalars(
        select(Assignment.item_id).where(
            Assignment.member_id == who.member.id, Assignment.freed_at.is_(None)
        )
    ).all()
    for item in plan_assignments(states, items, held):
        session.add(
            Assignment(item_id=item.item_id, member_id=who.member.id, assigned_at=now)
        )  # fmt: skip
        record(session, "licence_assigned", actor=actor, now=now, account_id=opened.account.id,
               subject=who.person.name,
               new={"member_id": who.member.id, "item_id": item.item_id})  # fmt: skip
    session.flush()


def take(
    session: Session, opened: OpenedAccount, who: Who, because: str, *,
    items: Collection[int] | None = None, actor: Actor, now: datetime,
) -> int:  # fmt: skip
    """Free the member's licences, of `items` or all; how many. A recorded overhang shrinks with it."""
    session.flush()
    held = select(Assignment).where(
        Assignment.member_id == who.member.id, Assignment.freed_at.is_(None)
    )
    if items is not None:
        held = held.where(Assignment.item_id.in_(items))
    freed = session.scalars(held.order_by(Assignment.id).with_for_update()).all()
    for assignment in freed:
        assignment.freed_at, assignment.freed_because = now, because
        record(session, "licence_freed", actor=actor, now=now, account_id=opened.account.id,
               subject=who.person.name,
               old={"member_id": who.member.id, "item_id": assignment.item_id})  # fmt: skip
    session.flush()
    if freed and any(state.overhang for state in opened.states):
        settle_overhang(session, opened.account.id)
    return len(freed)


def settle_overhang(session: Session, account_id: int) -> None:
    """Keep no more of an overhang than what is still held beyond the seats (S7)."""
    for state in list_subscription_states(session.connection(), account_id):
        left = recorded_overhang(state)
        if left != state.overhang:
            session.execute(
                update(Subscription)
                .where(Subscription.id == state.subscription_id)
                .values(overhang=left)
                .execution_options(synchronize_session=False)
            )
