"""What a customer paid, and what it is owed: the payments and the balance's entries for the desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.money import Money
from portal.models import AccountBalance, BankEntry, CreditNote, Invoice, Payment, PaymentMethod

__all__ = ["BalanceRow", "OpenInvoice", "PaymentRow", "list_balance_entries", "list_open_invoices",
           "list_payments"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """One payment; `invoice_number` is None where it pays none (an order that failed, a deposit).

    `bank_reference` is what the payer wrote; `statement_id` the bank statement that told of it.
    """

    id: int
    kind: str
    status: str
    amount: Money
    received_on: date | None
    created_at: datetime
    bank_reference: str
    invoice_number: str | None
    brand: str | None
    last4: str | None
    statement_id: int | None


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """One entry of the account's balance, and the document it came from or went to."""

    id: int
    at: datetime
    amount: Money
    reason: str
    note: str
    invoice_number: str | None
    credit_note_number: str | None


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that a transfer can be booked for."""

    number: str
    due_on: date
    open: Money


_PAYMENTS = (
    select(
        Payment.id,
        Payment.kind,
        Payment.status,
        Payment.amount_minor,
        Payment.currency,
        Payment.received_on,
        Payment.created_at,
        Payment.bank_reference,
        Invoice.number,
        PaymentMethod.brand,
        PaymentMethod.last4,
        BankEntry.statement_id,
    )
    .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
    .outerjoin(PaymentMethod, PaymentMethod.id == Payment.method_id)
    .outerjoin(BankEntry, BankEntry.payment_id == Payment.id)
    .where(Payment.account_id == bindparam("account_id"))
    .order_by(Payment.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_BALANCE = (
    select(
        AccountBalance.id,
        AccountBalance.at,
        AccountBalance.amount_minor,
        AccountBalance.currency,
        AccountBalance.reason,
        AccountBalance.note,
        Invoice.number,
        CreditNote.number,
    )
    .outerjoin(Invoice, Invoice.id == AccountBalance.invoice_id)
    .outerjoin(CreditNote, CreditNote.id == AccountBalance.credit_note_id)
    .where(AccountBalance.account_id == bindparam("account_id"))
    .order_by(AccountBalance.id.desc())
    .limit(bindparam("limit"))
)
_OPEN = (
    select(
        Invoice.number,
        Invoice.due_on,
        Invoice.gross_minor - Invoice.credited_minor - Invoice.paid_minor,
        Invoice.currency,
    )
    .where(Invoice.account_id == bindparam("account_id"), Invoice.status == "open")
    .order_by(Invoice.due_on, Invoice.id)
    .limit(bindparam("limit"))
)


def list_payments(
    connection: Connection, account_id: int, *, limit: int, offset: int = 0
) -> list[PaymentRow]:
    """The payments of every kind and status, the latest first."""
    rows = fetch_all(connection, _PAYMENTS, account_id=account_id, limit=limit, offset=offset)
    return [
        PaymentRow(key, kind, status, Money(minor, currency), *rest)
        for key, kind, status, minor, currency, *rest in rows
    ]


def list_balance_entries(
    connection: Connection, account_id: int, *, limit: int
) -> list[BalanceRow]:
    """The latest entries of the balance."""
    return [
        BalanceRow(key, at, Money(minor, currency), *rest)
        for key, at, minor, currency, *rest in fetch_all(
            connection, _BALANCE, account_id=account_id, limit=limit
        )
    ]


def list_open_invoices(
    connection: Connection, account_id: int, *, limit: int = 25
) -> list[OpenInvoice]:
    """What is still to be paid, the longest due first."""
    return [
        OpenInvoice(number, due_on, Money(minor, currency))
        for number, due_on, minor, currency in fetch_all(
            connection, _OPEN, account_id=account_id, limit=limit
        )
    ]
