"""What the bank has taken of a payment, as it is stored here (M4)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.disputes import Dispute, DisputeState, money_taken
from portal.domain.money import Money
from portal.models import Payment, PaymentDispute

__all__ = ["disputes_of", "taken_from"]


def disputes_of(session: Session, payment_id: int) -> list[Dispute]:
    """The disputes of a payment as they stand here."""
    session.flush()
    rows = session.execute(
        select(PaymentDispute.state, PaymentDispute.amount_minor, PaymentDispute.currency)
        .where(PaymentDispute.payment_id == payment_id)
        .order_by(PaymentDispute.id)
    )
    return [Dispute(DisputeState(state), Money(minor, unit)) for state, minor, unit in rows]


def taken_from(session: Session, payment: Payment) -> int:
    """What the bank has taken of a payment, minor units: a debit that was taken back is gone whole."""
    disputes = disputes_of(session, payment.id)
    if payment.status == "reversed" and not disputes:
        return payment.amount_minor
    return money_taken(disputes, Money(payment.amount_minor, payment.currency)).minor
