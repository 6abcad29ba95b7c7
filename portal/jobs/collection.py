"""The jobs that finish what a request began with the payment provider (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.services import method_detaching, method_refreshing
from portal.services.collecting import abandon_attempt, list_unsettled, refresh_attempt
from portal.services.outbox import enqueue_job, open_desk_task

__all__ = ["StillUnknown", "detach_method", "look_after_payments", "refresh_method",
           "settle_attempt"]  # fmt: skip

# Time to confirm with the bank; after it the payment is given up and the products are free again.
CONFIRM_WITHIN = timedelta(hours=24)
DETACH_AGAIN_AFTER = timedelta(hours=12)
log = structlog.get_logger(__name__)


class StillUnknown(Exception):
    """The provider cannot tell yet; the job is tried again, with the same key."""


@register("settle_attempt")
def settle_attempt(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Find out what became of a payment attempt, whatever its request left behind."""
    known = refresh_attempt(
        transaction,
        parts.gateway,
        int(payload["attempt_id"]),
        catalogue=parts.catalogue,
        public_url=parts.settings.public_url,
        patience=Patience.BACKGROUND,
        now=lambda: now,
    )
    if not known:
        raise StillUnknown(f"attempt {payload['attempt_id']}")


@register("detach_method")
def detach_method(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Let the provider forget a method that was removed here; one that is gone is no error."""
    method_ref = str(payload["method_ref"])
    if not method_detaching.detach_method(transaction, parts.gateway, method_ref):
        # A debit runs for up to 14 business days: no failure, the job simply comes back later.
        with transaction() as session:
            enqueue_job(session, "detach_method", {"method_ref": method_ref},
                        run_at=now + DETACH_AGAIN_AFTER, now=now)  # fmt: skip


@register("refresh_method")
def refresh_method(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Read a method again from the provider: news of it may have come before it was known (M2)."""
    method_refreshing.refresh_method(
        transaction, parts.gateway, str(payload["method_ref"]), patience=Patience.BACKGROUND,
        now=now,
    )  # fmt: skip


@register("look_after_payments", every=timedelta(minutes=30))
def look_after_payments(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Ask about every attempt that is not settled: a webhook may have been lost (M1, M2).

    A payment that nobody confirmed with the bank in time is given up, so that it does not hold
    its products for ever (Q1). One that fails is put before the desk and the others go on.
    """
    after = 0
    while True:
        with transaction() as session:
            batch = list_unsettled(session, before=now - timedelta(minutes=10), after=after)
        if not batch:
            return
        for attempt_id, needs_action, created_at in batch:
            late = needs_action and created_at < now - CONFIRM_WITHIN
            _look_after(parts, attempt_id, late, now)
        after = batch[-1][0]


def _look_after(parts: Parts, attempt_id: int, late: bool, now: datetime) -> None:
    settle = abandon_attempt if late else refresh_attempt
    try:
        settle(
            transaction,
            parts.gateway,
            attempt_id,
            catalogue=parts.catalogue,
            public_url=parts.settings.public_url,
            patience=Patience.BACKGROUND,
            now=lambda: now,
        )
    except Exception as error:  # whatever is wrong with one must not keep the others waiting
        log.exception("payment_stuck", attempt=attempt_id)
        with transaction() as session:
            open_desk_task(session, "payment_stuck", dedupe_key=f"payment_stuck:{attempt_id}",
                           details={"attempt_id": attempt_id, "error": type(error).__name__},
                           now=now)  # fmt: skip
