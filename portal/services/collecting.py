"""Collecting money: the one place that commits twice (rule 4 of the road).

The attempt and its key are stored and committed, then the provider is called with no transaction
open, then the outcome is settled and committed. A crash at any point leaves an attempt that the
worker finishes with the same key (M1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.domain.money import Money
from portal.domain.orders import AttemptStatus
from portal.models import Account, Invoice, Order, Payment, PaymentAttempt, PaymentMethod
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    Gateway,
    GatewayRefused,
    GatewayUnknown,
    Patience,
)
from portal.services.payment_settlement import mark_unknown, settle_charge

__all__ = [
    "abandon_attempt", "collect_attempt", "list_unsettled", "refresh_attempt",
]  # fmt: skip


KEY_IN_USE = "idempotency_mismatch"
"""The port's refusal of a key that was used for another request."""


@dataclass(frozen=True, slots=True)
class _Stored:
    status: str
    gateway_ref: str | None
    request: ChargeRequest


def collect_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Make the stored call (again: the key makes it one effect) and settle it; False if unknown."""
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if stored.status not in (AttemptStatus.RESERVED, AttemptStatus.UNKNOWN):
        return True
    try:
        outcome = gateway.charge(stored.request, patience)
    except GatewayUnknown:
        with transaction() as session:
            mark_unknown(session, attempt_id, now())
        return False
    except GatewayRefused as refusal:
        if refusal.code == KEY_IN_USE:
            # An earlier call with this key did reach the provider: what became of it is not known.
            with transaction() as session:
                mark_unknown(session, attempt_id, now())
            return False
        outcome = ChargeOutcome(
            ref=stored.gateway_ref or "", status=ChargeStatus.DECLINED,
            amount=stored.request.amount, decline_code=refusal.code,
        )  # fmt: skip
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    return True


def refresh_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Find out the truth of an attempt, whatever state it was left in; False if still unknown."""
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if stored.gateway_ref is None:
        return collect_attempt(
            transaction, gateway, attempt_id, catalogue=catalogue, public_url=public_url,
            patience=patience, now=now,
        )  # fmt: skip
    try:
        outcome = gateway.get_charge(stored.gateway_ref, patience)
    except (GatewayUnknown, GatewayRefused):
        return False
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    return True


def abandon_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """The customer gives an unresolved payment up: cancelled at the provider first (Q1).

    The provider's answer is the truth: a charge that succeeded meanwhile is granted. False if the
    provider did not answer.
    """
    known = refresh_attempt(
        transaction, gateway, attempt_id, catalogue=catalogue, public_url=public_url,
        patience=patience, now=now,
    )  # fmt: skip
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if stored.status != AttemptStatus.REQUIRES_ACTION:
        return known
    assert stored.gateway_ref is not None
    try:
        outcome = gateway.cancel_charge(
            stored.gateway_ref, f"{stored.request.key}:cancel", patience
        )
    except (GatewayUnknown, GatewayRefused):
        return False
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    return True


def list_unsettled(
    session: Session, *, before: datetime, after: int, limit: int = 200
) -> list[tuple[int, bool, datetime]]:
    """Attempts of before `before`, with ids above `after`, that are not settled yet.

    Each with whether the customer has to confirm it with the bank, and when it began.
    """
    rows = session.execute(
        select(PaymentAttempt.id, PaymentAttempt.status, PaymentAttempt.created_at)
        .where(
            PaymentAttempt.settled_at.is_(None),
            PaymentAttempt.created_at < before,
            PaymentAttempt.id > after,
        )
        .order_by(PaymentAttempt.id)
        .limit(limit)
    )
    return [(row[0], row[1] == AttemptStatus.REQUIRES_ACTION, row[2]) for row in rows]


def _stored(session: Session, attempt_id: int, public_url: str) -> _Stored:
    row = session.execute(
        select(PaymentAttempt, Payment, PaymentMethod, Account, Order, Invoice.number)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .join(PaymentMethod, PaymentMethod.id == PaymentAttempt.method_id)
        .join(Account, Account.id == Payment.account_id)
        .outerjoin(Order, Order.id == Payment.order_id)
        .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
        .where(PaymentAttempt.id == attempt_id)
    ).one()
    attempt, payment, method, account, order, invoice_number = row
    return _Stored(
        status=attempt.status,
        gateway_ref=attempt.gateway_ref,
        request=ChargeRequest(
            key=attempt.idempotency_key,
            customer_ref=account.gateway_customer or "",
            method_ref=method.gateway_ref,
            amount=Money(payment.amount_minor, payment.currency),
            description=order.number if order is not None else invoice_number or "",
            reference=f"payment:{payment.id}",
            off_session=order is None,
            return_url=f"{public_url}/orders/{order.id}/return" if order is not None else "",
        ),
    )
