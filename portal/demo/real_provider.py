"""The demo with Stripe's test mode: its customers' methods are the demo provider's, not Stripe's."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.models import Account, PaymentMethod

__all__ = ["leave_demo_provider"]

_DEMO = "demo_%"


def leave_demo_provider(session: Session, now: datetime) -> None:
    """Take away what only the demo provider knows: customers save a method of their own."""
    session.execute(
        update(Account).where(Account.gateway_customer.like(_DEMO)).values(gateway_customer=None)
    )
    session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.gateway_ref.like(_DEMO), PaymentMethod.removed_at.is_(None))
        .values(is_default=False, removed_at=now)
    )
