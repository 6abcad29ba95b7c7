"""What a bank-transfer customer asks of the account executive, its steps, and what was said."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Id,
    Instant,
    LongText,
    Name,
    OptionalInstant,
    append_only,
    one_of,
    reference,
)

STATUSES = (
    "sent",
    "preparing",
    "invoiced",
    "paid",
    "done",
    "confirmed",
    "declined",
    "withdrawn",
)


class ChangeRequest(db.Model):
    """What a bank-transfer customer asks of the account executive; `sent_on` counts for S4.

    `quantity` is how many licences more or fewer. `target` is the plan's key or the billing period
    that is wanted; `effective_on` the renewal from which a confirmed change counts. `version` grows
    with every step, so a stale click is noticed.
    """

    __tablename__ = "change_request"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    kind: Mapped[Code]
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    quantity: Mapped[int | None]
    target: Mapped[Code] = mapped_column(default="")
    details: Mapped[LongText]
    purchase_order: Mapped[Name] = mapped_column(default="")
    status: Mapped[Code]
    sent_at: Mapped[Instant]
    sent_on: Mapped[date]
    sent_by_id: Mapped[int] = reference("person.id", index=False)
    handled_by_id: Mapped[int | None] = reference("staff_member.id", index=False, nullable=True)
    quote_id: Mapped[int | None] = reference("quote.id", index=False, nullable=True)
    invoice_id: Mapped[int | None] = reference("invoice.id", index=False, nullable=True)
    effective_on: Mapped[date | None]
    decline_reason: Mapped[LongText] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)
    closed_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("kind", "more_seats", "fewer_seats", "plan", "period", "other"),
        one_of("status", *STATUSES),
        Index("ix_change_request_account_id_id", "account_id", "id"),
        Index(
            "ix_change_request_open",
            "sent_at",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_change_request_closed",
            "closed_at",
            "id",
            sqlite_where=text("closed_at IS NOT NULL"),
            postgresql_where=text("closed_at IS NOT NULL"),
        ),
        Index(
            "ix_change_request_quote_id",
            "quote_id",
            sqlite_where=text("quote_id IS NOT NULL"),
            postgresql_where=text("quote_id IS NOT NULL"),
        ),
        Index(
            "ix_change_request_invoice_id",
            "invoice_id",
            sqlite_where=text("invoice_id IS NOT NULL"),
            postgresql_where=text("invoice_id IS NOT NULL"),
        ),
    )


class RequestStep(db.Model):
    """One step of a change request: the status it came to, by whom. Append-only.

    `author_id` is None where the portal took it by itself.
    """

    __tablename__ = "request_step"
    id: Mapped[Id]
    request_id: Mapped[int] = reference("change_request.id")
    at: Mapped[Instant]
    status: Mapped[Code]
    author_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    from_staff: Mapped[bool]
    __table_args__ = (one_of("status", *STATUSES),)


class RequestMessage(db.Model):
    """One message of a change request, either way. Append-only."""

    __tablename__ = "request_message"
    id: Mapped[Id]
    request_id: Mapped[int] = reference("change_request.id")
    at: Mapped[Instant]
    author_id: Mapped[int] = reference("person.id", index=False)
    from_staff: Mapped[bool]
    text: Mapped[LongText]


append_only(RequestStep.__table__)
append_only(RequestMessage.__table__)
