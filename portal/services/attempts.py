"""Reserving a payment attempt: stored, with its key, before any call to the provider (M1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from portal.models import Payment, PaymentAttempt, PaymentMethod
from portal.services.outbox import enqueue_job

__all__ = ["GRACE", "reserve_attempt"]

GRACE = timedelta(seconds=20)
"""How long a person's own request has to collect before the worker looks after the attempt."""


def reserve_attempt(
    session: Session,
    *,
    account_id: int,
    method: PaymentMethod,
    amount_minor: int,
    currency: str,
    key: str,
    now: datetime,
    order_id: int | None = None,
    invoice_id: int | None = None,
    after: timedelta = GRACE,
) -> PaymentAttempt:
    """Store payment, attempt and key, and a job that finds out the truth whatever happens next."""
    payment = Payment(
        account_id=account_id,
        order_id=order_id,
        invoice_id=invoice_id,
        kind="automatic",
        amount_minor=amount_minor,
        currency=currency,
        status="unresolved",
        method_id=method.id,
        created_at=now,
    )
    session.add(payment)
    session.flush()
    attempt = PaymentAttempt(
        payment_id=payment.id,
        number=1,
        idempotency_key=key,
        method_id=method.id,
        status="reserved",
        created_at=now,
    )
    session.add(attempt)
    session.flush()
    enqueue_job(
        session,
        "settle_attempt",
        {"attempt_id": attempt.id},
        run_at=now + after,
        now=now,
        dedupe_key=f"settle_attempt:{attempt.id}",
    )
    return attempt
