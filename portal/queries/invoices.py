"""An account's invoices: the list, one with its lines, all of a year."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Executable, Row, bindparam, func, literal, or_, select, union, union_all
from sqlalchemy.engine import Connection

from portal.documents.invoice_document import (
    InvoiceDocument,
    InvoiceDocumentLine,
    PaidWith,
    tax_rows_of,
)
from portal.documents.invoice_words import NOT_COLLECTED
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.models import (
    AccountBalance,
    CreditNote,
    Invoice,
    InvoiceLine,
    Order,
    Payment,
    PaymentMethod,
)

__all__ = [
    "InvoiceRow",
    "get_invoice",
    "get_invoice_by_id",
    "list_invoice_years",
    "list_invoices",
    "list_invoices_of_year",
]

# When a transfer was booked, and on which day it had arrived.
_Arrived = list[tuple[datetime, date]]


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice as the list shows it; `open` is what is still to be paid.

    A credit note has `credit_note` as kind and status, and a total below zero.
    """

    number: str
    kind: str
    issued_on: date
    due_on: date
    status: str
    gross: Money
    open: Money


# Credit notes stand in the list between the invoices, with their amounts below zero.
_INVOICES = select(
    Invoice.number,
    Invoice.kind,
    Invoice.issued_on,
    Invoice.due_on,
    Invoice.status,
    Invoice.currency,
    Invoice.gross_minor,
    Invoice.credited_minor,
    Invoice.paid_minor,
    Invoice.id,
).where(Invoice.account_id == bindparam("account_id"))
_NOTES = select(
    CreditNote.number,
    literal("credit_note").label("kind"),
    CreditNote.issued_on,
    CreditNote.issued_on.label("due_on"),
    literal("credit_note").label("status"),
    CreditNote.currency,
    (-CreditNote.gross_minor).label("gross_minor"),
    literal(0).label("credited_minor"),
    literal(0).label("paid_minor"),
    CreditNote.id,
).where(CreditNote.account_id == bindparam("account_id"))


def _list(invoices: Any, notes: Any) -> Any:
    """The latest first; one statement for a page of both."""
    both = union_all(invoices, notes)
    columns = both.selected_columns
    return (
        both.order_by(columns.issued_on.desc(), columns.kind, columns.id.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


_LIST_ALL = _list(_INVOICES, _NOTES)
_LIST_YEAR = _list(
    _INVOICES.where(Invoice.year == bindparam("year")),
    _NOTES.where(CreditNote.year == bindparam("year")),
)
_YEARS = union(
    select(Invoice.year).where(Invoice.account_id == bindparam("account_id")),
    select(CreditNote.year).where(CreditNote.account_id == bindparam("account_id")),
)

_BALANCE_USED = (
    select(func.coalesce(-func.sum(AccountBalance.amount_minor), 0))
    .where(AccountBalance.invoice_id == Invoice.id, AccountBalance.reason == "used")
    .correlate(Invoice)
    .scalar_subquery()
)
_DOCUMENT = (
    select(
        Invoice.id,
        Invoice.number,
        Invoice.kind,
        Invoice.issued_on,
        Invoice.due_on,
        Invoice.currency,
        Invoice.net_minor,
        Invoice.tax_minor,
        Invoice.gross_minor,
        Invoice.tax,
        Invoice.locale,
        Invoice.seller,
        Invoice.buyer,
        Invoice.payment_terms,
        Invoice.payment_reference,
        Invoice.status,
        Invoice.paid_minor,
        Invoice.credited_minor,
        Invoice.paid_at,
        Order.number.label("order_number"),
        _BALANCE_USED.label("balance_used_minor"),
    )
    .outerjoin(Order, Order.id == Invoice.order_id)
    .where(Invoice.account_id == bindparam("account_id"))
)
_LINES = (
    select(
        InvoiceLine.invoice_id,
        InvoiceLine.position,
        InvoiceLine.kind,
        InvoiceLine.description,
        InvoiceLine.quantity,
        InvoiceLine.unit_minor,
        InvoiceLine.discount_basis_points,
        InvoiceLine.days_left,
        InvoiceLine.days,
        InvoiceLine.period_starts_on,
        InvoiceLine.period_ends_on,
        InvoiceLine.net_minor,
        InvoiceLine.tax_rate,
        InvoiceLine.discount_minor,
    )
    .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
    .where(Invoice.account_id == bindparam("account_id"))
    .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
)
# An order's payment is older than its invoice and may know the order alone (I3).
_PAYMENTS = (
    select(
        Invoice.id,
        Payment.status,
        Payment.kind.label("paid_by"),
        PaymentMethod.kind,
        PaymentMethod.brand,
        PaymentMethod.last4,
        Payment.received_on,
        Payment.settled_at,
    )
    .join(
        Payment,
        or_(Payment.invoice_id == Invoice.id, Payment.order_id == Invoice.order_id),
    )
    .outerjoin(PaymentMethod, PaymentMethod.id == Payment.method_id)
    .where(
        Invoice.account_id == bindparam("account_id"),
        Payment.account_id == bindparam("account_id"),
    )
    .order_by(Payment.id)
)

_BY_NUMBER = Invoice.number == bindparam("number")
_BY_ID = Invoice.id == bindparam("id")
_BY_YEAR = Invoice.year == bindparam("year")


def _three(condition: Any) -> tuple[Executable, Executable, Executable]:
    return (
        _DOCUMENT.where(condition).order_by(Invoice.issued_on, Invoice.id),
        _LINES.where(condition),
        _PAYMENTS.where(condition),
    )


_NUMBER_STATEMENTS, _ID_STATEMENTS = _three(_BY_NUMBER), _three(_BY_ID)
_YEAR_STATEMENTS = _three(_BY_YEAR)


def list_invoices(
    connection: Connection, account_id: int, *, year: int | None, limit: int, offset: int
) -> tuple[InvoiceRow, ...]:
    """The account's invoices and credit notes, the latest first, of a vendor's `year` or of all."""
    values = {"account_id": account_id, "limit": limit, "offset": offset}
    if year is None:
        rows = connection.execute(_LIST_ALL, values)
    else:
        rows = connection.execute(_LIST_YEAR, {**values, "year": year})
    return tuple(
        InvoiceRow(
            number, kind, issued_on, due_on, status, Money(gross, currency),
            Money(max(gross - credited - paid, 0), currency),
        )
        for number, kind, issued_on, due_on, status, currency, gross, credited, paid, _id in rows
    )  # fmt: skip


def list_invoice_years(connection: Connection, account_id: int) -> tuple[int, ...]:
    """The years in which the account has invoices or credit notes, the latest first."""
    return tuple(sorted(connection.scalars(_YEARS, {"account_id": account_id}), reverse=True))


def get_invoice(
    connection: Connection, account_id: int, number: str, time_zone: str
) -> InvoiceDocument | None:
    """The account's invoice of that number, or None; `time_zone` is the vendor's (P3)."""
    return _first(connection, _NUMBER_STATEMENTS, account_id, time_zone, number=number)


def get_invoice_by_id(
    connection: Connection, account_id: int, invoice_id: int, time_zone: str
) -> InvoiceDocument | None:
    """As `get_invoice`, by the invoice's id."""
    return _first(connection, _ID_STATEMENTS, account_id, time_zone, id=invoice_id)


def list_invoices_of_year(
    connection: Connection, account_id: int, year: int, time_zone: str
) -> tuple[InvoiceDocument, ...]:
    """All of the account's invoices of the vendor's `year`, the oldest first; three statements."""
    return _documents(connection, _YEAR_STATEMENTS, account_id, time_zone, year=year)


def _first(
    connection: Connection, statements: Any, account_id: int, time_zone: str, **values: Any
) -> InvoiceDocument | None:
    found = _documents(connection, statements, account_id, time_zone, **values)
    return found[0] if found else None


def _documents(
    connection: Connection, statements: Any, account_id: int, time_zone: str, **values: Any
) -> tuple[InvoiceDocument, ...]:
    values["account_id"] = account_id
    invoices, lines, payments = statements
    rows = connection.execute(invoices, values).all()
    if not rows:
        return ()
    lines_of = _lines(connection.execute(lines, values))
    paid_with, last_status, arrived = _payments(connection.execute(payments, values))
    return tuple(
        _document(
            row,
            tuple(lines_of[row.id]),
            NOT_COLLECTED
            if row.status == "open" and last_status.get(row.id) == "failed"
            else paid_with.get(row.id),
            _paid_on(row.paid_at, arrived.get(row.id, []), time_zone),
        )
        for row in rows
    )


def _payments(
    rows: Iterable[Any],
) -> tuple[dict[int, PaidWith], dict[int, str], dict[int, _Arrived]]:
    """What each invoice is paid with, what became of its last payment, its transfers that count."""
    paid_with: dict[int, PaidWith] = {}
    last_status: dict[int, str] = {}
    arrived: defaultdict[int, _Arrived] = defaultdict(list)
    for invoice_id, status, paid_by, kind, brand, last4, received_on, settled_at in rows:
        last_status[invoice_id] = status
        if status == "succeeded" and received_on is not None:
            arrived[invoice_id].append((settled_at, received_on))
        if status in ("succeeded", "pending"):
            by_transfer = paid_by == "bank_transfer" or kind is None
            paid_with[invoice_id] = (
                PaidWith("bank_transfer") if by_transfer else PaidWith(kind, brand, last4)
            )
    return paid_with, last_status, arrived


def _paid_on(paid_at: datetime | None, transfers: _Arrived, time_zone: str) -> date | None:
    """The day on which it was paid: by transfer, that on which the last of the money arrived.

    The day on which somebody booked it says nothing to who paid.
    """
    if paid_at is None:
        return None
    if any(settled_at == paid_at for settled_at, _received_on in transfers):
        return max(received_on for _settled_at, received_on in transfers)
    return local_date(paid_at, time_zone)


def _lines(rows: Iterable[Any]) -> dict[int, list[InvoiceDocumentLine]]:
    found: defaultdict[int, list[InvoiceDocumentLine]] = defaultdict(list)
    for invoice_id, *rest in rows:
        found[invoice_id].append(InvoiceDocumentLine(*rest))
    return found


def _document(
    row: Row[Any],
    lines: tuple[InvoiceDocumentLine, ...],
    paid_with: PaidWith | None,
    paid_on: date | None,
) -> InvoiceDocument:
    return InvoiceDocument(
        id=row.id,
        number=row.number,
        kind=row.kind,
        issued_on=row.issued_on,
        due_on=row.due_on,
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
        payment_reference=row.payment_reference,
        status=row.status,
        paid_minor=row.paid_minor,
        credited_minor=row.credited_minor,
        paid_on=paid_on,
        paid_with=paid_with,
        order_number=row.order_number,
        balance_used_minor=int(row.balance_used_minor),
        lines=lines,
    )
