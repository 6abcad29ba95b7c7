"""Renewals that no saved method reaches, for many customers at once: expired, or none is saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import (
    WAITING_CHANGE,
    Account,
    BillingPeriod,
    PaymentMethod,
    Price,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)

__all__ = ["ExpiringCard", "list_expiring_cards"]


@dataclass(frozen=True, slots=True)
class ExpiringCard:
    """A renewal on `renews_on` and the card that it would be charged to; `method_id` None: none."""

    period_id: int
    renews_on: date
    account_id: int
    account_name: str
    time_zone: str
    method_id: int | None
    brand: str | None
    last4: str | None
    expires_year: int | None
    expires_month: int | None


_ENDS = (
    select(ScheduledChange.id)
    .where(
        ScheduledChange.subscription_id == Subscription.id,
        WAITING_CHANGE,
        ScheduledChange.kind == "cancel",
        ScheduledChange.effective_on <= BillingPeriod.ends_on,
    )
    .exists()
)
_COSTS = (
    select(SubscriptionItem.id)
    .join(Price, Price.id == SubscriptionItem.price_id)
    .where(
        SubscriptionItem.subscription_id == Subscription.id,
        SubscriptionItem.removed_at.is_(None),
        SubscriptionItem.quantity > 0,
        Price.unit_minor > 0,
    )
    .exists()
)
_CARDS: Any = (
    select(
        BillingPeriod.id,
        BillingPeriod.ends_on,
        Account.id,
        Account.name,
        Account.time_zone,
        PaymentMethod.id,
        PaymentMethod.brand,
        PaymentMethod.last4,
        PaymentMethod.expires_year,
        PaymentMethod.expires_month,
    )
    .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
    .join(Account, Account.id == Subscription.account_id)
    .outerjoin(
        PaymentMethod,
        (PaymentMethod.account_id == Account.id)
        & PaymentMethod.is_default
        & PaymentMethod.removed_at.is_(None),
    )
    .where(
        BillingPeriod.is_current,
        BillingPeriod.ends_on >= bindparam("first"),
        BillingPeriod.ends_on <= bindparam("last"),
        Subscription.status == "active",
        Account.payment_terms == "automatic",
        # The exact month is each renewal's; this leaves out all the cards that are good for long.
        or_(
            PaymentMethod.id.is_(None),
            PaymentMethod.expires_year * 12 + PaymentMethod.expires_month < bindparam("last_month"),
        ),
        _COSTS,
        ~_ENDS,
        or_(
            BillingPeriod.ends_on > bindparam("after_day"),
            and_(
                BillingPeriod.ends_on == bindparam("after_day"),
                BillingPeriod.id > bindparam("after_id"),
            ),
        ),
    )
    .order_by(BillingPeriod.ends_on, BillingPeriod.id)
    .limit(bindparam("limit"))
)


def list_expiring_cards(
    connection: Connection, *, first: date, last: date, after: tuple[date, int], limit: int
) -> list[ExpiringCard]:
    """Renewals from `first` to `last`, beyond (day, id) `after`, whose card may not reach `last`."""
    rows = fetch_all(
        connection,
        _CARDS,
        first=first,
        last=last,
        last_month=last.year * 12 + last.month,
        after_day=after[0],
        after_id=after[1],
        limit=limit,
    )
    return [ExpiringCard(*row) for row in rows]
