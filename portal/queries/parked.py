"""Renewals that stand still: what the operator sees, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, func, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.models import Account, BillingPeriod, Product, Subscription

__all__ = ["ParkedRow", "count_parked", "list_parked"]


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A subscription that could not be renewed; `kind` and `message` are the error's."""

    subscription_id: int
    account_id: int
    account_name: str
    product_key: str
    renews_on: date | None
    since: datetime
    error: Mapping[str, Any]

    @property
    def why(self) -> str:
        """The error in one line."""
        words = f"{self.error.get('kind', '')}: {self.error.get('message', '')}"
        return " ".join(words.split())


# Written out, so that both databases see that the partial index holds it.
_PARKED = text("subscription.parked_at IS NOT NULL")
_LIST = (
    select(
        Subscription.id,
        Account.id,
        Account.name,
        Product.key,
        BillingPeriod.ends_on,
        Subscription.parked_at,
        Subscription.parked_error,
    )
    .join(Account, Account.id == Subscription.account_id)
    .join(Product, Product.id == Subscription.product_id)
    .outerjoin(
        BillingPeriod,
        and_(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.is_current),
    )
    .where(_PARKED)
    .order_by(Subscription.parked_at, Subscription.id)
)
_COUNT = select(func.count()).select_from(Subscription).where(_PARKED)


def list_parked(connection: Connection) -> list[ParkedRow]:
    """Every subscription that is parked, the longest first."""
    return [
        ParkedRow(key, account_id, name, product, renews_on, since, error or {})
        for key, account_id, name, product, renews_on, since, error in fetch_all(connection, _LIST)
    ]


def count_parked(connection: Connection) -> int:
    """How many subscriptions are parked."""
    return int(fetch_first(connection, _COUNT)[0])
