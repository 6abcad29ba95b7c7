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
    """One an account. `balance` is the sum of its entries, never negative at any commit (W1).

    Below `threshold` credits a pack is bought by itself, for `monthly_cap_minor` gross a month at
    most, and not before `next_try_at` (W3). `top_up_asked`: a job looks after it already.
    """

    __tablename__ = "wallet"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    balance: Mapped[int] = mapped_column(default=0)
    auto_top_up: Mapped[bool] = mapped_column(default=False)
    threshold: Mapped[int | None]
    pack_key: Mapped[str | None] = mapped_column(String(40))
    monthly_cap_minor: Mapped[Minor | None]
    declines: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[OptionalInstant]
    top_up_asked: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (
        UniqueConstraint("account_id"),
        CheckConstraint("balance >= 0", name="balance"),
        CheckConstraint(
            "NOT auto_top_up OR (threshold IS NOT NULL AND pack_key IS NOT NULL"
            " AND monthly_cap_minor IS NOT NULL)",
            name="auto_top_up",
        ),
        # The wallets that may want credits.
        Index(
            "ix_wallet_auto_top_up",
            "id",
            sqlite_where=text("auto_top_up"),
            postgresql_where=text("auto_top_up"),
        ),
    )


class TopUp(db.Model):
    """One automatic purchase of credits; one is open a wallet at a time (W3).

    Stored before the charge, with all that its invoice will say: `amount_minor` is gross and counts
    towards the cap of `month`, the first day of the account's local month, unless it failed.
    """

    __tablename__ = "top_up"
    id: Mapped[Id]
    wallet_id: Mapped[int] = reference("wallet.id")
    pack_key: Mapped[Code]
    credits: Mapped[int]
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    tax: Mapped[dict[str, Any]] = mapped_column(JSON)
    buyer: Mapped[dict[str, Any]] = mapped_column(JSON)
    month: Mapped[date]
    status: Mapped[Code]
    failure_code: Mapped[str | None] = mapped_column(String(60))
    invoice_id: Mapped[int | None] = reference("invoice.id", index=False, nullable=True)
    created_at: Mapped[Instant]
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("status", "open", "done", "failed"),
        CheckConstraint("amount_minor = net_minor + tax_minor AND amount_minor > 0", name="amount"),
        # A top-up is invoiced once (I3), and only where its credits arrived.
        UniqueConstraint("invoice_id"),
        CheckConstraint("(status = 'done') = (invoice_id IS NOT NULL)", name="invoice"),
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
        # What was used of a kind in a month is answered by this index alone.
        Index("ix_credit_entry_use", "wallet_id", "usage_kind", "at", "change"),
    )


append_only(CreditEntry.__table__)


class CreditGrant(db.Model):
    """Credits that the vendor's people give away, with the reason; above a limit two of them do.

    waiting → approved | declined | withdrawn; one within the limit is approved at once, by nobody
    else. `entry_id` is the booking, once.
    """

    __tablename__ = "credit_grant"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    credits: Mapped[int]
    reason: Mapped[LongText]
    status: Mapped[Code]
    asked_by_id: Mapped[int] = reference("person.id", index=False)
    asked_at: Mapped[Instant]
    decided_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    decided_at: Mapped[OptionalInstant]
    answer: Mapped[LongText] = mapped_column(default="")
    entry_id: Mapped[int | None] = reference("credit_entry.id", index=False, nullable=True)
    __table_args__ = (
        one_of("status", "waiting", "approved", "declined", "withdrawn"),
        CheckConstraint("credits > 0", name="credits"),
        CheckConstraint("(status = 'approved') = (entry_id IS NOT NULL)", name="entry"),
        # Whoever asked does not decide; but everybody takes back what they asked for.
        CheckConstraint(
            "status NOT IN ('approved', 'declined') OR decided_by_id IS NULL"
            " OR decided_by_id <> asked_by_id",
            name="second_person",
        ),
        UniqueConstraint("entry_id"),
        Index("ix_credit_grant_account_id_id", "account_id", "id"),
        Index(
            "ix_credit_grant_waiting",
            "asked_at",
            "id",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
    )
