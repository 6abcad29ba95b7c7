"""The invoices that the entries of a bank statement may pay: found by indexes, however many there are.

One statement for a page of entries: those that a reference names (or one that differs by a slip),
those whose number stands in the text, and the open ones of the same amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, or_, select, text, tuple_, union
from sqlalchemy.engine import Connection

from portal.domain.bank_statements import InvoiceToMatch, StatementEntry
from portal.domain.money import Money
from portal.domain.payment_references import find_references, is_structured, valid_neighbours
from portal.models import Account, Invoice

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
    """What the entries may pay, of the customers whom `staff_id` serves (None: of all)."""
    references: set[str] = set()
    numbers: set[tuple[int, int]] = set()
    amounts: set[int] = set()
    for entry in entries:
        if entry.amount.minor <= 0:
            continue
        amounts.add(entry.amount.minor)
        for reference in (*find_references(entry.reference), *find_references(entry.text)):
            references.add(reference)
            if not is_structured(reference):
                references.update(valid_neighbours(reference))
        for year, sequence in _NUMBER.findall(f"{entry.reference} {entry.text}"):
            numbers.add((int(year), int(sequence)))
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
    if not wanted:
        return []
    found = union(*wanted).subquery()
    query = _CANDIDATE.where(Invoice.id.in_(select(found.c.id))).order_by(Invoice.id)
    return [_candidate(row) for row in connection.execute(_served(query, staff_id))]


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


def _served(query: Any, staff_id: int | None) -> Any:
    return query if staff_id is None else query.where(Account.account_executive_id == staff_id)


def _candidate(row: Any) -> Candidate:
    (key, number, reference, status, gross, credited, paid, currency, payer, account_id, name,
     due_on) = row  # fmt: skip
    left = Money(max(gross - credited - paid, 0), currency)
    invoice = InvoiceToMatch(key, number, reference, status, left, payer)
    return Candidate(invoice, account_id, name, due_on)
