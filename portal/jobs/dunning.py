"""The jobs that go after owed invoices: retries, mails, suspension, by the account's days (M5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import is_database_away, reading, transaction
from portal.jobs.collection import StillUnknown
from portal.jobs.registry import register
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.services.charge_cancelling import cancel_payment
from portal.services.dunning_rounds import (
    Attention,
    attend,
    list_due_cases,
    list_overdue_invoices,
)
from portal.services.outbox import open_desk_task

__all__ = ["cancel_charge", "run_dunning"]

BATCH = 100
log = structlog.get_logger(__name__)


@register("dunning", every=timedelta(minutes=15))
def run_dunning(
    parts: Parts, payload: Mapping[str, Any], now: datetime, *, batch: int = BATCH
) -> None:
    """Open the cases of what is overdue, and do each open case's next step; a commit a batch."""
    for look_up in (list_overdue_invoices, list_due_cases):
        _walk(parts, look_up, now, batch)


@register("cancel_charge")
def cancel_charge(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """An invoice was paid elsewhere or credited: the provider must not collect it as well."""
    known = cancel_payment(
        transaction, parts.gateway, int(payload["payment_id"]), catalogue=parts.catalogue,
        patience=Patience.BACKGROUND, now=lambda: now,
    )  # fmt: skip
    if not known:
        raise StillUnknown(f"charge of payment {payload['payment_id']}")


def _walk(parts: Parts, look_up: Callable[..., list[Attention]], now: datetime, batch: int) -> None:
    after = 0
    while True:
        with reading() as connection:
            found = look_up(connection, now=now, after=after, limit=batch)
        if not found:
            return
        _attend(parts, found, now)
        after = found[-1].place


def _attend(parts: Parts, batch: Sequence[Attention], now: datetime) -> None:
    try:
        with transaction() as session:
            attend(session, batch, catalogue=parts.catalogue, now=now)
    except Exception as error:
        if is_database_away(error):
            raise
        if len(batch) > 1:  # only the one at fault is put aside
            for one in batch:
                _attend(parts, [one], now)
            return
        log.exception("dunning_stuck", invoice=batch[0].invoice_id)
        with transaction() as session:
            open_desk_task(session, "dunning_stuck", account_id=batch[0].account_id, now=now,
                           dedupe_key=f"dunning_stuck:{batch[0].invoice_id}",
                           details={"invoice_id": batch[0].invoice_id,
                                    "error": type(error).__name__})  # fmt: skip
