"""A charge that failed: the invoice it was for is open, and goes on as a case (M5, Q3)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.dunning import is_hard_decline
from portal.domain.orders import AttemptStatus
from portal.models import Account, Invoice, Payment, PaymentAttempt
from portal.payments.gateway import ChargeOutcome
from portal.payments.smallest_charge import AMOUNT_REFUSALS
from portal.services.audit import Actor, record
from portal.services.dunning import charge_failed
from portal.services.invoice_paying import restate_paid
from portal.services.outbox import open_desk_task

__all__ = ["go_after", "invoice_of", "invoice_unpaid"]

_GATEWAY = Actor("gateway", "")


def invoice_of(session: Session, payment: Payment) -> Invoice | None:
    """The invoice that a payment is for, locked; None where there is none yet."""
    if payment.invoice_id is None:
        return None
    return session.scalars(
        select(Invoice).where(Invoice.id == payment.invoice_id).with_for_update()
    ).one_or_none()


def invoice_unpaid(
    session: Session,
    account: Account,
    payment: Payment,
    attempt: PaymentAttempt,
    outcome: ChargeOutcome,
    was: str,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """An invoice that could not be collected stays open, and its case goes on (M5)."""
    invoice = invoice_of(session, payment)
    if invoice is None:
        return
    restate_paid(session, invoice, now)
    if invoice.status != "open":  # paid otherwise, or not to be paid any more
        return
    reason = {"code": attempt.decline_code or attempt.status, "advice": attempt.advice_code}
    record(session, "invoice_payment_failed", actor=_GATEWAY, now=now, account_id=account.id,
           subject=invoice.number, new=reason)  # fmt: skip
    go_after(session, account, invoice, attempt, outcome, was, catalogue, now)
    if (
        attempt.decline_code in AMOUNT_REFUSALS
    ):  # the customer was told nothing: it has its own task
        return
    open_desk_task(session, "renewal_unpaid", dedupe_key=f"renewal_unpaid:{payment.id}",
                   details={"invoice": invoice.number, **reason}, now=now,
                   account_id=account.id)  # fmt: skip


def go_after(
    session: Session,
    account: Account,
    invoice: Invoice,
    attempt: PaymentAttempt,
    outcome: ChargeOutcome,
    was: str,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Open the invoice's case, or go on with it; `was` is the attempt's status before."""
    # Who waits on screen sees it there; a debit fails days later, when nobody does.
    waited = attempt.on_session and was != AttemptStatus.PROCESSING
    gave_up = attempt.status == AttemptStatus.CANCELLED
    charge_failed(
        session,
        account,
        invoice,
        reason=attempt.decline_code or attempt.status,
        hard=not gave_up
        and is_hard_decline(attempt.decline_code, attempt.advice_code, outcome.may_retry),
        on_session=gave_up or waited,
        method_id=None if gave_up else attempt.method_id,
        catalogue=catalogue,
        now=now,
    )
