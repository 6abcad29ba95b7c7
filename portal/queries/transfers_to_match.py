"""The invoices that the entries of a bank statement may pay: found by indexes, however many there are.

One statement for a page of entries: those that a reference names (or one that differs by a slip),
those whose number stands in the text, and the open ones of the same amount. The same statement
reads what was booked by hand for them: an entry may tell of that money.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import and_, exists, or_, select, text, tuple_, union
from sqlalchemy.engine import Connection

from portal.domain.bank_statements import (
    SAME_MONEY_WITHIN,
    InvoiceToMatch,
    StatementEntry,
    TypedTransfer,
)
from portal.domain.money import Money
from portal.domain.payment_references import find_references, is_structured, valid_neighbours
from portal.models import Account, BankEntry, Invoice, Payment

__all__ = ["Candidate", "find_candidate", "list_candidates"]

_NUMBER = re.compile(r"(?<!\d)(\d{4})\D{0,3}(\d{5,8})(?!\d)")
_SAME_AMOUNT = 200
_MOST_KEYS = 2_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice that a transfer may be for, and whose it is."""

    invoice: InvoiceToMatch
    account_id: int
    account_name: str
    due_on: date


_CANDIDATE: Any = select(
    Invoice.id,
    Invoice.number,
    Invoice.payment_reference,
    Invoice.status,
    Invoice.gross_minor,
    Invoice.credited_minor,
    Invoice.paid_minor,
    Invoice.currency,
    Account.company_name,
    Account.id,
    Account.name,
    Invoice.due_on,
).join(Account, Account.id == Invoice.account_id)


def list_candidates(
    connection: Connection, entries: Iterable[StatementEntry], staff_id: int | None
) -> list[Candidate]:
    """What the entries may pay, or the bank took back, of the customers whom `staff_id` serves (None: of all)."""
    references: set[str] = set()
    numbers: set[tuple[int, int]] = set()
    amounts: set[int] = set()
    days: set[date] = set()
    for entry in entries:
        if entry.amount.minor > 0:
            amounts.add(entry.amount.minor)
        elif not entry.reversal:
            continue
        days.add(entry.received_on)
        for reference in (*find_references(entry.reference), *find_references(entry.text)):
            references.add(reference)
            if not is_structured(reference):
                references.update(valid_neighbours(reference))
        for year, sequence in _NUMBER.findall(f"{entry.reference} {entry.text}"):
            numbers.add((int(year), int(sequence)))
    wanted = _wanted(references, numbers, amounts)
    if not wanted:
        return []
    found = union(*wanted).subquery()
    query = (
        _CANDIDATE.add_columns(Payment.amount_minor, Payment.currency, Payment.received_on)
        .outerjoin(Payment, _was_typed(amounts, min(days), max(days)))
        .where(Invoice.id.in_(select(found.c.id)))
        .order_by(Invoice.id, Payment.id)
    )
    candidates: dict[int, Candidate] = {}
    for *row, minor, currency, received_on in connection.execute(_served(query, staff_id)):
        candidate = candidates.setdefault(row[0], _candidate(row))
        if received_on is not None:
            typed = TypedTransfer(Money(minor, currency), received_on)
            candidates[row[0]] = _with_typed(candidate, typed)
    return list(candidates.values())


def find_candidate(connection: Connection, typed: str, staff_id: int | None) -> Candidate | None:
    """The invoice that somebody names by its number or its reference, if they serve its customer."""
    compact = "".join(filter(str.isalnum, typed.upper()))
    query = _CANDIDATE.where(
        or_(
            Invoice.number == typed.strip().upper(),
            and_(
                text("invoice.payment_reference <> ''"),
                Invoice.payment_reference == compact,
            ),
        )
    )
    row = connection.execute(_served(query, staff_id)).first()
    return _candidate(row) if row is not None else None


def _wanted(references: set[str], numbers: set[tuple[int, int]], amounts: set[int]) -> list[Any]:
    """Selects of invoice ids, each of which an index answers."""
    wanted: list[Any] = []
    if references:
        wanted.append(
            select(Invoice.id).where(
                # Written out, so that both databases see that the partial index holds it.
                text("invoice.payment_reference <> ''"),
                Invoice.payment_reference.in_(sorted(references)[:_MOST_KEYS]),
            )
        )
    if numbers:
        wanted.append(
            select(Invoice.id).where(
                Invoice.series == "invoice",
                tuple_(Invoice.year, Invoice.sequence).in_(sorted(numbers)[:_MOST_KEYS]),
            )
        )
    if amounts:
        same = (
            select(Invoice.id)
            .where(
                text("invoice.status = 'open' AND invoice.payment_terms = 'bank_transfer'"),
                Invoice.gross_minor.in_(sorted(amounts)[:_MOST_KEYS]),
            )
            .order_by(Invoice.id)
            .limit(_SAME_AMOUNT)
        )
        wanted.append(select(same.subquery().c.id))
    return wanted


def _was_typed(amounts: set[int], first: date, last: date) -> Any:
    """What was booked by hand for the invoice, and may be money that entries of these days tell of."""
    # A file may hold any day of the calendar, also its first and last.
    since = max(first, date.min + SAME_MONEY_WITHIN) - SAME_MONEY_WITHIN
    until = min(last, date.max - SAME_MONEY_WITHIN) + SAME_MONEY_WITHIN
    from_bank = exists().where(BankEntry.payment_id == Payment.id).correlate(Payment)
    return and_(
        Payment.invoice_id == Invoice.id,
        Payment.kind == "bank_transfer",
        Payment.status == "succeeded",
        Payment.amount_minor.in_(sorted(amounts)[:_MOST_KEYS]),
        Payment.received_on.between(since, until),
        ~from_bank,
    )


def _with_typed(candidate: Candidate, typed: TypedTransfer) -> Candidate:
    invoice = candidate.invoice
    return replace(candidate, invoice=replace(invoice, typed=(*invoice.typed, typed)))


def _served(query: Any, staff_id: int | None) -> Any:
    return query if staff_id is None else query.where(Account.account_executive_id == staff_id)


def _candidate(row: Any) -> Candidate:
    (key, number, reference, status, gross, credited, paid, currency, payer, account_id, name,
     due_on) = row  # fmt: skip
    left = Money(max(gross - credited - paid, 0), currency)
    invoice = InvoiceToMatch(key, number, reference, status, left, payer)
    return Candidate(invoice, account_id, name, due_on)
