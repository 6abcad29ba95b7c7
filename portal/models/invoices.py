"""Invoices, credit notes and their gapless numbers. What is issued never changes (I2)."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Currency,
    Id,
    Instant,
    LongText,
    Minor,
    Name,
    OptionalInstant,
    append_only,
    one_of,
    reference,
)


class NumberSeries(db.Model):
    """The last number taken of a series and year; taken in the transaction that issues (I2)."""

    __tablename__ = "number_series"
    id: Mapped[Id]
    series: Mapped[Code]
    year: Mapped[int]
    last: Mapped[int]
    __table_args__ = (UniqueConstraint("series", "year"),)


class Invoice(db.Model):
    """An issued invoice: addresses, tax and language are frozen in it; its state is apart below.

    status: open → pending (a debit was accepted) → paid; written_off and credited end it.
    `issued_on` and the number series are the vendor's dates (P3).
    """

    __tablename__ = "invoice"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    series: Mapped[Code]
    year: Mapped[int]
    sequence: Mapped[int]
    number: Mapped[str] = mapped_column(String(40), unique=True)
    kind: Mapped[Code]
    order_id: Mapped[int | None] = reference("customer_order.id", index=False, nullable=True)
    subscription_id: Mapped[int | None] = reference("subscription.id", nullable=True)
    issued_at: Mapped[Instant]
    issued_on: Mapped[date]
    due_on: Mapped[date]
    currency: Mapped[Currency]
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    gross_minor: Mapped[Minor]
    tax: Mapped[dict[str, Any]] = mapped_column(JSON)
    locale: Mapped[Code]
    seller: Mapped[dict[str, Any]] = mapped_column(JSON)
    buyer: Mapped[dict[str, Any]] = mapped_column(JSON)
    payment_terms: Mapped[Code]
    payment_reference: Mapped[str] = mapped_column(String(40), default="")
    status: Mapped[Code]
    paid_minor: Mapped[Minor] = mapped_column(default=0)
    credited_minor: Mapped[Minor] = mapped_column(default=0)
    paid_at: Mapped[OptionalInstant]
    __table_args__ = (
        UniqueConstraint("series", "year", "sequence"),
        one_of("kind", "order", "renewal", "wallet", "service"),
        one_of("status", "open", "pending", "paid", "credited", "written_off"),
        CheckConstraint("gross_minor = net_minor + tax_minor", name="gross"),
        CheckConstraint("credited_minor BETWEEN 0 AND gross_minor", name="credited"),
        Index("ix_invoice_account_id_issued_on", "account_id", "issued_on", "id"),
        # What may be overdue (M5).
        Index(
            "ix_invoice_open_due_on",
            "due_on",
            "id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        # A transfer names its invoice, and no other.
        Index(
            "uq_invoice_payment_reference",
            "payment_reference",
            unique=True,
            sqlite_where=text("payment_reference <> ''"),
            postgresql_where=text("payment_reference <> ''"),
        ),
        # Whose transfer may be one without a reference: the amount tells.
        Index(
            "ix_invoice_open_transfer",
            "gross_minor",
            "id",
            sqlite_where=text("status = 'open' AND payment_terms = 'bank_transfer'"),
            postgresql_where=text("status = 'open' AND payment_terms = 'bank_transfer'"),
        ),
        # An order is invoiced once (Q4).
        Index("uq_invoice_order_id", "order_id", unique=True),
    )


class InvoiceLine(db.Model):
    """One line with its formula; frozen text stands in `details`. Append-only."""

    __tablename__ = "invoice_line"
    id: Mapped[Id]
    invoice_id: Mapped[int] = reference("invoice.id", index=False)
    position: Mapped[int]
    kind: Mapped[Code]
    description: Mapped[LongText]
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    quantity: Mapped[int]
    unit_minor: Mapped[Minor]
    discount_basis_points: Mapped[int]
    discount_minor: Mapped[Minor] = mapped_column(default=0, server_default=text("0"))
    days_left: Mapped[int | None]
    days: Mapped[int | None]
    period_starts_on: Mapped[date | None]
    period_ends_on: Mapped[date | None]
    net_minor: Mapped[Minor]
    tax_rate: Mapped[str] = mapped_column(String(12))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (UniqueConstraint("invoice_id", "position"),)


append_only(InvoiceLine.__table__)


class CreditNote(db.Model):
    """Corrects an invoice; the sum of its credit notes never exceeds it (I2)."""

    __tablename__ = "credit_note"
    id: Mapped[Id]
    invoice_id: Mapped[int] = reference("invoice.id")
    account_id: Mapped[int] = reference("account.id")
    series: Mapped[Code]
    year: Mapped[int]
    sequence: Mapped[int]
    number: Mapped[str] = mapped_column(String(40), unique=True)
    issued_at: Mapped[Instant]
    issued_on: Mapped[date]
    currency: Mapped[Currency]
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    gross_minor: Mapped[Minor]
    lines: Mapped[list[Any]] = mapped_column(JSON)
    tax: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[Name]
    issued_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (
        UniqueConstraint("series", "year", "sequence"),
        CheckConstraint("gross_minor > 0", name="gross"),
    )


append_only(CreditNote.__table__)
