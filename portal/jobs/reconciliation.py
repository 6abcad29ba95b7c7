"""The jobs that compare our payments with the provider's records: nightly, and weekly further back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import reading, transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.reconciliation import REVERSIBLE, reconcile, window_of

__all__ = ["reconcile_payments", "reconcile_reversible"]

log = structlog.get_logger(__name__)


@register("reconcile_payments", every=timedelta(days=1))
def reconcile_payments(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Once a day; a day that no worker saw is part of the next one's window."""
    with transaction() as session:
        since = window_of(session, now)
    _reconcile(parts, since, now)


@register("reconcile_reversible", every=timedelta(days=7))
def reconcile_reversible(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Once a week: all charges that may still be taken back, where news of it was lost (M4)."""
    _reconcile(parts, now - REVERSIBLE, now)


def _reconcile(parts: Parts, since: datetime, now: datetime) -> None:
    result = reconcile(
        transaction, reading, parts.gateway, since, catalogue=parts.catalogue, now=lambda: now
    )
    if result.healed or result.reported:
        log.warning("payments_reconciled", healed=result.healed, reported=result.reported)
