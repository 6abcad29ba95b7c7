"""The periodic jobs that keep quotes, orders and sign-ins in order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.jobs.registry import register_transactional
from portal.parts import Parts
from portal.services.provisioning import report_overdue_orders
from portal.services.purging import purge_finished
from portal.services.quoting import expire_quotes

__all__ = ["expire_old_quotes", "purge", "watch_overdue_orders"]

_BATCH = 500


@register_transactional("expire_quotes", every=timedelta(minutes=10))
def expire_old_quotes(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """End the quotes whose last local day has passed."""
    while expire_quotes(session, now=now, limit=_BATCH) == _BATCH:
        pass


@register_transactional("overdue_orders", every=timedelta(minutes=10))
def watch_overdue_orders(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """Put orders that took too long before the desk (Q6)."""
    hours = parts.catalogue.policy.order_processing_hours
    report_overdue_orders(session, processing_hours=hours, now=now)


@register_transactional("purge", every=timedelta(days=1))
def purge(session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Forget sign-in links, sessions, finished jobs and events that nobody needs any more."""
    purge_finished(session, event_days=parts.catalogue.policy.payment_event_days, now=now)
