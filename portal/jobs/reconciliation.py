"""The nightly job that compares our payments with the provider's records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import reading, transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.reconciliation import reconcile, window_of

__all__ = ["reconcile_payments"]

log = structlog.get_logger(__name__)


@register("reconcile_payments", every=timedelta(days=1))
def reconcile_payments(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Once a day; a day that no worker saw is part of the next one's window."""
    with transaction() as session:
        since = window_of(session, now)
    result = reconcile(
        transaction, reading, parts.gateway, since, catalogue=parts.catalogue, now=lambda: now
    )
    if result.healed or result.reported:
        log.warning("payments_reconciled", healed=result.healed, reported=result.reported)
