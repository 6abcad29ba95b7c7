"""Forgetting, at the provider, a method that was refused or replaced (M3)."""

from __future__ import annotations

from sqlalchemy import exists, select

from portal.db import Transaction
from portal.models import PaymentAttempt, PaymentMethod
from portal.payments.gateway import Gateway, Patience

__all__ = ["detach_method"]

_UNRESOLVED = ("reserved", "unknown", "requires_action", "processing")


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
