"""An account's credit notes as documents: one, those of an invoice, those of a year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.documents.invoice_document import InvoiceDocument, InvoiceDocumentLine, tax_rows_of
from portal.domain.money import Money
from portal.models import AccountBalance, CreditNote, Invoice, Refund

__all__ = [
    "CreditNoteRow", "get_credit_note", "list_credit_notes_of_invoice",
    "list_credit_notes_of_year",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class CreditNoteRow:
    """A credit note as its invoice's page names it."""

    number: str
    issued_on: date
    gross: Money


_TO_BALANCE = (
    select(func.coalesce(func.sum(AccountBalance.amount_minor), 0))
    .where(
        AccountBalance.account_id == bindparam("account_id"),  # by its index
        AccountBalance.credit_note_id == CreditNote.id,
    )
    .correlate(CreditNote)
    .scalar_subquery()
)
_REFUNDS = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
    Refund.credit_note_id == CreditNote.id
)
_TO_METHOD = _REFUNDS.where(Refund.status != "failed").correlate(CreditNote).scalar_subquery()
_ARRIVED = _REFUNDS.where(Refund.status == "succeeded").correlate(CreditNote).scalar_subquery()
_DOCUMENT = (
    select(
        CreditNote.id,
        CreditNote.number,
        CreditNote.issued_on,
        CreditNote.currency,
        CreditNote.net_minor,
        CreditNote.tax_minor,
        CreditNote.gross_minor,
        CreditNote.tax,
        CreditNote.lines,
        CreditNote.reason,
        Invoice.number.label("corrects_number"),
        Invoice.issued_on.label("corrects_on"),
        Invoice.locale,
        Invoice.seller,
        Invoice.buyer,
        Invoice.payment_terms,
        _TO_BALANCE.label("to_balance_minor"),
        _TO_METHOD.label("to_method_minor"),
        _ARRIVED.label("arrived_minor"),
    )
    .join(Invoice, Invoice.id == CreditNote.invoice_id)
    .where(CreditNote.account_id == bindparam("account_id"))
)
_BY_NUMBER = _DOCUMENT.where(CreditNote.number == bindparam("number"))
_BY_YEAR = _DOCUMENT.where(CreditNote.year == bindparam("year")).order_by(
    CreditNote.issued_on, CreditNote.id
)
_OF_INVOICE = (
    select(CreditNote.number, CreditNote.issued_on, CreditNote.gross_minor, CreditNote.currency)
    .where(
        CreditNote.account_id == bindparam("account_id"),
        CreditNote.invoice_id == bindparam("invoice_id"),
    )
    .order_by(CreditNote.id)
)


def get_credit_note(connection: Connection, account_id: int, number: str) -> InvoiceDocument | None:
    """The account's credit note of that number, or None."""
    rows = fetch_all(connection, _BY_NUMBER, account_id=account_id, number=number)
    return _document(rows[0]) if rows else None


def list_credit_notes_of_year(
    connection: Connection, account_id: int, year: int
) -> tuple[InvoiceDocument, ...]:
    """All of the account's credit notes of the vendor's `year`, the oldest first."""
    rows = fetch_all(connection, _BY_YEAR, account_id=account_id, year=year)
    return tuple(_document(row) for row in rows)


def list_credit_notes_of_invoice(
    connection: Connection, account_id: int, invoice_id: int
) -> tuple[CreditNoteRow, ...]:
    """What corrects an invoice, the oldest first."""
    rows = fetch_all(connection, _OF_INVOICE, account_id=account_id, invoice_id=invoice_id)
    return tuple(CreditNoteRow(row[0], row[1], Money(row[2], row[3])) for row in rows)


def _document(row: Any) -> InvoiceDocument:
    return InvoiceDocument(
        id=row.id,
        number=row.number,
        kind="credit_note",
        issued_on=row.issued_on,
        due_on=row.issued_on,
        currency=row.currency,
        net_minor=row.net_minor,
        tax_minor=row.tax_minor,
        gross_minor=row.gross_minor,
        treatment=row.tax.get("treatment", ""),
        tax_rows=tax_rows_of(row.tax),
        locale=row.locale,
        seller=row.seller,
        buyer=row.buyer,
        payment_terms=row.payment_terms,
        payment_reference="",
        status="credit_note",
        paid_minor=0,
        credited_minor=0,
        paid_on=None,
        paid_with=None,
        order_number=None,
        lines=tuple(_line(line) for line in row.lines),
        corrects_number=row.corrects_number,
        corrects_on=row.corrects_on,
        reason=row.reason,
        to_balance_minor=int(row.to_balance_minor),
        to_method_minor=int(row.to_method_minor),
        refund_arrived=row.arrived_minor == row.to_method_minor,
    )


def _line(line: dict[str, Any]) -> InvoiceDocumentLine:
    return InvoiceDocumentLine(
        position=line["position"],
        kind=line["kind"],
        description=line["description"],
        quantity=line["quantity"],
        unit_minor=line["unit_minor"],
        discount_basis_points=line["discount_basis_points"],
        days_left=line["days_left"],
        days=line["days"],
        period_starts_on=_day(line["period_starts_on"]),
        period_ends_on=_day(line["period_ends_on"]),
        net_minor=line["net_minor"],
        tax_rate=line["tax_rate"],
        discount_minor=line.get("discount_minor", 0),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
