"""The jobs that give money back, and look after what has not arrived yet (M6, M1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.services import refunding
from portal.services.outbox import open_desk_task

__all__ = ["RefundUnknown", "look_after_refunds", "make_refund"]

log = structlog.get_logger(__name__)


class RefundUnknown(Exception):
    """The provider cannot tell yet; the job is tried again, with the same key."""


@register("make_refund")
def make_refund(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Give back what a credit note stored, or find out what became of it."""
    if not _make(parts, int(payload["refund_id"]), now):
        raise RefundUnknown(f"refund {payload['refund_id']}")


@register("look_after_refunds", every=timedelta(minutes=30))
def look_after_refunds(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Ask about every refund that has not arrived: a webhook may have been lost (M1, M2).

    One that fails is put before the desk and the others go on.
    """
    after = 0
    while True:
        with transaction() as session:
            batch = refunding.list_unsettled_refunds(
                session, before=now - timedelta(minutes=10), after=after
            )
        if not batch:
            return
        for refund_id in batch:
            _look_after(parts, refund_id, now)
        after = batch[-1]


def _make(parts: Parts, refund_id: int, now: datetime) -> bool:
    return refunding.make_refund(
        transaction, parts.gateway, refund_id, patience=Patience.BACKGROUND, now=lambda: now
    )


def _look_after(parts: Parts, refund_id: int, now: datetime) -> None:
    try:
        _make(parts, refund_id, now)
    except Exception as error:  # whatever is wrong with one must not keep the others waiting
        log.exception("refund_stuck", refund=refund_id)
        with transaction() as session:
            open_desk_task(session, "refund_stuck", dedupe_key=f"refund_stuck:{refund_id}",
                           details={"refund_id": refund_id, "error": type(error).__name__},
                           now=now)  # fmt: skip
