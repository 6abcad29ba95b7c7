"""Imported bank statements and their entries, for the pages that book them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.bank_statements import StatementEntry
from portal.domain.money import Money
from portal.models import Account, BankEntry, BankStatement, Invoice, Payment, Person

__all__ = [
    "EntryRow", "StatementRow", "get_entry", "get_statement", "list_entries", "list_statements",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One import; `known` entries had come with an earlier one, `waiting` are still to be decided."""

    id: int
    iban: str
    number: str
    currency: str
    file_name: str
    imported_at: datetime
    imported_by: str
    entries: int
    known: int
    waiting: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, and as what it was booked: `account_id` is None unless it was."""

    id: int
    statement_id: int
    entry: StatementEntry
    status: str
    account_id: int | None
    account_name: str | None
    invoice_number: str | None
    decided_by: str | None
    decided_at: datetime | None


_WAITING = (
    select(func.count())
    # Written out, so that both databases see that the partial index of what waits holds it.
    .where(text("bank_entry.status = 'waiting'"), BankEntry.statement_id == BankStatement.id)
    .correlate(BankStatement)
    .scalar_subquery()
)
_MINE: Any = bindparam("person_id", type_=BankStatement.imported_by_id.type)
# An account executive sees what they brought; a statement names the payers of all customers.
_STATEMENT = (
    select(
        BankStatement.id,
        BankStatement.iban,
        BankStatement.number,
        BankStatement.currency,
        BankStatement.file_name,
        BankStatement.imported_at,
        Person.name,
        BankStatement.entries,
        BankStatement.known,
        _WAITING,
    )
    .join(Person, Person.id == BankStatement.imported_by_id)
    .where(or_(_MINE.is_(None), BankStatement.imported_by_id == _MINE))
)
_STATEMENTS = (
    _STATEMENT.where(BankStatement.id < bindparam("before"))
    .order_by(BankStatement.id.desc())
    .limit(bindparam("limit"))
)
_ONE_STATEMENT = _STATEMENT.where(BankStatement.id == bindparam("statement_id"))

_BY = Person.__table__.alias("decided_by")
_ENTRY = (
    select(
        BankEntry.id,
        BankEntry.statement_id,
        BankEntry.key,
        BankEntry.booked_on,
        BankEntry.amount_minor,
        BankEntry.currency,
        BankEntry.payer_name,
        BankEntry.payer_iban,
        BankEntry.payer_reference,
        BankEntry.payer_text,
        BankEntry.is_reversal,
        BankEntry.status,
        Payment.account_id,
        Account.name,
        Invoice.number,
        _BY.c.name,
        BankEntry.decided_at,
    )
    .join(BankStatement, BankStatement.id == BankEntry.statement_id)
    .outerjoin(Payment, Payment.id == BankEntry.payment_id)
    .outerjoin(Account, Account.id == Payment.account_id)
    .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
    .outerjoin(_BY, _BY.c.id == BankEntry.decided_by_id)
    .where(or_(_MINE.is_(None), BankStatement.imported_by_id == _MINE))
)
_OF_STATEMENT = (
    _ENTRY.where(
        BankEntry.statement_id == bindparam("statement_id"), BankEntry.id > bindparam("after")
    )
    .order_by(BankEntry.id)
    .limit(bindparam("limit"))
)
_ENTRIES = {
    "all": _OF_STATEMENT,
    "waiting": _OF_STATEMENT.where(text("bank_entry.status = 'waiting'")),
}
_ONE_ENTRY = _ENTRY.where(and_(BankEntry.id == bindparam("entry_id")))


def list_statements(
    connection: Connection, person_id: int | None, *, before: int, limit: int
) -> list[StatementRow]:
    """The imports with ids below `before`, the latest first; of `person_id` alone unless None."""
    values = {"person_id": person_id, "before": before, "limit": limit}
    return [StatementRow(*row) for row in fetch_all(connection, _STATEMENTS, **values)]


def get_statement(
    connection: Connection, statement_id: int, person_id: int | None
) -> StatementRow | None:
    """One import, or None where there is none that the person may see."""
    row = fetch_first(connection, _ONE_STATEMENT, statement_id=statement_id, person_id=person_id)
    return StatementRow(*row) if row is not None else None


def list_entries(
    connection: Connection,
    statement_id: int,
    person_id: int | None,
    *,
    which: str,
    after: int,
    limit: int,
) -> list[EntryRow]:
    """A page of a statement's entries in the bank's order; `which`: those that wait, or all."""
    rows = fetch_all(connection, _ENTRIES[which], statement_id=statement_id, person_id=person_id,
                     after=after, limit=limit)  # fmt: skip
    return [_entry(row) for row in rows]


def get_entry(connection: Connection, entry_id: int, person_id: int | None) -> EntryRow | None:
    """One entry, or None."""
    row = fetch_first(connection, _ONE_ENTRY, entry_id=entry_id, person_id=person_id)
    return _entry(row) if row is not None else None


def _entry(row: Any) -> EntryRow:
    (key, statement_id, bank_key, booked_on, minor, currency, payer, iban, reference, words,
     is_reversal, *rest) = row  # fmt: skip
    entry = StatementEntry(bank_key, booked_on, Money(minor, currency), payer, iban, reference,
                           words, is_reversal)  # fmt: skip
    return EntryRow(key, statement_id, entry, *rest)
