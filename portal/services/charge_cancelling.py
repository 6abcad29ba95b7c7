"""Charges that nobody needs any more: ended at the provider, and never made again (M5, M1).

An invoice may be paid by transfer, or credited, while its charge waits: for the provider that was
away, for the customer to confirm it, for the next try. Nothing is called from then on that could
move money; what an earlier call has made is looked up, and cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import and_, or_, select

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.models import Invoice, Payment, PaymentAttempt
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    Gateway,
    GatewayRefused,
    GatewayUnknown,
    Patience,
)
from portal.services.payment_settlement import settle_charge

__all__ = ["cancel_needless", "cancel_payment", "is_needed"]

_IS_OWED = ("open", "pending")
_OVER = frozenset({ChargeStatus.SUCCEEDED, ChargeStatus.PROCESSING, ChargeStatus.CANCELLED})


def is_needed(invoice_status: str | None) -> bool:
    """Whether a payment is still asked for; one of an order or a top-up has no invoice before."""
    return invoice_status is None or invoice_status in _IS_OWED


def cancel_needless(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    request: ChargeRequest,
    charge_ref: str | None,
    *,
    catalogue: Catalogue,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """End an unsettled attempt whose invoice needs no money any more; it is never charged (M5).

    A process may have died behind its call, so that an attempt without a `charge_ref` is looked up
    by its key before it is called cancelled (M1). The provider's answer is the truth: money that
    came meanwhile is settled. False if the provider did not answer.
    """
    with transaction() as session:
        payment_id = session.get_one(PaymentAttempt, attempt_id).payment_id
    try:
        outcome = _ended(gateway, request, charge_ref, payment_id, patience)
    except (GatewayUnknown, GatewayRefused):
        return False
    _settle(transaction, attempt_id, payment_id, outcome, catalogue, now())
    return True


def _ended(
    gateway: Gateway,
    request: ChargeRequest,
    charge_ref: str | None,
    payment_id: int,
    patience: Patience,
) -> ChargeOutcome:
    """What is left of a charge at the provider, after it was cancelled there."""
    if charge_ref is None:
        found = gateway.find_charge(request, patience)
        if found is None:
            return ChargeOutcome(ref="", status=ChargeStatus.CANCELLED, amount=request.amount)
        if found.status in _OVER:
            return found
        charge_ref = found.ref
    return gateway.cancel_charge(charge_ref, _key(payment_id), patience)


def cancel_payment(
    transaction: Transaction,
    gateway: Gateway,
    payment_id: int,
    *,
    catalogue: Catalogue,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Cancel a charge at the provider that was declined, or that waits for an invoice that is paid.

    So nobody collects or confirms it any more. The provider's answer is the truth: money that came
    meanwhile is settled. False if the provider did not answer.
    """
    with transaction() as session:
        row = session.execute(
            select(PaymentAttempt.id, PaymentAttempt.gateway_ref)
            .join(Payment, Payment.id == PaymentAttempt.payment_id)
            .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
            .where(
                Payment.id == payment_id,
                or_(
                    Payment.status == "failed",
                    and_(Payment.status == "unresolved", Invoice.status.not_in(_IS_OWED)),
                ),
                PaymentAttempt.gateway_ref.is_not(None),
            )
            .order_by(PaymentAttempt.number.desc())
        ).first()
    if row is None:
        return True
    attempt_id, charge_ref = row
    try:
        outcome = gateway.cancel_charge(str(charge_ref), _key(payment_id), patience)
    except GatewayUnknown:
        return False
    except GatewayRefused:
        return True  # there is nothing of it to be cancelled; what is unsettled is looked after
    _settle(transaction, attempt_id, payment_id, outcome, catalogue, now())
    return True


def _settle(
    transaction: Transaction,
    attempt_id: int,
    payment_id: int,
    outcome: ChargeOutcome,
    catalogue: Catalogue,
    at: datetime,
) -> None:
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=at)
        if outcome.status is ChargeStatus.CANCELLED:
            payment = session.get_one(Payment, payment_id)
            if payment.status == "failed":
                payment.status = "cancelled"


def _key(payment_id: int) -> str:
    """One for all the tries of a charge: cancelling it is one effect."""
    return f"pi:payment-{payment_id}:cancel"
