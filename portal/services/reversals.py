"""A payment that the bank took back, and one that came again: its dispute was won (M4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.disputes import DisputeState, is_money_gone
from portal.domain.money import Money
from portal.models import Account, Invoice, Payment
from portal.services.audit import Actor, record
from portal.services.dispute_rows import disputes_of, taken_from
from portal.services.dunning import money_came, money_taken_back
from portal.services.invoice_paying import (
    keep_excess,
    restate_paid,
    restore_balance,
    take_back_balance,
)
from portal.services.outbox import open_desk_task

__all__ = ["reinstate_payment", "reverse_payment", "was_reinstated"]

_GATEWAY = Actor("gateway", "")


def reverse_payment(
    session: Session, account: Account, payment: Payment, *, catalogue: Catalogue, now: datetime
) -> None:
    """The invoice is owed again, and nobody charges it unasked; once, whoever tells it.

    The account is locked.
    """
    if payment.status == "reversed":
        return
    payment.status = "reversed"
    invoice = _invoice_of(session, payment)
    take_back_balance(session, payment, now)
    if invoice is not None:
        restate_paid(session, invoice, now)
    number = invoice.number if invoice is not None else ""
    record(session, "payment_reversed", actor=_GATEWAY, now=now, account_id=payment.account_id,
           subject=number)  # fmt: skip
    details: dict[str, Any] = {"payment_id": payment.id, "invoice": number}
    twice = taken_from(session, payment) + payment.refunded_minor - payment.amount_minor
    if twice > 0:  # refunded before, and taken back with the whole: the customer has it two times
        details |= {"amount_minor": twice, "currency": payment.currency}
    open_desk_task(session, "refunded_and_reversed" if twice > 0 else "payment_reversed",
                   dedupe_key=f"payment_reversed:{payment.id}", details=details, now=now,
                   account_id=payment.account_id)  # fmt: skip
    session.flush()
    if invoice is not None:
        money_taken_back(session, account, invoice, catalogue=catalogue, now=now)


def reinstate_payment(
    session: Session, account: Account, payment: Payment, *, catalogue: Catalogue, now: datetime
) -> None:
    """The money came back: the invoice is paid by it again, as if it had never gone.

    What the invoice does not need any more (it was paid otherwise or credited meanwhile) is owed
    to the customer. The account is locked.
    """
    if payment.status != "reversed":
        return
    payment.status = "succeeded"
    restore_balance(session, payment, now)
    invoice = _invoice_of(session, payment)
    number = invoice.number if invoice is not None else ""
    record(session, "payment_reinstated", actor=_GATEWAY, now=now,
           account_id=payment.account_id, subject=number)  # fmt: skip
    session.flush()
    if invoice is not None:
        keep_excess(session, invoice, payment, now)
        restate_paid(session, invoice, now)
        money_came(session, account, invoice, catalogue=catalogue, now=now)


def was_reinstated(session: Session, payment: Payment) -> bool:
    """Whether the money of a disputed charge is back: its charge goes on calling it disputed."""
    disputes = disputes_of(session, payment.id)
    charged = Money(payment.amount_minor, payment.currency)
    refunded = Money(payment.refunded_minor, payment.currency)
    return any(each.state is DisputeState.WON for each in disputes) and not is_money_gone(
        disputes, charged, refunded
    )


def _invoice_of(session: Session, payment: Payment) -> Invoice | None:
    if payment.invoice_id is None:
        return None
    return session.scalars(
        select(Invoice).where(Invoice.id == payment.invoice_id).with_for_update()
    ).one_or_none()
