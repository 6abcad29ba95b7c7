"""How accounts pay, what was collected, and what the provider told us."""

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
    OptionalInstant,
    one_of,
    reference,
)


class PaymentMethod(db.Model):
    """A confirmed card or SEPA debit; never a number, only what may be shown. One default each."""

    __tablename__ = "payment_method"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    kind: Mapped[Code]
    gateway_ref: Mapped[str] = mapped_column(String(120), unique=True)
    brand: Mapped[str] = mapped_column(String(40), default="")
    last4: Mapped[str] = mapped_column(String(4))
    expires_year: Mapped[int | None]
    expires_month: Mapped[int | None]
    funding: Mapped[str] = mapped_column(String(20), default="")
    mandate_ref: Mapped[str] = mapped_column(String(120), default="")
    is_default: Mapped[bool]
    added_at: Mapped[Instant]
    removed_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("kind", "card", "sepa_debit"),
        Index(
            "uq_payment_method_default",
            "account_id",
            unique=True,
            sqlite_where=text("is_default AND removed_at IS NULL"),
            postgresql_where=text("is_default AND removed_at IS NULL"),
        ),
    )


class MethodSetup(db.Model):
    """One visit to the provider's page to save a method; its key is stored before the call."""

    __tablename__ = "method_setup"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    person_id: Mapped[int] = reference("person.id", index=False)
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    gateway_ref: Mapped[str | None] = mapped_column(String(120), unique=True)
    page_url: Mapped[LongText] = mapped_column(default="")
    return_path: Mapped[LongText]
    status: Mapped[Code]
    refusal: Mapped[str | None] = mapped_column(String(40))
    payment_method_id: Mapped[int | None] = reference(
        "payment_method.id", index=False, nullable=True
    )
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (one_of("status", "reserved", "open", "completed", "refused", "cancelled"),)


class Payment(db.Model):
    """Money for one order or one invoice, however many attempts it takes."""

    __tablename__ = "payment"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    order_id: Mapped[int | None] = reference("customer_order.id", nullable=True)
    invoice_id: Mapped[int | None] = reference("invoice.id", nullable=True)
    top_up_id: Mapped[int | None] = reference("top_up.id", index=False, nullable=True)
    kind: Mapped[Code]
    amount_minor: Mapped[Minor]
    refunded_minor: Mapped[Minor] = mapped_column(default=0)
    currency: Mapped[Currency]
    status: Mapped[Code]
    method_id: Mapped[int | None] = reference("payment_method.id", index=False, nullable=True)
    bank_reference: Mapped[str] = mapped_column(String(140), default="")
    received_on: Mapped[date | None]
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("kind", "automatic", "bank_transfer"),
        one_of("status", "unresolved", "pending", "succeeded", "failed", "cancelled", "reversed"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded"),
    )


class PaymentAttempt(db.Model):
    """One call that may move money: stored with its key before the call (M1).

    The attempts of one payment are tries of one charge: they share its `gateway_ref`. `on_session`:
    somebody waits on screen, and may be asked to confirm with the bank.
    """

    __tablename__ = "payment_attempt"
    id: Mapped[Id]
    payment_id: Mapped[int] = reference("payment.id", index=False)
    number: Mapped[int]
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    method_id: Mapped[int] = reference("payment_method.id", index=False)
    status: Mapped[Code]
    gateway_ref: Mapped[str | None] = mapped_column(String(120), index=True)
    action_url: Mapped[LongText] = mapped_column(default="")
    decline_code: Mapped[str | None] = mapped_column(String(60))
    advice_code: Mapped[str | None] = mapped_column(String(60))
    on_session: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        UniqueConstraint("payment_id", "number"),
        one_of(
            "status",
            "reserved",
            "unknown",
            "requires_action",
            "processing",
            "succeeded",
            "declined",
            "cancelled",
        ),
    )


class Refund(db.Model):
    """Money given back for a credit note, to the original method: stored before the call (M6, M1).

    `Payment.refunded_minor` counts it from here on, and not any more once it has failed.
    """

    __tablename__ = "refund"
    id: Mapped[Id]
    payment_id: Mapped[int] = reference("payment.id")
    credit_note_id: Mapped[int] = reference("credit_note.id")
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    idempotency_key: Mapped[str] = mapped_column(String(80), unique=True)
    gateway_ref: Mapped[str | None] = mapped_column(String(120), unique=True)
    status: Mapped[Code]
    failure_code: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("status", "reserved", "unknown", "pending", "succeeded", "failed"),
        CheckConstraint("amount_minor > 0", name="amount"),
        UniqueConstraint("payment_id", "credit_note_id"),
        Index(
            "ix_refund_unsettled",
            "id",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )


class PaymentDispute(db.Model):
    """A payment that the customer disputes at its bank: while its money is gone the payment is
    `reversed`, and one that is won is undone (M4)."""

    __tablename__ = "payment_dispute"
    id: Mapped[Id]
    payment_id: Mapped[int] = reference("payment.id")
    gateway_ref: Mapped[str] = mapped_column(String(120), unique=True)
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    state: Mapped[Code]
    reason: Mapped[str] = mapped_column(String(60), default="")
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("state", "opened", "taken", "lost", "won"),
        Index(
            "ix_payment_dispute_unsettled",
            "id",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )


class GatewayEvent(db.Model):
    """A webhook, kept with its effect in one transaction: the same event works once (M2)."""

    __tablename__ = "gateway_event"
    id: Mapped[Id]
    event_id: Mapped[str] = mapped_column(String(120), unique=True)
    type: Mapped[str] = mapped_column(String(80))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    received_at: Mapped[Instant]
    outcome: Mapped[Code]
