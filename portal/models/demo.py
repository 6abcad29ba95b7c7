"""Tables that only the demo fills: its mailbox and the books of its payment provider."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import Code, Id, Instant, LongText, one_of


class DemoMail(db.Model):
    """An e-mail that the demo sent to its own mailbox instead of the world."""

    __tablename__ = "demo_mail"
    id: Mapped[Id]
    sent_at: Mapped[Instant]
    recipient: Mapped[str] = mapped_column(String(254))
    sender: Mapped[str] = mapped_column(String(254))
    reply_to: Mapped[str] = mapped_column(String(254), default="")
    subject: Mapped[LongText]
    locale: Mapped[Code]
    text_body: Mapped[LongText]
    html_body: Mapped[LongText]
    message_id: Mapped[str] = mapped_column(String(200))
    attachments: Mapped[list[Any]] = mapped_column(JSON)


class DemoObject(db.Model):
    """One object in the books of the demo's payment provider: a customer, a charge, a dispute."""

    __tablename__ = "demo_object"
    id: Mapped[Id]
    ref: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[Code]
    status: Mapped[Code]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[Instant]
    __table_args__ = (one_of("kind", "customer", "method", "setup", "charge", "refund", "dispute"),)


class DemoReplay(db.Model):
    """The provider's memory of idempotency keys: the first answer is given again."""

    __tablename__ = "demo_replay"
    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(120))
    request: Mapped[str] = mapped_column(String(64))
    ref: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[Instant]
    __table_args__ = (UniqueConstraint("key"),)
