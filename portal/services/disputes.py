"""Disputes of payments: what the provider says of them is taken over, whenever it is heard (M4, M2).

Their webhooks are the quick way; what was lost of them is found in the provider's list, and those
that are not decided yet are read again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.db import Transaction, is_database_away
from portal.domain.catalogue import Catalogue
from portal.domain.disputes import DisputeState, is_money_gone, next_dispute_state
from portal.domain.money import Money
from portal.models import Account, Payment, PaymentAttempt, PaymentDispute
from portal.payments.gateway import (
    SETTINGS_REFUSALS,
    DisputeOutcome,
    Gateway,
    GatewayRefused,
    Patience,
)
from portal.services.dispute_rows import disputes_of
from portal.services.locks import lock_account
from portal.services.outbox import open_desk_task
from portal.services.reversals import reinstate_payment, reverse_payment

__all__ = ["look_after_disputes", "read_disputes_of", "settle_dispute"]

_LONGEST_REASON = 60
_ENDED = (DisputeState.LOST, DisputeState.WON)
log = structlog.get_logger(__name__)


def settle_dispute(
    session: Session, outcome: DisputeOutcome, *, catalogue: Catalogue, now: datetime
) -> bool:
    """Apply the provider's word on a dispute; the same or older news change nothing.

    False for one that is not about a payment of ours. A dispute that has taken the money reverses
    the payment; one that was won undoes that. The desk hears of it either way: it has a time limit
    to answer.
    """
    payment_id = session.scalars(
        select(PaymentAttempt.payment_id)
        .where(PaymentAttempt.gateway_ref == outcome.charge_ref)
        .limit(1)
    ).first()
    if payment_id is None:
        return False
    account = lock_account(session, session.get_one(Payment, payment_id).account_id)
    payment = session.get_one(Payment, payment_id)
    session.refresh(payment)
    _note(session, payment, outcome, now)
    _apply(session, account, payment, catalogue, now)
    session.flush()
    return True


def look_after_disputes(
    transaction: Transaction,
    gateway: Gateway,
    since: datetime,
    *,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> None:
    """Take over what the provider says of the disputes opened since then, and of those undecided.

    One that goes wrong is put before the desk and the others go on. GatewayUnknown where the
    provider's list cannot be read.
    """
    if gateway.name == "none":
        return
    heard = set()
    for outcome in gateway.list_disputes(since, now()):
        heard.add(outcome.ref)
        _take(transaction, outcome, catalogue, now())
    # Written out, so that both databases see that the partial index holds it.
    undecided = text("payment_dispute.settled_at IS NULL")
    with transaction() as session:
        waiting = session.scalars(
            select(PaymentDispute.gateway_ref).where(undecided).order_by(PaymentDispute.id)
        ).all()
    for ref in waiting:
        if ref not in heard:
            _read(transaction, gateway, ref, catalogue, now)


def read_disputes_of(
    transaction: Transaction,
    gateway: Gateway,
    payment_id: int,
    *,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> None:
    """Read all disputes of a payment again, also those that were decided. Raises GatewayUnknown."""
    with transaction() as session:
        refs = session.scalars(
            select(PaymentDispute.gateway_ref)
            .where(PaymentDispute.payment_id == payment_id)
            .order_by(PaymentDispute.id)
        ).all()
    for ref in refs:
        _read(transaction, gateway, ref, catalogue, now)


def _read(
    transaction: Transaction,
    gateway: Gateway,
    ref: str,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> None:
    try:
        outcome = gateway.get_dispute(ref, Patience.BACKGROUND)
    except GatewayRefused as refused:
        if refused.code in SETTINGS_REFUSALS:
            raise
        return  # the provider does not know it any more: it stays as it is
    _take(transaction, outcome, catalogue, now())


def _take(
    transaction: Transaction, outcome: DisputeOutcome, catalogue: Catalogue, now: datetime
) -> None:
    try:
        with transaction() as session:
            settle_dispute(session, outcome, catalogue=catalogue, now=now)
    except Exception as error:  # whatever is wrong with one must not keep the others waiting
        if is_database_away(error):
            raise
        log.exception("dispute_stuck", dispute=outcome.ref)
        with transaction() as session:
            open_desk_task(session, "dispute_stuck", dedupe_key=f"dispute_stuck:{outcome.ref}",
                           details={"ref": outcome.ref, "error": type(error).__name__},
                           now=now)  # fmt: skip


def _note(session: Session, payment: Payment, outcome: DisputeOutcome, now: datetime) -> None:
    known = session.scalars(
        select(PaymentDispute)
        .where(PaymentDispute.gateway_ref == outcome.ref)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    state = next_dispute_state(known.state if known is not None else None, outcome.state.value)
    if state is None:
        return
    if known is None:
        known = PaymentDispute(
            payment_id=payment.id,
            gateway_ref=outcome.ref,
            amount_minor=outcome.amount.minor,
            currency=outcome.amount.currency,
            reason=outcome.reason[:_LONGEST_REASON],
            created_at=now,
        )
        session.add(known)
        open_desk_task(session, "payment_disputed", account_id=payment.account_id, now=now,
                       dedupe_key=f"payment_disputed:{outcome.ref}",
                       details={"payment_id": payment.id, "dispute": outcome.ref,
                                "reason": known.reason, "amount_minor": outcome.amount.minor,
                                "currency": outcome.amount.currency})  # fmt: skip
    known.state = state.value
    known.settled_at = now if state in _ENDED else None
    session.flush()


def _apply(
    session: Session, account: Account, payment: Payment, catalogue: Catalogue, now: datetime
) -> None:
    charged = Money(payment.amount_minor, payment.currency)
    refunded = Money(payment.refunded_minor, payment.currency)
    disputes = disputes_of(session, payment.id)
    if is_money_gone(disputes, charged, refunded):
        if payment.status == "succeeded":
            reverse_payment(session, account, payment, catalogue=catalogue, now=now)
    elif any(each.state is DisputeState.WON for each in disputes):
        reinstate_payment(session, account, payment, catalogue=catalogue, now=now)
