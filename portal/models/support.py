"""What customers write to the vendor and hear from it; the service packages they asked for."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy import text as sql
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


class SupportMessage(db.Model):
    """A message to the vendor, and where it stands: new until it is answered, or closed.

    Whatever is said after it is a SupportReply; one of the customer makes it new again.
    """

    __tablename__ = "support_message"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    author_id: Mapped[int] = reference("person.id", index=False)
    about: Mapped[Name]
    text: Mapped[LongText]
    status: Mapped[Code]
    sent_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    __table_args__ = (
        one_of("status", "new", "answered", "closed"),
        Index("ix_support_message_account_id_id", "account_id", "id"),
        # The desk's lists: what waits for an answer, is answered, or closed, by its age.
        Index("ix_support_message_status_changed_at_id", "status", "changed_at", "id"),
    )


class SupportReply(db.Model):
    """What was said after a message, either way. Append-only."""

    __tablename__ = "support_reply"
    id: Mapped[Id]
    message_id: Mapped[int] = reference("support_message.id")
    at: Mapped[Instant]
    author_id: Mapped[int] = reference("person.id", index=False)
    from_staff: Mapped[bool]
    text: Mapped[LongText]


append_only(SupportReply.__table__)


class ServiceRequest(db.Model):
    """A service package that an account asked for or bought: one open request a package.

    A bought one has the line of its order; of those there may be several, as each was paid.
    `wishes` are the customer's words, `answer` the vendor's latest.
    """

    __tablename__ = "service_request"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    package_key: Mapped[Code]
    status: Mapped[Code]
    wishes: Mapped[LongText] = mapped_column(default="")
    answer: Mapped[LongText] = mapped_column(default="")
    asked_by_id: Mapped[int] = reference("person.id", index=False)
    order_line_id: Mapped[int | None] = reference("order_line.id", index=False, nullable=True)
    asked_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("status", "asked", "confirmed", "ordered", "done", "declined", "withdrawn"),
        UniqueConstraint("order_line_id"),
        Index("ix_service_request_account_id_id", "account_id", "id"),
        Index(
            "uq_service_request_open",
            "account_id",
            "package_key",
            unique=True,
            sqlite_where=sql("closed_at IS NULL AND order_line_id IS NULL"),
            postgresql_where=sql("closed_at IS NULL AND order_line_id IS NULL"),
        ),
        # The desk's lists: what is open by its age, and what is closed.
        Index(
            "ix_service_request_waiting",
            "changed_at",
            "id",
            sqlite_where=sql("closed_at IS NULL"),
            postgresql_where=sql("closed_at IS NULL"),
        ),
        Index(
            "ix_service_request_closed",
            "closed_at",
            "id",
            sqlite_where=sql("closed_at IS NOT NULL"),
            postgresql_where=sql("closed_at IS NOT NULL"),
        ),
    )
