"""What a cancellation would take away, beyond what the subscription's own state tells."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, distinct, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_first
from portal.models import Assignment, BillingPeriod, Invoice, Subscription, SubscriptionItem

__all__ = ["Affected", "get_affected"]


@dataclass(frozen=True, slots=True)
class Affected:
    """How many people hold a licence of any item; the number of the renewal's invoice, if it was
    issued ahead (I3)."""

    people: int
    invoiced_ahead: str | None


_PEOPLE = (
    select(func.count(distinct(Assignment.member_id)))
    .join(SubscriptionItem, SubscriptionItem.id == Assignment.item_id)
    .where(SubscriptionItem.subscription_id == Subscription.id, Assignment.freed_at.is_(None))
    .correlate(Subscription)
    .scalar_subquery()
)
_AHEAD = (
    select(func.max(Invoice.number))
    .join(BillingPeriod, BillingPeriod.renewal_invoice_id == Invoice.id)
    .where(
        BillingPeriod.subscription_id == Subscription.id,
        ~BillingPeriod.is_current,
        BillingPeriod.closed_at.is_(None),
    )
    .correlate(Subscription)
    .scalar_subquery()
)
_AFFECTED = select(_PEOPLE, _AHEAD).where(
    Subscription.id == bindparam("subscription_id"),
    Subscription.account_id == bindparam("account_id"),
)


def get_affected(connection: Connection, account_id: int, subscription_id: int) -> Affected:
    """Of a subscription that the account has."""
    row = fetch_first(connection, _AFFECTED, account_id=account_id, subscription_id=subscription_id)
    return Affected(*row)
