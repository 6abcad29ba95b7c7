"""People of the demo's customers for tests: who is who, and what their licences are."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Assignment, AuditEvent, Member, OutboxMessage, SubscriptionItem
from tests.support.buying import ATELIER, account_named, member_of, plan_item

__all__ = [
    "actions",
    "deactivate_all_but",
    "fill_up",
    "free_seats",
    "held_items",
    "mails",
    "member_id",
    "token_in",
]


def member_id(session: Session, email: str, account: str = ATELIER) -> int:
    """The id of a person's membership."""
    return int(member_of(session, account, email).id)


def held_items(session: Session, member: int) -> list[int]:
    """The items of which a member holds a licence now."""
    query = select(Assignment.item_id).where(
        Assignment.member_id == member, Assignment.freed_at.is_(None)
    )
    return list(session.scalars(query.order_by(Assignment.item_id)))


def free_seats(session: Session, account: str = ATELIER) -> int:
    """How many licences of the account's first plan nobody holds."""
    item = plan_item(session, account)
    held = session.scalars(
        select(Assignment.id).where(Assignment.item_id == item.id, Assignment.freed_at.is_(None))
    )
    return item.quantity - len(list(held))


def fill_up(session: Session, account: str = ATELIER, left: int = 0) -> SubscriptionItem:
    """Leave `left` licences of the account's plan free, as if fewer had been bought."""
    item = plan_item(session, account)
    item.quantity -= free_seats(session, account) - left
    session.flush()
    return item


def mails(session: Session, topic: str) -> list[OutboxMessage]:
    """The mails of a topic that were written, in order."""
    query = select(OutboxMessage).where(OutboxMessage.topic == topic).order_by(OutboxMessage.id)
    return list(session.scalars(query))


def token_in(message: OutboxMessage) -> str:
    """The token of the link in a request for consent."""
    found = re.search(r"/consents/([\w-]+)$", message.payload["link"])
    assert found is not None, message.payload
    return found[1]


def actions(session: Session, account: str = ATELIER, last: int = 10) -> list[str]:
    """What was recorded last in an account, the latest last."""
    query = (
        select(AuditEvent.action)
        .where(AuditEvent.account_id == account_named(session, account).id)
        .order_by(AuditEvent.id.desc())
        .limit(last)
    )
    return list(session.scalars(query))[::-1]


def deactivate_all_but(session: Session, account: str, email: str) -> None:
    """Leave one active admin."""
    keep = member_of(session, account, email).id
    for member in session.scalars(
        select(Member).where(
            Member.account_id == account_named(session, account).id, Member.role == "admin"
        )
    ):
        if member.id != keep:
            member.status = "deactivated"
    session.flush()
