"""What became of a refund: it was made, or it failed and is owed on the balance (M6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.models import Account, AccountBalance, CreditNote, Payment, PaymentMethod, Refund
from portal.services.audit import Actor, record
from portal.services.dispute_rows import taken_from
from portal.services.outbox import enqueue_mail, open_desk_task

__all__ = ["refund_failed", "refund_made"]

_GATEWAY = Actor("gateway", "")


def refund_made(
    session: Session, refund: Refund, payment: Payment, note: CreditNote, account: Account,
    now: datetime,
) -> None:  # fmt: skip
    """The money is on its way to the method; who gets invoices hears of it."""
    record(session, "refund_made", actor=_GATEWAY, now=now, account_id=account.id,
           subject=note.number,
           new={"amount_minor": refund.amount_minor, "currency": refund.currency})  # fmt: skip
    _tell(session, "refund_made", refund, payment, note, account, refund.amount_minor, now)


def refund_failed(
    session: Session, refund: Refund, payment: Payment, note: CreditNote, account: Account,
    code: str | None, now: datetime,
) -> None:  # fmt: skip
    """The money did not reach the method: it is owed on the balance instead, and people look.

    Only what the bank has not taken back meanwhile: of that the customer has the money (M4, M6).
    """
    refund.failure_code = (code or "")[:60] or None
    payment.refunded_minor -= refund.amount_minor
    kept = payment.amount_minor - taken_from(session, payment) - payment.refunded_minor
    owed = min(refund.amount_minor, max(kept, 0))
    if owed:
        session.add(
            AccountBalance(
                account_id=account.id,
                at=now,
                amount_minor=owed,
                currency=refund.currency,
                reason="credit_note",
                invoice_id=note.invoice_id,
                credit_note_id=note.id,
                refund_id=refund.id,
            )
        )
    amount = {"amount_minor": refund.amount_minor, "currency": refund.currency}
    record(session, "refund_failed", actor=_GATEWAY, now=now, account_id=account.id,
           subject=note.number, new=amount)  # fmt: skip
    open_desk_task(session, "refund_failed", dedupe_key=f"refund_failed:{refund.id}",
                   details={"credit_note": note.number, "reason": code or "", **amount}, now=now,
                   account_id=account.id)  # fmt: skip
    if owed:
        _tell(session, "refund_failed", refund, payment, note, account, owed, now)


def _tell(
    session: Session, topic: str, refund: Refund, payment: Payment, note: CreditNote,
    account: Account, minor: int, now: datetime,
) -> None:  # fmt: skip
    method = session.get(PaymentMethod, payment.method_id) if payment.method_id else None
    payload = {
        "account_name": account.name,
        "credit_note_number": note.number,
        "currency": refund.currency,
        "amount_minor": minor,
        "method": (
            {"kind": method.kind, "brand": method.brand, "last4": method.last4} if method else None
        ),
    }
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, topic, recipient=recipient, locale=account.locale, payload=payload,
                     now=now, account_id=account.id,
                     dedupe_key=f"{topic}:{refund.id}:{recipient}")  # fmt: skip
