"""Trials for tests: the demo's, which works to 4 November 2026 in London, and days of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Assignment, AuditEvent, OutboxMessage, Subscription, SubscriptionItem
from tests.conftest import NOW
from tests.support.buying import BRIGHTWATER, account_named

__all__ = ["LAST_DAY", "SANNE", "events_of", "held_by", "local", "mails_of", "trial_row"]

LAST_DAY = date(2026, 11, 4)
SANNE = "sanne.dijkstra@de-ketting.example"  # a trial that is over, and can only be read


def local(on: date, at: time = time(12), zone: str = "Europe/London") -> datetime:
    """A wall-clock moment of the demo's trial customer as an instant."""
    return datetime.combine(on, at, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def trial_row(books: Session, account: str = BRIGHTWATER) -> Subscription:
    """The customer's only subscription, as it is stored now."""
    books.rollback()
    books.expire_all()
    row = account_named(books, account)
    return books.scalars(select(Subscription).where(Subscription.account_id == row.id)).one()


def mails_of(books: Session, topic: str, account: str = BRIGHTWATER) -> list[OutboxMessage]:
    """The mails of a topic to a customer since the test began, in the order they were written."""
    books.rollback()
    query = select(OutboxMessage).where(
        OutboxMessage.topic == topic,
        OutboxMessage.account_id == account_named(books, account).id,
        OutboxMessage.created_at >= NOW,
    )
    return list(books.scalars(query.order_by(OutboxMessage.id)))


def events_of(books: Session, account: str = BRIGHTWATER) -> list[str]:
    """What the activity page tells of a customer's trial, the earliest first."""
    books.rollback()
    query = (
        select(AuditEvent.action)
        .where(
            AuditEvent.account_id == account_named(books, account).id,
            AuditEvent.action.like("trial_%"),
        )
        .order_by(AuditEvent.id)
    )
    return list(books.scalars(query))


def held_by(books: Session, subscription_id: int) -> int:
    """How many licences of the subscription are in use."""
    books.rollback()
    query = (
        select(Assignment.id)
        .join(SubscriptionItem, SubscriptionItem.id == Assignment.item_id)
        .where(
            SubscriptionItem.subscription_id == subscription_id, Assignment.freed_at.is_(None)
        )
    )  # fmt: skip
    return len(books.scalars(query).all())
