"""Work for later: messages to deliver and jobs to run, written in the transaction that causes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import Code, Id, Instant, LongText, OptionalInstant, one_of, reference


class OutboxMessage(db.Model):
    """An e-mail or a webhook to deliver, at least once; `dedupe_key` keeps one from being written twice."""

    __tablename__ = "outbox_message"
    id: Mapped[Id]
    account_id: Mapped[int | None] = reference("account.id", nullable=True)
    kind: Mapped[Code]
    topic: Mapped[Code]
    recipient: Mapped[str] = mapped_column(String(254), default="")
    locale: Mapped[Code] = mapped_column(default="en")
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    dedupe_key: Mapped[str | None] = mapped_column(String(160), unique=True)
    status: Mapped[Code]
    created_at: Mapped[Instant]
    available_at: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[OptionalInstant]
    fence: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[OptionalInstant]
    last_error: Mapped[LongText] = mapped_column(default="")
    __table_args__ = (
        one_of("kind", "mail", "entitlement"),
        one_of("status", "waiting", "delivered", "failed"),
        Index(
            "ix_outbox_message_waiting",
            "available_at",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "ix_outbox_message_failed",
            "id",
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
    )


class Job(db.Model):
    """Background work; claimed with a lease and a fence, so that a worker that died is replaced."""

    __tablename__ = "job"
    id: Mapped[Id]
    kind: Mapped[Code]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    dedupe_key: Mapped[str | None] = mapped_column(String(160), unique=True)
    status: Mapped[Code]
    run_at: Mapped[Instant]
    created_at: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[OptionalInstant]
    fence: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[OptionalInstant]
    last_error: Mapped[LongText] = mapped_column(default="")
    __table_args__ = (
        one_of("status", "waiting", "done", "failed"),
        Index(
            "ix_job_waiting",
            "run_at",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "ix_job_failed",
            "id",
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
    )


class DeskTask(db.Model):
    """Something the vendor's staff must look at: an overdue order, an overhang, a failed job (Q6, S7)."""

    __tablename__ = "desk_task"
    id: Mapped[Id]
    account_id: Mapped[int | None] = reference("account.id", nullable=True)
    kind: Mapped[Code]
    dedupe_key: Mapped[str] = mapped_column(String(160), unique=True)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[Instant]
    done_at: Mapped[OptionalInstant]
    done_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (
        Index(
            "ix_desk_task_open",
            "created_at",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        Index(
            "ix_desk_task_done",
            "done_at",
            "id",
            sqlite_where=text("done_at IS NOT NULL"),
            postgresql_where=text("done_at IS NOT NULL"),
        ),
    )
