"""Rows of the demo's past that no service of the portal writes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.periods import Interval, local_date
from portal.models import (
    Account,
    AddOn,
    Invoice,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Plan,
    Price,
)
from portal.payments.demo_books import add_object
from portal.services.audit import Actor, record

__all__ = ["book_charge", "collect", "price_of"]


def price_of(session: Session, row: Plan | AddOn, interval: Interval, currency: str) -> Price:
    """The current price of a plan or an add-on's package."""
    subject = Price.plan_id == row.id if isinstance(row, Plan) else Price.add_on_id == row.id
    found = session.scalars(
        select(Price).where(
            subject,
            Price.interval == interval.value,
            Price.currency == currency,
            Price.retired_at.is_(None),
        )
    )
    return found.one()


def book_charge(
    session: Session,
    account: Account,
    method: PaymentMethod,
    payment: Payment,
    name: str,
    description: str,
) -> str:
    """A charge that succeeded, in the provider's books, of which the portal was told; its ref."""
    charge = add_object(
        session,
        "charge",
        "succeeded",
        {
            "customer": account.gateway_customer,
            "method": method.gateway_ref,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "description": description,
            "reference": f"payment:{payment.id}",
            "off_session": True,
            "return_url": "",
            "answers": {},
            "announced": "succeeded",
        },
        payment.created_at,
        ref=f"demo_pi_seed_{name}",
    )
    return charge.ref


def collect(session: Session, invoice: Invoice, at: datetime) -> None:
    """The invoice was paid at `at`: by the account's default method, else by bank transfer."""
    account = session.get_one(Account, invoice.account_id)
    method = session.scalars(
        select(PaymentMethod).where(PaymentMethod.account_id == account.id)
    ).first()
    transfer = account.payment_terms == "bank_transfer" or method is None
    payment = Payment(
        account_id=account.id,
        invoice_id=invoice.id,
        kind="bank_transfer" if transfer else "automatic",
        amount_minor=invoice.gross_minor,
        currency=invoice.currency,
        status="succeeded",
        method_id=None if transfer or method is None else method.id,
        bank_reference=invoice.number if transfer else "",
        received_on=local_date(at, account.time_zone) if transfer else None,
        created_at=at,
        settled_at=at,
    )
    session.add(payment)
    session.flush()
    if not transfer and method is not None:
        session.add(
            PaymentAttempt(
                payment_id=payment.id,
                number=1,
                idempotency_key=f"pi:invoice-{invoice.id}:1",
                method_id=method.id,
                status="succeeded",
                gateway_ref=book_charge(
                    session, account, method, payment, f"invoice_{invoice.id}", invoice.number
                ),
                created_at=at - timedelta(seconds=2),
                settled_at=at,
            )
        )
    invoice.status, invoice.paid_minor, invoice.paid_at = "paid", invoice.gross_minor, at
    record(session, "payment_received", actor=Actor("gateway" if not transfer else "system", ""),
           now=at, account_id=account.id, subject=invoice.number,
           new={"amount_minor": invoice.gross_minor, "currency": invoice.currency})  # fmt: skip
    session.flush()
