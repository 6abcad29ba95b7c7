"""Cancelling for tests, through the service as the page does it."""

from __future__ import annotations

from datetime import date

from portal.clock import clock
from portal.db import transaction
from portal.parts import Parts
from portal.services.cancelling import cancel_subscription
from tests.support.buying import ATELIER, LOTTE, account_named, actor_of, plan_item

__all__ = ["RENEWAL", "cancelled"]

RENEWAL = date(2026, 11, 30)  # of Atelier Noordzee, which pays by card


def cancelled(
    parts: Parts,
    account: str = ATELIER,
    email: str = LOTTE,
    *,
    on: date = RENEWAL,
    product: str = "crm",
    **more: str,
) -> int:
    """Cancelled as on the page that showed `on` as the first day without access; the change's id."""
    with transaction() as session:
        item = plan_item(session, account, product)
        change = cancel_subscription(
            session,
            account_named(session, account).id,
            item.subscription_id,
            shown_on=on,
            catalogue=parts.catalogue,
            actor=actor_of(session, email),
            now=clock.now(),
            **more,
        )
        return int(change.id)
