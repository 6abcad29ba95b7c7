"""Who holds the seats of a demo customer's subscription."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.demo.plans import SubscriptionPlan
from portal.models import Account, AddOn, Assignment, Member, Subscription, SubscriptionItem

__all__ = ["assign_seats", "seat_first_admin"]


def seat_first_admin(
    session: Session, account: Account, item: SubscriptionItem, at: datetime
) -> None:
    """Whoever set the account up has a seat from the start (Q5)."""
    first = session.scalars(
        select(Member).where(Member.account_id == account.id).order_by(Member.id).limit(1)
    ).one()
    session.add(Assignment(item_id=item.id, member_id=first.id, assigned_at=at))
    session.flush()


def assign_seats(
    session: Session, account: Account, subscription: Subscription, plan: SubscriptionPlan
) -> None:
    """The first people of the account hold the seats, each since the day it could be."""
    members = session.scalars(
        select(Member).where(Member.account_id == account.id).order_by(Member.id)
    ).all()
    holders = [m for m in members if m.status != "deactivated" and m.role != "billing_admin"]
    holders += [m for m in members if m.status == "active" and m.role == "billing_admin"]
    wanted = {("plan", ""): plan.assigned}
    wanted |= {("add_on", add_on.key): add_on.assigned for add_on in plan.add_ons}
    items = session.execute(
        select(SubscriptionItem, AddOn.key)
        .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id)
        .where(SubscriptionItem.subscription_id == subscription.id)
        .order_by(SubscriptionItem.id)
    ).all()
    for item, key in items:
        count = wanted[item.kind, key or ""] if item.per_seat else 0
        held = set(
            session.scalars(
                select(Assignment.member_id).where(
                    Assignment.item_id == item.id, Assignment.freed_at.is_(None)
                )
            )
        )
        chosen = sorted(holders[:count], key=lambda m: (m.added_at, m.id))
        session.add_all(
            Assignment(item_id=item.id, member_id=member.id,
                       assigned_at=max(member.added_at, item.added_at))
            for member in chosen
            if member.id not in held
        )  # fmt: skip
        former = [m for m in members if m.status == "deactivated"]
        session.add_all(
            Assignment(item_id=item.id, member_id=member.id,
                       assigned_at=max(member.added_at, item.added_at),
                       freed_at=member.deactivated_at, freed_because="deactivated")
            for member in former
            if item.kind == "plan" and member.deactivated_at is not None
            and item.added_at < member.deactivated_at
        )  # fmt: skip
    session.flush()
