"""The jobs that finish what a request began with the payment provider (M1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.services import method_detaching
from portal.services.collecting import refresh_attempt

__all__ = ["StillUnknown", "detach_method", "settle_attempt"]


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
    if not method_detaching.detach_method(transaction, parts.gateway, str(payload["method_ref"])):
        raise StillUnknown("an unresolved payment still needs the method")
