"""Forgetting a method that was refused, replaced or removed: here at once, there by a job (M3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.models import PaymentAttempt, PaymentMethod
from portal.payments.gateway import Gateway, Patience
from portal.services.outbox import enqueue_job

__all__ = ["detach_later", "detach_method", "retire_method", "shown_of"]

_UNRESOLVED = ("reserved", "unknown", "requires_action", "processing")


def retire_method(session: Session, method: PaymentMethod, now: datetime) -> None:
    """Take a method out of use; nothing new is charged with it from here on."""
    method.is_default = False
    method.removed_at = now
    detach_later(session, method.gateway_ref, now)
    session.flush()  # the database lets only one default stand


def detach_later(session: Session, method_ref: str, now: datetime) -> None:
    """Write the job `detach_method`: the method may still be collecting an order, so it waits."""
    enqueue_job(
        session,
        "detach_method",
        {"method_ref": method_ref},
        run_at=now,
        now=now,
        dedupe_key=f"detach_method:{method_ref}",
    )


def shown_of(method: PaymentMethod) -> Mapping[str, object]:
    """What an audit event tells of a method."""
    return {"kind": method.kind, "brand": method.brand, "last4": method.last4}


def detach_method(transaction: Transaction, gateway: Gateway, method_ref: str) -> bool:
    """Detach a method that no unresolved attempt uses; False: it is still needed, ask again later.

    The work of the job `detach_method`. Raises GatewayUnknown, GatewayRefused.
    """
    with transaction() as session:
        method = session.scalars(
            select(PaymentMethod).where(PaymentMethod.gateway_ref == method_ref)
        ).one_or_none()
        if method is not None and method.removed_at is None:
            return True  # it came into use again: nothing to do
        if method is not None and session.scalar(
            select(
                exists().where(
                    PaymentAttempt.method_id == method.id, PaymentAttempt.status.in_(_UNRESOLVED)
                )
            )
        ):
            return False
    gateway.detach_method(method_ref, Patience.BACKGROUND)
    return True
