"""Reserving a payment attempt: stored, with its key, before any call to the provider (M1)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.models import Payment, PaymentAttempt, PaymentMethod
from portal.services.outbox import enqueue_job

__all__ = ["GRACE", "reserve_attempt", "reserve_retry"]

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
    top_up_id: int | None = None,
    after: timedelta = GRACE,
    on_session: bool = False,
) -> PaymentAttempt:
    """Store payment, attempt and key, and a job that finds out the truth whatever happens next.

    An order is always paid on session: somebody waits for it.
    """
    payment = Payment(
        account_id=account_id,
        order_id=order_id,
        invoice_id=invoice_id,
        top_up_id=top_up_id,
        kind="automatic",
        amount_minor=amount_minor,
        currency=currency,
        status="unresolved",
        method_id=method.id,
        created_at=now,
    )
    session.add(payment)
    session.flush()
    return _reserve(
        session, payment, 1, None, key, on_session=on_session or order_id is not None, now=now,
        after=after,
    )  # fmt: skip


def reserve_retry(
    session: Session,
    payment: Payment,
    *,
    method: PaymentMethod,
    charge_ref: str,
    key: str,
    on_session: bool,
    now: datetime,
    after: timedelta,
) -> PaymentAttempt:
    """Store the next try of a charge that was declined: the same payment and charge, a new key."""
    numbers = select(func.max(PaymentAttempt.number)).where(PaymentAttempt.payment_id == payment.id)
    number = (session.scalar(numbers) or 0) + 1
    payment.status, payment.settled_at, payment.method_id = "unresolved", None, method.id
    return _reserve(
        session, payment, number, charge_ref, key, on_session=on_session, now=now, after=after
    )


def _reserve(
    session: Session,
    payment: Payment,
    number: int,
    charge_ref: str | None,
    key: str,
    *,
    on_session: bool,
    now: datetime,
    after: timedelta,
) -> PaymentAttempt:
    assert payment.method_id is not None
    attempt = PaymentAttempt(
        payment_id=payment.id,
        number=number,
        idempotency_key=key,
        method_id=payment.method_id,
        gateway_ref=charge_ref,
        status="reserved",
        on_session=on_session,
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
