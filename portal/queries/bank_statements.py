"""Imported bank statements and their entries, for the pages that book them.

A statement names the payers of all customers. An account executive sees the imports that they
brought, and of all imports the entries of their own customers; an entry of which it is open whose
it is is seen by who brought it. Operators see everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ScalarSelect,
    and_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.bank_statements import StatementEntry
from portal.domain.money import Money
from portal.models import Account, BankEntry, BankStatement, Invoice, Payment, Person

__all__ = [
    "EntryRow", "Reader", "StatementRow", "count_waiting", "get_entry", "get_statement",
    "list_entries", "list_statements", "list_waiting", "of_reader", "waiting_entries",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """The person at the desk; `staff_id` is None for who serves everyone."""

    person_id: int
    staff_id: int | None


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One import; `known` entries had come with an earlier one, `waiting` are for the reader to decide.

    `elsewhere` is how many others see in its place, as they serve the customers; a list leaves it 0.
    """

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
    elsewhere: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry, whose it is or seems to be, and as what it was booked."""

    id: int
    statement_id: int
    entry: StatementEntry
    status: str
    account_id: int | None
    account_name: str | None
    invoice_number: str | None
    decided_by: str | None
    decided_at: datetime | None


# Written out, so that both databases see that the partial indexes of what waits hold it.
_WAITS = text("bank_entry.status = 'waiting'")
_IMPORTED_BY_READER = BankStatement.imported_by_id == bindparam("person_id")
_SERVED_BY_READER = Account.account_executive_id == bindparam("staff_id")
_IS_READERS = or_(
    _SERVED_BY_READER, and_(BankEntry.account_id.is_(None), _IMPORTED_BY_READER)
)  # fmt: skip


def _count_entries(*conditions: Any) -> Any:
    return (
        select(func.count())
        .select_from(BankEntry)
        .outerjoin(Account, Account.id == BankEntry.account_id)
        .where(BankEntry.statement_id == BankStatement.id, *conditions)
        .correlate(BankStatement)
        .scalar_subquery()
    )


@cache
def _statement(is_everyone: bool, is_one: bool) -> Any:
    waiting = (_WAITS,) if is_everyone else (_WAITS, _IS_READERS)
    # A customer that nobody serves has no account executive: unknown is not the reader's.
    others = and_(BankEntry.account_id.is_not(None), not_(func.coalesce(_SERVED_BY_READER, False)))
    found = select(
        BankStatement.id,
        BankStatement.iban,
        BankStatement.number,
        BankStatement.currency,
        BankStatement.file_name,
        BankStatement.imported_at,
        Person.name,
        BankStatement.entries,
        BankStatement.known,
        _count_entries(*waiting),
        _count_entries(others) if is_one and not is_everyone else literal(0),
    ).join(Person, Person.id == BankStatement.imported_by_id)
    if not is_everyone:
        found = found.where(_IMPORTED_BY_READER)
    if is_one:
        return found.where(BankStatement.id == bindparam("statement_id"))
    return (
        found.where(BankStatement.id < bindparam("before"))
        .order_by(BankStatement.id.desc())
        .limit(bindparam("limit"))
    )


_BY = Person.__table__.alias("decided_by")
_ENTRY: Any = (
    select(
        BankEntry.id,
        BankEntry.statement_id,
        BankEntry.key,
        BankEntry.booked_on,
        BankEntry.valued_on,
        BankEntry.amount_minor,
        BankEntry.currency,
        BankEntry.payer_name,
        BankEntry.payer_iban,
        BankEntry.payer_reference,
        BankEntry.payer_text,
        BankEntry.is_reversal,
        BankEntry.status,
        Account.id,
        Account.name,
        Invoice.number,
        _BY.c.name,
        BankEntry.decided_at,
    )
    .join(BankStatement, BankStatement.id == BankEntry.statement_id)
    .outerjoin(Account, Account.id == BankEntry.account_id)
    .outerjoin(Payment, Payment.id == BankEntry.payment_id)
    .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
    .outerjoin(_BY, _BY.c.id == BankEntry.decided_by_id)
)


def _seen(statement: Any, is_everyone: bool) -> Any:
    return statement if is_everyone else statement.where(_IS_READERS)


@cache
def _of_statement(is_everyone: bool, which: str) -> Any:
    found = _ENTRY.where(
        BankEntry.statement_id == bindparam("statement_id"), BankEntry.id > bindparam("after")
    )
    if which == "waiting":
        found = found.where(_WAITS)
    found = _seen(found, is_everyone)
    return found.order_by(BankEntry.id).limit(bindparam("limit"))


@cache
def _one_entry(is_everyone: bool) -> Any:
    return _seen(_ENTRY.where(BankEntry.id == bindparam("entry_id")), is_everyone)


@cache
def _waiting_ids(is_everyone: bool) -> Any:
    """What waits for the reader: each part by an index of its own, of what waits alone."""
    waits = select(BankEntry.id).where(_WAITS)
    if is_everyone:
        return waits.subquery()
    return union_all(
        waits.join(Account, Account.id == BankEntry.account_id).where(_SERVED_BY_READER),
        waits.join(BankStatement, BankStatement.id == BankEntry.statement_id).where(
            BankEntry.account_id.is_(None), _IMPORTED_BY_READER
        ),
    ).subquery()


@cache
def _waiting(is_everyone: bool) -> Any:
    mine = _waiting_ids(is_everyone)
    return (
        _ENTRY.join(mine, mine.c.id == BankEntry.id)
        .where(BankEntry.id > bindparam("after"))
        .order_by(BankEntry.id)
        .limit(bindparam("limit"))
    )


def waiting_entries(is_everyone: bool) -> ScalarSelect[int]:
    """How many entries wait for the reader, as a part of another statement; `of_reader` binds it."""
    return select(func.count()).select_from(_waiting_ids(is_everyone)).scalar_subquery()


@cache
def _count_waiting(is_everyone: bool) -> Any:
    return select(waiting_entries(is_everyone))


def list_statements(
    connection: Connection, reader: Reader, *, before: int, limit: int
) -> list[StatementRow]:
    """The imports that the reader brought (an operator: all) with ids below `before`, the latest first."""
    query = _statement(reader.staff_id is None, False)
    rows = fetch_all(connection, query, **of_reader(reader), before=before, limit=limit)
    return [StatementRow(*row) for row in rows]


def get_statement(connection: Connection, statement_id: int, reader: Reader) -> StatementRow | None:
    """One import, or None where there is none that the reader brought."""
    query = _statement(reader.staff_id is None, True)
    row = fetch_first(connection, query, **of_reader(reader), statement_id=statement_id)
    return StatementRow(*row) if row is not None else None


def list_entries(
    connection: Connection, statement_id: int, reader: Reader, *, which: str, after: int, limit: int
) -> list[EntryRow]:
    """A page of a statement's entries in the bank's order; `which`: those that wait, or all."""
    query = _of_statement(reader.staff_id is None, which)
    rows = fetch_all(connection, query, **of_reader(reader), statement_id=statement_id, after=after,
                     limit=limit)  # fmt: skip
    return [_entry(row) for row in rows]


def list_waiting(
    connection: Connection, reader: Reader, *, after: int, limit: int
) -> list[EntryRow]:
    """What waits for the reader, whoever imported it, the oldest first."""
    query = _waiting(reader.staff_id is None)
    return [
        _entry(row)
        for row in fetch_all(connection, query, **of_reader(reader), after=after, limit=limit)
    ]


def count_waiting(connection: Connection, reader: Reader) -> int:
    """How many entries wait for the reader."""
    row = fetch_first(connection, _count_waiting(reader.staff_id is None), **of_reader(reader))
    assert row is not None
    return int(row[0])


def get_entry(connection: Connection, entry_id: int, reader: Reader) -> EntryRow | None:
    """One entry, or None where the reader does not see it."""
    row = fetch_first(connection, _one_entry(reader.staff_id is None), **of_reader(reader),
                      entry_id=entry_id)  # fmt: skip
    return _entry(row) if row is not None else None


def of_reader(reader: Reader) -> dict[str, int]:
    """What the statements of this module bind for the reader."""
    if reader.staff_id is None:
        return {}
    return {"person_id": reader.person_id, "staff_id": reader.staff_id}


def _entry(row: Any) -> EntryRow:
    (key, statement_id, bank_key, booked_on, valued_on, minor, currency, payer, iban, reference,
     words, is_reversal, *rest) = row  # fmt: skip
    entry = StatementEntry(bank_key, booked_on, Money(minor, currency), payer, iban, reference,
                           words, is_reversal, valued_on)  # fmt: skip
    return EntryRow(key, statement_id, entry, *rest)
