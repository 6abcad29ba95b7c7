"""What of an invoice is paid: always the sum of its payments and of the balance used on it.

It is worked out anew from those rows, so it does not matter which news of a payment comes first,
or twice (M2). What is more than the invoice asks for is owed to the customer (M6).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from portal.models import AccountBalance, CreditNote, Invoice, Payment, Refund
from portal.services.audit import Actor, record
from portal.services.balances import get_balance

__all__ = [
    "keep_excess", "keep_overpayment", "receive_payment", "restate_paid", "restore_balance",
    "take_back_balance",
]  # fmt: skip

_GATEWAY = Actor("gateway", "")


def receive_payment(
    session: Session,
    invoice: Invoice,
    payment: Payment,
    now: datetime,
    *,
    actor: Actor = _GATEWAY,
) -> bool:
    """Count a payment that has succeeded; whether the invoice was paid by it just now.

    The account is locked. What the invoice does not need goes to the account's balance.
    """
    session.flush()
    before = invoice.status
    others = _sum_of_payments(session, invoice.id, but=payment.id)
    needed = max(
        invoice.gross_minor - invoice.credited_minor - others - _balance_used(session, invoice.id),
        0,
    )
    if payment.amount_minor > needed:
        keep_overpayment(session, payment, payment.amount_minor - needed, now, invoice=invoice,
                         actor=actor)  # fmt: skip
    restate_paid(session, invoice, now)
    return invoice.status == "paid" and before != "paid"


def restate_paid(session: Session, invoice: Invoice, now: datetime) -> None:
    """Bring `paid_minor` and the status in line with the payments, after one came or went.

    A debit that was accepted keeps the invoice `pending`. An invoice that was credited in full or
    written off stays so.
    """
    session.flush()
    invoice.paid_minor = _sum_of_payments(session, invoice.id) + _balance_used(session, invoice.id)
    if invoice.status in ("credited", "written_off"):
        return
    if invoice.paid_minor + invoice.credited_minor >= invoice.gross_minor:
        if invoice.status != "paid":
            invoice.status, invoice.paid_at = "paid", now
    else:
        waits = session.scalars(
            select(Payment.id).where(Payment.invoice_id == invoice.id, Payment.status == "pending")
        ).first()
        invoice.status, invoice.paid_at = "open" if waits is None else "pending", None
    session.flush()


def keep_overpayment(
    session: Session,
    payment: Payment,
    amount_minor: int,
    now: datetime,
    *,
    invoice: Invoice | None = None,
    actor: Actor = _GATEWAY,
) -> None:
    """Owe the customer what it paid too much, once a payment; the next invoice uses it."""
    known = select(AccountBalance.id).where(AccountBalance.payment_id == payment.id)
    if session.scalars(known).first() is None:
        _owe(session, payment, amount_minor, now, invoice, reason="overpayment", actor=actor)


def _owe(
    session: Session, payment: Payment, amount_minor: int, now: datetime,
    invoice: Invoice | None, *, reason: str, actor: Actor = _GATEWAY,
) -> None:  # fmt: skip
    session.add(
        AccountBalance(
            account_id=payment.account_id,
            at=now,
            amount_minor=amount_minor,
            currency=payment.currency,
            reason=reason,
            invoice_id=invoice.id if invoice is not None else None,
            payment_id=payment.id,
        )
    )
    record(session, "overpayment_kept", actor=actor, now=now, account_id=payment.account_id,
           subject=invoice.number if invoice is not None else "",
           new={"amount_minor": amount_minor, "currency": payment.currency})  # fmt: skip
    session.flush()


def take_back_balance(session: Session, payment: Payment, now: datetime) -> None:
    """The bank took a payment back: what it had left on the balance is not owed any more.

    That is what was too much of it, and its refunds that failed. Never more than is still there:
    what was used of it meanwhile is for people to ask for.
    """
    refunds = select(Refund.id).where(Refund.payment_id == payment.id)
    kept = session.scalar(
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
            or_(AccountBalance.payment_id == payment.id, AccountBalance.refund_id.in_(refunds))
        )
    )
    amount = min(int(kept or 0), get_balance(session, payment.account_id))
    if amount > 0:
        session.add(
            AccountBalance(
                account_id=payment.account_id,
                at=now,
                amount_minor=-amount,
                currency=payment.currency,
                reason="correction",
                note=_note_of(payment),
            )
        )
        session.flush()


def restore_balance(session: Session, payment: Payment, now: datetime) -> None:
    """A payment that the bank had taken back is here again, and so is what it left on the balance."""
    taken = session.scalar(
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
            AccountBalance.account_id == payment.account_id,
            AccountBalance.reason == "correction",
            AccountBalance.note == _note_of(payment),
        )
    )
    if taken:
        session.add(
            AccountBalance(
                account_id=payment.account_id,
                at=now,
                amount_minor=-int(taken),
                currency=payment.currency,
                reason="correction",
                note=_note_of(payment),
            )
        )
        session.flush()


def keep_excess(session: Session, invoice: Invoice, payment: Payment, now: datetime) -> None:
    """Owe the customer what its invoice has received beyond all that it needs or gave back.

    For money that comes a second time: meanwhile the invoice was paid otherwise, or credited.
    """
    session.flush()
    payments = select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
        Payment.invoice_id == invoice.id, Payment.status == "succeeded"
    )
    refunds = (
        select(func.coalesce(func.sum(Refund.amount_minor), 0))
        .join(CreditNote, CreditNote.id == Refund.credit_note_id)
        .where(CreditNote.invoice_id == invoice.id, Refund.status != "failed")
    )
    owed = select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
        AccountBalance.invoice_id == invoice.id,
        # What was corrected for a payment as well; corrections of whole balances name none.
        or_(AccountBalance.reason == "credit_note", AccountBalance.payment_id.is_not(None)),
    )
    received = int(session.scalar(payments) or 0) + _balance_used(session, invoice.id)
    given_back = int(session.scalar(refunds) or 0) + int(session.scalar(owed) or 0)
    needed = invoice.gross_minor - invoice.credited_minor
    excess = received - given_back - needed
    if excess > 0:
        known = session.scalars(
            select(AccountBalance.id).where(AccountBalance.payment_id == payment.id)
        ).first()
        _owe(session, payment, excess, now, invoice,
             reason="overpayment" if known is None else "correction")  # fmt: skip


def _note_of(payment: Payment) -> str:
    return f"payment:{payment.id}"


def _sum_of_payments(session: Session, invoice_id: int, *, but: int = 0) -> int:
    """What arrived for the invoice, without what was too much of it."""
    paid = session.scalar(
        select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
            Payment.invoice_id == invoice_id, Payment.status == "succeeded", Payment.id != but
        )
    )
    kept = session.scalar(
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0))
        .join(Payment, Payment.id == AccountBalance.payment_id)
        .where(Payment.invoice_id == invoice_id, Payment.status == "succeeded", Payment.id != but)
    )
    return int(paid or 0) - int(kept or 0)


def _balance_used(session: Session, invoice_id: int) -> int:
    used = session.scalar(
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
            AccountBalance.invoice_id == invoice_id, AccountBalance.reason == "used"
        )
    )
    return -int(used or 0)
