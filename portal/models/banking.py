"""Bank statements that were imported, and what became of each of their entries."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
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
    one_of,
    reference,
)


class BankStatement(db.Model):
    """One import of a file for one of the vendor's bank accounts; `number` is the bank's.

    It holds the entries that no earlier import had: a statement imported twice brings nothing.
    """

    __tablename__ = "bank_statement"
    id: Mapped[Id]
    iban: Mapped[str] = mapped_column(String(34))
    number: Mapped[str] = mapped_column(String(40), default="")
    currency: Mapped[str] = mapped_column(String(3), default="")
    file_name: Mapped[Name] = mapped_column(default="")
    imported_at: Mapped[Instant]
    imported_by_id: Mapped[int] = reference("person.id", index=False)
    entries: Mapped[int]
    known: Mapped[int] = mapped_column(default=0)
    __table_args__ = (Index("ix_bank_statement_imported_by_id", "imported_by_id", "id"),)


class BankEntry(db.Model):
    """One movement of the bank account. `key` is the same whenever the bank tells it again.

    waiting → booked (as `payment_id`) | set_aside (not a customer's payment of ours, or seen to in
    another way), and back to waiting from there. Money that left the account is `outgoing`,
    unless the bank took a transfer back: somebody has to know.
    `account_id` is the customer whose payment it is, or seems to be: who serves that one sees it,
    whoever imported it. Where it is open whose it is, the importer sees it.
    """

    __tablename__ = "bank_entry"
    id: Mapped[Id]
    statement_id: Mapped[int] = reference("bank_statement.id", index=False)
    key: Mapped[str] = mapped_column(String(60), unique=True)
    booked_on: Mapped[date]
    valued_on: Mapped[date | None]
    amount_minor: Mapped[Minor]
    currency: Mapped[Currency]
    payer_name: Mapped[str] = mapped_column(String(140), default="")
    payer_iban: Mapped[str] = mapped_column(String(34), default="")
    payer_reference: Mapped[str] = mapped_column(String(140), default="")
    payer_text: Mapped[LongText] = mapped_column(default="")
    is_reversal: Mapped[bool] = mapped_column(default=False)
    status: Mapped[Code]
    account_id: Mapped[int | None] = reference("account.id", index=False, nullable=True)
    payment_id: Mapped[int | None] = reference("payment.id", index=False, nullable=True)
    decided_at: Mapped[OptionalInstant]
    decided_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (
        one_of("status", "waiting", "booked", "set_aside", "outgoing"),
        CheckConstraint("(status = 'booked') = (payment_id IS NOT NULL)", name="payment"),
        UniqueConstraint("payment_id"),
        Index("ix_bank_entry_statement_id_id", "statement_id", "id"),
        Index(
            "ix_bank_entry_waiting",
            "statement_id",
            "id",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "ix_bank_entry_waiting_account_id",
            "account_id",
            "id",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
    )
