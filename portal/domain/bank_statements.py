"""Entries of a bank statement, and which open invoice each of them pays.

Nothing is booked here: what `plan_matching` proposes is shown to a person first. Only a reference
whose check digits hold names an invoice; whatever is merely likely is a suggestion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from portal.domain.money import Money
from portal.domain.payment_references import find_references, is_structured, near_references

__all__ = ["InvoiceToMatch", "Match", "MatchKind", "Statement", "StatementEntry", "plan_matching"]

_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One movement of the account. `amount` is below zero where money left it.

    `key` is the same whenever the bank tells the same movement again. `reference` is what stood in
    the field for structured references, `text` everything else that the payer wrote.
    """

    key: str
    booked_on: date
    amount: Money
    payer_name: str = ""
    payer_iban: str = ""
    reference: str = ""
    text: str = ""
    reversal: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """What one file of the bank holds for one account; `number` is the bank's."""

    iban: str
    number: str
    currency: str
    entries: tuple[StatementEntry, ...]


@dataclass(frozen=True, slots=True)
class InvoiceToMatch:
    """An issued invoice as the matching sees it; `open` is what is still to be paid."""

    invoice_id: int
    number: str
    reference: str
    status: str
    open: Money
    payer: str


class MatchKind(StrEnum):
    """What is proposed for an entry."""

    EXACT = "exact"
    PARTIAL = "partial"
    TOO_MUCH = "too_much"
    SUGGESTED = "suggested"
    PAID = "paid"
    VOID = "void"
    OTHER_CURRENCY = "other_currency"
    OUTGOING = "outgoing"
    BOOKED = "booked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Match:
    """A proposal: `invoice_id` where a valid reference names it, else `suggestions` to choose from."""

    entry: StatementEntry
    kind: MatchKind
    invoice_id: int | None = None
    suggestions: tuple[int, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether reference and amount agree: ticked when the review opens."""
        return self.kind is MatchKind.EXACT


def plan_matching(
    entries: Iterable[StatementEntry],
    invoices: Sequence[InvoiceToMatch],
    booked: Collection[str] = (),
) -> tuple[Match, ...]:
    """A proposal for every entry, in their order; `booked` are keys of entries that were booked before.

    Entries of one statement that pay one invoice are counted one after the other.
    """
    matcher = _Matcher(invoices)
    return tuple(
        Match(entry, MatchKind.BOOKED) if entry.key in booked else matcher.match(entry)
        for entry in entries
    )


class _Matcher:
    def __init__(self, invoices: Sequence[InvoiceToMatch]) -> None:
        self.invoices: dict[int, InvoiceToMatch] = {i.invoice_id: i for i in invoices}
        self.by_reference: Mapping[str, int] = {
            i.reference: i.invoice_id for i in invoices if i.reference
        }

    def match(self, entry: StatementEntry) -> Match:
        if entry.amount.minor <= 0 or entry.reversal:
            return Match(entry, MatchKind.OUTGOING)
        found = self._named(entry)
        if found is None:
            suggestions = self._suggestions(entry)
            kind = MatchKind.SUGGESTED if suggestions else MatchKind.UNKNOWN
            return Match(entry, kind, suggestions=suggestions)
        if found.open.currency != entry.amount.currency:
            return Match(entry, MatchKind.OTHER_CURRENCY, found.invoice_id)
        if found.status in ("credited", "written_off"):
            return Match(entry, MatchKind.VOID, found.invoice_id)
        if found.open.minor <= 0:
            return Match(entry, MatchKind.PAID, found.invoice_id)
        left = found.open - entry.amount
        self.invoices[found.invoice_id] = replace(found, open=Money(max(left.minor, 0),
                                                                    left.currency))  # fmt: skip
        if left.is_zero:
            kind = MatchKind.EXACT
        else:
            kind = MatchKind.PARTIAL if left.minor > 0 else MatchKind.TOO_MUCH
        return Match(entry, kind, found.invoice_id)

    def _named(self, entry: StatementEntry) -> InvoiceToMatch | None:
        """The one invoice that valid references name; none where they name several."""
        named = {
            self.by_reference[reference]
            for reference in _references(entry)
            if is_structured(reference) and reference in self.by_reference
        }
        return self.invoices[named.pop()] if len(named) == 1 else None

    def _suggestions(self, entry: StatementEntry) -> tuple[int, ...]:
        """Likely invoices, best first: a mistyped reference, the number, the payer and the amount."""
        found: dict[int, None] = {}
        for reference in _references(entry):
            if reference in self.by_reference:
                found[self.by_reference[reference]] = None
            for near in near_references(reference, self.by_reference):
                found[self.by_reference[near]] = None
        written = _plain(f"{entry.reference} {entry.text}")
        payer = _plain(entry.payer_name)
        still_open = [i for i in self.invoices.values() if i.open.minor > 0]
        for invoice in still_open:
            if _plain(invoice.number) in written:
                found[invoice.invoice_id] = None
        same_amount = [i for i in still_open if i.open == entry.amount]
        for invoice in same_amount:
            name = _plain(invoice.payer)
            if payer and name and (name in payer or payer in name):
                found[invoice.invoice_id] = None
        if not found and len(same_amount) == 1:
            found[same_amount[0].invoice_id] = None
        payable = [
            key for key in found if self.invoices[key].open.currency == entry.amount.currency
        ]
        return tuple(payable[:_SUGGESTIONS])


def _references(entry: StatementEntry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(find_references(entry.reference) + find_references(entry.text)))


def _plain(text: str) -> str:
    """Only letters and digits: how people write a name or a number differs in everything else."""
    return "".join(filter(str.isalnum, text)).casefold()
