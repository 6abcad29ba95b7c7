"""Giving money back for a credit note: to the original method, else to the account's balance (M6).

As with collecting: the refund and its key are stored and committed with the credit note, then a
job calls the provider with no transaction open, then the outcome is settled and committed. A crash
at any point leaves a row that the worker finishes with the same key (M1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.money import Money
from portal.domain.refunds import (
    PaidPart,
    RefundPlan,
    RefundState,
    next_refund_state,
    plan_refunds,
)
from portal.models import (
    Account,
    AccountBalance,
    CreditNote,
    Invoice,
    Payment,
    PaymentAttempt,
    Refund,
)
from portal.payments.gateway import (
    SETTINGS_REFUSALS,
    Gateway,
    GatewayRefused,
    GatewayUnknown,
    Patience,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
)
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_job, open_desk_task
from portal.services.refund_outcomes import refund_failed, refund_made

__all__ = ["find_refund", "give_back", "list_unsettled_refunds", "make_refund", "settle_refund"]

_NOT_FINAL = SETTINGS_REFUSALS | {"idempotency_mismatch"}
"""Refusals that do not say what became of an earlier call, or that end with the settings."""
_KEY_IS_KEPT = timedelta(hours=20)
"""Providers may forget a key after 24 hours: from here on the charge is looked at first."""


# --- in the transaction of the credit note -----------------------------------------------------


def give_back(
    session: Session, invoice: Invoice, note: CreditNote, owed: Money, now: datetime
) -> RefundPlan:
    """Store the refunds of what is owed, with a job each; the rest goes to the balance.

    The account is locked. Never more than was paid and not yet refunded, over all refunds.
    """
    parts = _paid_parts(session, invoice)
    plan = plan_refunds(owed, [part for part, _payment in parts])
    payments = {payment.id: payment for _part, payment in parts}
    for step in plan.refunds:
        payments[step.payment_id].refunded_minor += step.amount.minor
        refund = Refund(
            payment_id=step.payment_id,
            credit_note_id=note.id,
            amount_minor=step.amount.minor,
            currency=step.amount.currency,
            idempotency_key=f"refund:{note.id}:{step.payment_id}",
            status=RefundState.RESERVED.value,
            created_at=now,
        )
        session.add(refund)
        session.flush()
        enqueue_job(session, "make_refund", {"refund_id": refund.id}, run_at=now, now=now,
                    dedupe_key=f"make_refund:{refund.id}")  # fmt: skip
    if not plan.to_balance.is_zero:
        session.add(
            AccountBalance(
                account_id=invoice.account_id,
                at=now,
                amount_minor=plan.to_balance.minor,
                currency=plan.to_balance.currency,
                reason="credit_note",
                invoice_id=invoice.id,
                credit_note_id=note.id,
            )
        )
    session.flush()
    return plan


def _paid_parts(session: Session, invoice: Invoice) -> list[tuple[PaidPart, Payment]]:
    kept = (
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0))
        .where(AccountBalance.payment_id == Payment.id)
        .correlate(Payment)
        .scalar_subquery()
    )
    charged = (
        select(PaymentAttempt.id)
        .where(
            PaymentAttempt.payment_id == Payment.id,
            PaymentAttempt.status == "succeeded",
            PaymentAttempt.gateway_ref.is_not(None),
        )
        .correlate(Payment)
        .exists()
    )
    rows = session.execute(
        select(Payment, kept, charged)
        .where(Payment.invoice_id == invoice.id, Payment.status == "succeeded")
        .execution_options(populate_existing=True)
    )
    return [
        (
            PaidPart(
                payment.id,
                Money(
                    payment.amount_minor - payment.refunded_minor - int(too_much), payment.currency
                ),
                refundable=payment.kind == "automatic" and bool(by_provider),
            ),
            payment,
        )
        for payment, too_much, by_provider in rows
    ]


# --- the call ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stored:
    status: str
    gateway_ref: str | None
    request: RefundRequest
    created_at: datetime
    charge_begun_at: datetime
    charged_at: datetime


def make_refund(
    transaction: Transaction,
    gateway: Gateway,
    refund_id: int,
    *,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Make the stored call (again: the key makes it one effect) or look at it; False if unknown."""
    with transaction() as session:
        stored = _stored(session, refund_id)
    if stored.status in (RefundState.SUCCEEDED, RefundState.FAILED):
        return True
    try:
        outcome = _ask(transaction, gateway, stored, patience, now())
    except GatewayUnknown:
        outcome = None
    except GatewayRefused as refusal:
        outcome = None
        if stored.gateway_ref is None and refusal.code not in _NOT_FINAL:
            outcome = RefundOutcome(
                "", RefundStatus.FAILED, stored.request.amount, failure_code=refusal.code
            )
    with transaction() as session:
        if outcome is None:
            _mark_unknown(session, refund_id)
            return False
        settle_refund(session, refund_id, outcome, now())
    return True


def _ask(
    transaction: Transaction,
    gateway: Gateway,
    stored: _Stored,
    patience: Patience,
    now: datetime,
) -> RefundOutcome | None:
    if stored.gateway_ref is not None:
        return gateway.get_refund(stored.gateway_ref, patience)
    if stored.status == RefundState.UNKNOWN and stored.created_at + _KEY_IS_KEPT < now:
        # The key may be forgotten: only where the charge shows no trace of it is it called again.
        refunded = _refunded_at_provider(gateway, stored)
        with transaction() as session:
            ours = _refunded_by_others(session, stored.request)
        if refunded is None or refunded < ours:
            return None
        if refunded >= ours + stored.request.amount.minor:
            return RefundOutcome("", RefundStatus.SUCCEEDED, stored.request.amount)
    return gateway.refund(stored.request, patience)


def _refunded_at_provider(gateway: Gateway, stored: _Stored) -> int | None:
    """What the provider's books say was given back of the charge; None if it is not among them."""
    around = timedelta(days=1)
    # A charge that was tried again was made by its first try, days before the one that succeeded.
    since, until = stored.charge_begun_at - around, stored.charged_at + around
    for charge in gateway.list_charges(since, until):
        if charge.ref == stored.request.charge_ref:
            return charge.refunded.minor
    return None


def _refunded_by_others(session: Session, request: RefundRequest) -> int:
    """What our other refunds of the charge, as far as their calls are known, have given back."""
    refund_id = int(request.reference.partition(":")[2])
    payment_id = session.scalars(select(Refund.payment_id).where(Refund.id == refund_id)).one()
    found = session.scalar(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            Refund.payment_id == payment_id,
            Refund.id != refund_id,
            Refund.status.in_(("pending", "succeeded")),
        )
    )
    return int(found or 0)


def _stored(session: Session, refund_id: int) -> _Stored:
    refund, charge_ref, begun_at, charged_at = session.execute(
        select(Refund, PaymentAttempt.gateway_ref, Payment.created_at, PaymentAttempt.created_at)
        .join(Payment, Payment.id == Refund.payment_id)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
        .where(
            Refund.id == refund_id,
            PaymentAttempt.status == "succeeded",
            PaymentAttempt.gateway_ref.is_not(None),
        )
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
    ).one()
    return _Stored(
        status=refund.status,
        gateway_ref=refund.gateway_ref,
        request=RefundRequest(
            key=refund.idempotency_key,
            charge_ref=charge_ref or "",
            amount=Money(refund.amount_minor, refund.currency),
            reference=f"refund:{refund.id}",
        ),
        created_at=refund.created_at,
        charge_begun_at=begun_at,
        charged_at=charged_at,
    )


# --- the outcome -------------------------------------------------------------------------------


def settle_refund(session: Session, refund_id: int, outcome: RefundOutcome, now: datetime) -> None:
    """Apply the provider's word on a refund; the same or older news change nothing (M2)."""
    refund, payment, note, account = _locked(session, refund_id)
    if refund.gateway_ref is None and outcome.ref:
        refund.gateway_ref = outcome.ref
    if outcome.amount != Money(refund.amount_minor, refund.currency):
        open_desk_task(session, "refund_differs", dedupe_key=f"refund_differs:{refund.id}",
                       details={"credit_note": note.number, "ref": outcome.ref}, now=now,
                       account_id=account.id)  # fmt: skip
        session.flush()
        return
    before = refund.status
    state = next_refund_state(before, outcome.status.value)
    if state is None:
        session.flush()
        return
    refund.status = state.value
    if state is not RefundState.PENDING:
        refund.settled_at = now
    if state is RefundState.FAILED:
        refund_failed(session, refund, payment, note, account, outcome.failure_code, now)
    elif before in (RefundState.RESERVED, RefundState.UNKNOWN):
        refund_made(session, refund, payment, note, account, now)
    session.flush()


def find_refund(session: Session, outcome: RefundOutcome) -> int | None:
    """Our refund that the provider talks of: by its reference there, else by ours (M1)."""
    known = session.scalar(select(Refund.id).where(Refund.gateway_ref == outcome.ref))
    if known is not None:
        return int(known)
    word, _, number = outcome.reference.partition(":")
    if word != "refund" or not number.isdecimal():
        return None
    return session.scalar(
        select(Refund.id).where(Refund.id == int(number), Refund.gateway_ref.is_(None))
    )


def list_unsettled_refunds(
    session: Session, *, before: datetime, after: int, limit: int = 200
) -> list[int]:
    """Refunds of before `before`, with ids above `after`, that have not arrived yet."""
    return list(
        session.scalars(
            select(Refund.id)
            .where(
                # Written out, so that both databases see that the partial index holds it.
                text("refund.settled_at IS NULL"),
                Refund.created_at < before,
                Refund.id > after,
            )
            .order_by(Refund.id)
            .limit(limit)
        )
    )


def _locked(session: Session, refund_id: int) -> tuple[Refund, Payment, CreditNote, Account]:
    account_id = session.scalars(
        select(Payment.account_id)
        .join(Refund, Refund.payment_id == Payment.id)
        .where(Refund.id == refund_id)
    ).one()
    account = lock_account(session, account_id)
    refund = session.scalars(select(Refund).where(Refund.id == refund_id).with_for_update()).one()
    payment = session.get_one(Payment, refund.payment_id)
    return refund, payment, session.get_one(CreditNote, refund.credit_note_id), account


def _mark_unknown(session: Session, refund_id: int) -> None:
    refund, _payment, _note, _account = _locked(session, refund_id)
    if refund.status == RefundState.RESERVED:
        refund.status = RefundState.UNKNOWN.value
    session.flush()
