"""The customer company, what it owes and is owed outside of invoices, and what was done in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, UniqueConstraint
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


class Account(db.Model):
    """A customer: its currency is fixed, its time zone rules its periods (P3).

    `locale` is the language of its documents; persons have their own for the screen.
    """

    __tablename__ = "account"
    id: Mapped[Id]
    name: Mapped[Name]
    locale: Mapped[Code]
    time_zone: Mapped[Code]
    currency: Mapped[Currency]
    payment_terms: Mapped[Code]
    account_executive_id: Mapped[int | None] = reference(
        "staff_member.id", index=False, nullable=True
    )
    company_name: Mapped[Name]
    address_line1: Mapped[Name]
    address_line2: Mapped[Name] = mapped_column(default="")
    postal_code: Mapped[Code]
    city: Mapped[Name]
    country: Mapped[str] = mapped_column(String(2))
    vat_number: Mapped[str | None] = mapped_column(String(40))
    vat_status: Mapped[Code]
    vat_checked_at: Mapped[OptionalInstant]
    billing_contact: Mapped[Name] = mapped_column(default="")
    billing_email: Mapped[str] = mapped_column(String(254))
    invoice_recipients: Mapped[list[str]] = mapped_column(JSON, default=list)
    purchase_order: Mapped[Name] = mapped_column(default="")
    gateway_customer: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[Instant]
    external_ref: Mapped[str | None] = mapped_column(String(120), unique=True)
    __table_args__ = (
        one_of("payment_terms", "automatic", "bank_transfer"),
        one_of("vat_status", "none", "valid", "invalid", "unchecked"),
        # The desk turns the pages of all accounts, and of one account executive's.
        Index("ix_account_name", "name", "id"),
        Index("ix_account_account_executive_id_name", "account_executive_id", "name", "id"),
    )


class AccountBalance(db.Model):
    """Money owed to the customer (M6): an append-only ledger, the balance is its sum.

    `payment_id` is the payment that was too much, `refund_id` the refund that failed.
    """

    __tablename__ = "account_balance"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    at: Mapped[Instant]
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    reason: Mapped[Code]
    invoice_id: Mapped[int | None] = reference("invoice.id", index=False, nullable=True)
    credit_note_id: Mapped[int | None] = reference("credit_note.id", index=False, nullable=True)
    payment_id: Mapped[int | None] = reference("payment.id", index=False, nullable=True)
    refund_id: Mapped[int | None] = reference("refund.id", index=False, nullable=True)
    note: Mapped[LongText] = mapped_column(default="")
    __table_args__ = (
        one_of("reason", "overpayment", "credit_note", "used", "paid_back", "correction"),
        CheckConstraint(
            "CASE WHEN reason IN ('overpayment', 'credit_note') THEN amount_minor > 0"
            " WHEN reason IN ('used', 'paid_back') THEN amount_minor < 0"
            " ELSE amount_minor <> 0 END",
            name="amount",
        ),
        # A refund that failed and a payment too much are owed once, whatever comes twice.
        # (A correction of a payment: one that had gone and came back was too much by more.)
        UniqueConstraint("payment_id", "reason"),
        UniqueConstraint("refund_id"),
        Index("ix_account_balance_invoice_id", "invoice_id"),
    )


append_only(AccountBalance.__table__)


class AccountNote(db.Model):
    """What the vendor's people write down about a customer, for themselves: who and when with it.

    One that is taken away is kept, and shown to nobody.
    """

    __tablename__ = "account_note"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    at: Mapped[Instant]
    author_id: Mapped[int] = reference("person.id", index=False)
    text: Mapped[LongText]
    removed_at: Mapped[OptionalInstant]
    removed_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (Index("ix_account_note_account_id_id", "account_id", "id"),)


class AuditEvent(db.Model):
    """Who did what, when, with old and new values. Append-only."""

    __tablename__ = "audit_event"
    id: Mapped[Id]
    account_id: Mapped[int | None] = reference("account.id", index=False, nullable=True)
    at: Mapped[Instant]
    actor_kind: Mapped[Code]
    actor_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    actor_name: Mapped[Name]
    action: Mapped[Code]
    subject: Mapped[Name]
    old: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    new: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (
        one_of("actor_kind", "person", "staff", "system", "gateway"),
        Index("ix_audit_event_account_id_id", "account_id", "id"),
    )


append_only(AuditEvent.__table__)
