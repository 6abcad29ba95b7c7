"""Which periods were invoiced before they began: those of bank-transfer customers (I3)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import BillingPeriod, Subscription

__all__ = ["list_invoiced_ahead"]

_AHEAD = (
    select(BillingPeriod.subscription_id, BillingPeriod.starts_on)
    .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        ~BillingPeriod.is_current,
        BillingPeriod.closed_at.is_(None),
    )
    .order_by(BillingPeriod.subscription_id)
)


def list_invoiced_ahead(connection: Connection, account_id: int) -> dict[int, date]:
    """The first day of the coming period by subscription, where it was written ahead already."""
    return {row[0]: row[1] for row in fetch_all(connection, _AHEAD, account_id=account_id)}
