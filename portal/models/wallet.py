"""Credits: the wallet, its append-only entries, top-ups."""

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
    append_only,
    one_of,
    reference,
)


class Wallet(db.Model):
    """One an account. `balance` is the sum of its entries, never negative at any commit (W1)."""

    __tablename__ = "wallet"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    balance: Mapped[int] = mapped_column(default=0)
    auto_top_up: Mapped[bool] = mapped_column(default=False)
    threshold: Mapped[int | None]
    pack_key: Mapped[str | None] = mapped_column(String(40))
    monthly_cap_minor: Mapped[int | None]
    declines: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[OptionalInstant]
    __table_args__ = (
        UniqueConstraint("account_id"),
        CheckConstraint("balance >= 0", name="balance"),
    )


class TopUp(db.Model):
    """One automatic purchase of credits; one is open a wallet at a time (W3)."""

    __tablename__ = "top_up"
    id: Mapped[Id]
    wallet_id: Mapped[int] = reference("wallet.id")
    pack_key: Mapped[Code]
    credits: Mapped[int]
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    month: Mapped[date]
    status: Mapped[Code]
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("status", "open", "done", "failed"),
        Index(
            "uq_top_up_open",
            "wallet_id",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )


class CreditEntry(db.Model):
    """One booking of credits; the key makes a usage debit work once (W2). Append-only."""

    __tablename__ = "credit_entry"
    id: Mapped[Id]
    wallet_id: Mapped[int] = reference("wallet.id", index=False)
    at: Mapped[Instant]
    change: Mapped[int]
    balance_after: Mapped[int]
    reason: Mapped[Code]
    usage_kind: Mapped[str | None] = mapped_column(String(40))
    idempotency_key: Mapped[str | None] = mapped_column(String(120))
    order_line_id: Mapped[int | None] = reference("order_line.id", index=False, nullable=True)
    top_up_id: Mapped[int | None] = reference("top_up.id", index=False, nullable=True)
    note: Mapped[LongText] = mapped_column(default="")
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    actor_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (
        UniqueConstraint("wallet_id", "idempotency_key"),
        UniqueConstraint("order_line_id"),
        UniqueConstraint("top_up_id"),
        one_of("reason", "purchase", "top_up", "usage", "manual", "correction"),
        CheckConstraint("balance_after >= 0", name="balance_after"),
        Index("ix_credit_entry_wallet_id_id", "wallet_id", "id"),
    )


append_only(CreditEntry.__table__)
