"""Whether the books agree: invoices, payments, seats, balances, wallets, and the provider's records.

Everything is read, nothing is written. The differences come one by one, as they are found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from portal.domain.money import Money, major, percent_of
from portal.models import CreditNote, Invoice, InvoiceLine
from portal.payments.gateway import Gateway
from portal.queries.ledger import CHECKS, find_differences
from portal.services.charge_comparison import compare_charges

__all__ = ["Difference", "Reading", "check_books", "check_ledger", "check_provider"]

Reading = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection to read with: `portal.db.reading` or `snapshot`."""

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree; amounts in minor units of `currency`, else plain numbers."""

    code: str
    subject: str
    expected: int
    found: int
    currency: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.code}: {self.subject}: expected {self._words(self.expected)}, "
            f"found {self._words(self.found)}"
        )

    def _words(self, number: int) -> str:
        if self.currency is None:
            return str(number)
        return f"{major(Money(number, self.currency))} {self.currency}"


def check_ledger(
    snapshot: Reading, reading: Reading, gateway: Gateway, since: datetime, until: datetime
) -> Iterator[Difference]:
    """All differences: of our books at one moment, then against the provider's charges made from
    `since` up to `until`."""
    with snapshot() as connection:
        yield from check_books(connection)
    yield from check_provider(reading, gateway, since, until)


def check_books(connection: Connection) -> Iterator[Difference]:
    """The differences between our own tables."""
    for code in CHECKS:
        for row in find_differences(connection, code):
            yield Difference(code, *row)
    yield from _invoice_taxes(connection)
    yield from _credit_notes(connection)


def check_provider(
    reading: Reading, gateway: Gateway, since: datetime, until: datetime
) -> Iterator[Difference]:
    """The differences between our payments and refunds and the provider's charges."""
    for found in compare_charges(reading, gateway, since, until):
        yield Difference(
            found.code, found.subject, found.ours_minor, found.theirs_minor, found.currency
        )


# --- VAT by rate: the groups stand as JSON, so they are walked in the order of the ids ------------


def _invoice_taxes(connection: Connection) -> Iterator[Difference]:
    """Each group of an invoice is the sum of its lines of that rate, with its VAT (I1)."""
    options = {"yield_per": _BATCH}
    lines = connection.execute(
        select(InvoiceLine.invoice_id, InvoiceLine.tax_rate, func.sum(InvoiceLine.net_minor))
        .group_by(InvoiceLine.invoice_id, InvoiceLine.tax_rate)
        .order_by(InvoiceLine.invoice_id),
        execution_options=options,
    )
    nets_of = groupby(lines, key=lambda row: row[0])
    ahead: tuple[int, Any] | None = next(nets_of, None)
    after = 0
    while True:
        # SQLite and PostgreSQL alike read one stream at a time on a connection: pages beside it.
        page = connection.execute(
            select(Invoice.id, Invoice.number, Invoice.currency, Invoice.tax_minor, Invoice.tax)
            .where(Invoice.id > after)
            .order_by(Invoice.id)
            .limit(_BATCH)
        ).all()
        if not page:
            return
        for key, number, currency, tax_minor, tax in page:
            while ahead is not None and ahead[0] < key:
                ahead = next(nets_of, None)
            nets: dict[Decimal, int] = defaultdict(int)
            if ahead is not None and ahead[0] == key:
                for _id, rate, net in ahead[1]:
                    nets[Decimal(rate)] += int(net)
            subject = f"invoice {number} (id {key})"
            yield from _groups(subject, currency, tax, nets, tax_minor, exact=True)
        after = page[-1][0]


def _credit_notes(connection: Connection) -> Iterator[Difference]:
    """The lines of a note sum to its net, its groups to its VAT, both to its gross."""
    notes = connection.execute(
        select(
            CreditNote.id, CreditNote.number, CreditNote.currency, CreditNote.net_minor,
            CreditNote.tax_minor, CreditNote.gross_minor, CreditNote.lines, CreditNote.tax,
        ).order_by(CreditNote.id),
        execution_options={"yield_per": _BATCH},
    )  # fmt: skip
    for key, number, currency, net_minor, tax_minor, gross_minor, lines, tax in notes:
        subject = f"credit note {number} (id {key})"
        net = sum(line["net_minor"] for line in lines)
        if net != net_minor:
            yield Difference("credit_note_lines", subject, net_minor, net, currency)
        if net_minor + tax_minor != gross_minor:
            yield Difference(
                "credit_note_gross", subject, net_minor + tax_minor, gross_minor, currency
            )
        nets: dict[Decimal, int] = defaultdict(int)
        for line in lines:
            nets[Decimal(line["tax_rate"])] += line["net_minor"]
        # Its VAT is that of all that was credited so far, less what earlier notes have.
        yield from _groups(subject, currency, tax, nets, tax_minor, exact=False)


def _groups(
    subject: str,
    currency: str,
    tax: dict[str, Any],
    nets: dict[Decimal, int],
    tax_minor: int,
    *,
    exact: bool,
) -> Iterator[Difference]:
    groups = tax.get("groups", ())
    total = sum(group["tax_minor"] for group in groups)
    if total != tax_minor:
        yield Difference("tax_total", subject, tax_minor, total, currency)
    stated = {Decimal(group["rate"]): group["net_minor"] for group in groups}
    for rate in nets.keys() | stated.keys():
        if nets.get(rate, 0) != stated.get(rate, 0):
            yield Difference("tax_group_net", f"{subject} at {rate} %", nets.get(rate, 0),
                             stated.get(rate, 0), currency)  # fmt: skip
    for group in groups if exact else ():
        rate = Decimal(group["rate"])
        due = percent_of(Money(group["net_minor"], currency), rate).minor
        if due != group["tax_minor"]:
            yield Difference(
                "tax_group", f"{subject} at {rate} %", due, group["tax_minor"], currency
            )
