"""Entries of a bank statement, and which open invoice each of them pays.

Nothing is booked here: what `plan_matching` proposes is shown to a person first. Only a reference
whose check digits hold names an invoice; whatever is merely likely is a suggestion.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from portal.domain.money import Money
from portal.domain.payment_references import (
    Slip,
    find_references,
    find_slip,
    is_structured,
    near_references,
)

__all__ = [
    "SAME_MONEY_WITHIN", "InvoiceToMatch", "Match", "MatchKind", "Statement", "StatementEntry",
    "TypedTransfer", "owner_of", "plan_matching",
]  # fmt: skip

SAME_MONEY_WITHIN = timedelta(days=7)
"""A transfer is typed by the day that somebody heard of it, its entry comes with the bank's own."""
_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One movement of the account. `amount` is below zero where money left it.

    `key` is the same whenever the bank tells the same movement again. `reference` is what stood in
    the field for structured references, `text` everything else that the payer wrote. `valued_on`
    is the day from which the bank counts the money; None where it says only when it booked it.
    """

    key: str
    booked_on: date
    amount: Money
    payer_name: str = ""
    payer_iban: str = ""
    reference: str = ""
    text: str = ""
    reversal: bool = False
    valued_on: date | None = None

    @property
    def received_on(self) -> date:
        """The day on which the money arrived: by its value date, and never after it was booked."""
        return min(self.valued_on or self.booked_on, self.booked_on)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one file of the bank holds for one account; `number` is the bank's."""

    iban: str
    number: str
    currency: str
    entries: tuple[StatementEntry, ...]


@dataclass(frozen=True, slots=True)
class TypedTransfer:
    """A transfer that a person booked by hand for an invoice: no entry of the bank tells of it yet."""

    amount: Money
    received_on: date


@dataclass(frozen=True, slots=True)
class InvoiceToMatch:
    """An issued invoice as the matching sees it; `open` is what is still to be paid.

    `typed` are the transfers that were booked for it by hand.
    """

    invoice_id: int
    number: str
    reference: str
    status: str
    open: Money
    payer: str
    typed: tuple[TypedTransfer, ...] = ()


class MatchKind(StrEnum):
    """What is proposed for an entry."""

    EXACT = "exact"
    PARTIAL = "partial"
    TOO_MUCH = "too_much"
    REPEATED = "repeated"
    RETURNED = "returned"
    SUGGESTED = "suggested"
    PAID = "paid"
    VOID = "void"
    OTHER_CURRENCY = "other_currency"
    OUTGOING = "outgoing"
    BOOKED = "booked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Match:
    """A proposal: `invoice_id` where a valid reference names it, else `suggestions` to choose from.

    One that is paid or void is named by its number in words, too: nothing is booked for it.
    `slips` say of a suggestion how its reference was mistyped; `by_amount` that the amount alone
    speaks for it; `names_several` that valid references name more than one. `typed_on` is the day
    of a transfer typed for the invoice that is probably the same money, REPEATED where some is open.
    """

    entry: StatementEntry
    kind: MatchKind
    invoice_id: int | None = None
    suggestions: tuple[int, ...] = ()
    slips: Mapping[int, Slip] = field(default_factory=dict)
    by_amount: bool = False
    names_several: bool = False
    typed_on: date | None = None

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

    Entries of one statement that pay one invoice are counted one after the other, but for one whose
    money was probably typed: that is counted already.
    """
    matcher = _Matcher(invoices)
    return tuple(
        Match(entry, MatchKind.BOOKED) if entry.key in booked else matcher.match(entry)
        for entry in entries
    )


def owner_of(match: Match, account_of: Mapping[int, int]) -> int | None:
    """Whose payment the entry seems to be, by the accounts of the invoices; None where it is open.

    That an amount alone is that of an invoice says nothing of who paid.
    """
    invoices = match.suggestions if match.invoice_id is None else (match.invoice_id,)
    accounts = {account_of[key] for key in invoices}
    return accounts.pop() if len(accounts) == 1 and not match.by_amount else None


class _Matcher:
    def __init__(self, invoices: Sequence[InvoiceToMatch]) -> None:
        self.invoices: dict[int, InvoiceToMatch] = {i.invoice_id: i for i in invoices}
        self.by_reference: Mapping[str, int] = {
            i.reference: i.invoice_id for i in invoices if i.reference
        }

    def match(self, entry: StatementEntry) -> Match:
        if entry.reversal:
            return self._returned(entry)
        if entry.amount.minor <= 0:
            return Match(entry, MatchKind.OUTGOING)
        found = self._named(entry) or self._settled_in_words(entry)
        if found is None:
            return self._suggested(entry)
        if found.open.currency != entry.amount.currency:
            return Match(entry, MatchKind.OTHER_CURRENCY, found.invoice_id)
        if found.status in ("credited", "written_off"):
            return Match(entry, MatchKind.VOID, found.invoice_id)
        typed_on = _typed_on(entry, found)
        if found.open.minor <= 0:
            return Match(entry, MatchKind.PAID, found.invoice_id, typed_on=typed_on)
        if typed_on is not None:
            return Match(entry, MatchKind.REPEATED, found.invoice_id, typed_on=typed_on)
        left = found.open - entry.amount
        self.invoices[found.invoice_id] = replace(found, open=Money(max(left.minor, 0),
                                                                    left.currency))  # fmt: skip
        if left.is_zero:
            kind = MatchKind.EXACT
        else:
            kind = MatchKind.PARTIAL if left.minor > 0 else MatchKind.TOO_MUCH
        return Match(entry, kind, found.invoice_id)

    def _returned(self, entry: StatementEntry) -> Match:
        """The bank took a transfer back, or one that had left came back: people see to it."""
        taken = entry.amount.minor < 0
        found = (self._named(entry) or self._settled_in_words(entry)) if taken else None
        return Match(entry, MatchKind.RETURNED, found.invoice_id if found else None)

    def _named(self, entry: StatementEntry) -> InvoiceToMatch | None:
        """The one invoice that valid references name; none where they name several."""
        named = self._all_named(entry)
        return self.invoices[named.pop()] if len(named) == 1 else None

    def _all_named(self, entry: StatementEntry) -> set[int]:
        return {
            self.by_reference[reference]
            for reference in _references(entry)
            if is_structured(reference) and reference in self.by_reference
        }

    def _settled_in_words(self, entry: StatementEntry) -> InvoiceToMatch | None:
        """A paid or void invoice whose number stands in the words, where these name no open one.

        Who pays twice writes the number of what is paid: another invoice that happens to be of the
        same amount must not be proposed for it.
        """
        if self._by_reference(entry):
            return None
        named = self._by_number(entry)
        return None if any(i.open.minor > 0 for i in named) else next(iter(named), None)

    def _by_reference(self, entry: StatementEntry) -> dict[int, Slip | None]:
        """The invoices whose references stand there, right or with a slip of the payer's."""
        found: dict[int, Slip | None] = {}
        for reference in _references(entry):
            if reference in self.by_reference:
                found[self.by_reference[reference]] = None
            for near in near_references(reference, self.by_reference):
                found.setdefault(self.by_reference[near], find_slip(reference, near))
        return found

    def _by_number(self, entry: StatementEntry) -> list[InvoiceToMatch]:
        written = _plain(f"{entry.reference} {entry.text}")
        return [i for i in self.invoices.values() if _plain(i.number) in written]

    def _suggested(self, entry: StatementEntry) -> Match:
        """Likely invoices, best first: a mistyped reference, the number, the payer and the amount."""
        found = self._by_reference(entry)
        payer = _plain(entry.payer_name)
        still_open = [i for i in self.invoices.values() if i.open.minor > 0]
        for invoice in self._by_number(entry):
            if invoice.open.minor > 0:
                found.setdefault(invoice.invoice_id, None)
        same_amount = [i for i in still_open if i.open == entry.amount]
        for invoice in same_amount:
            name = _plain(invoice.payer)
            if payer and name and (name in payer or payer in name):
                found.setdefault(invoice.invoice_id, None)
        by_amount = not found and len(same_amount) == 1
        if by_amount:
            found[same_amount[0].invoice_id] = None
        payable = tuple(
            key for key in found if self.invoices[key].open.currency == entry.amount.currency
        )[:_SUGGESTIONS]
        return Match(
            entry,
            MatchKind.SUGGESTED if payable else MatchKind.UNKNOWN,
            suggestions=payable,
            slips={key: slip for key in payable if (slip := found[key]) is not None},
            by_amount=by_amount,
            names_several=len(self._all_named(entry)) > 1,
        )


def _typed_on(entry: StatementEntry, invoice: InvoiceToMatch) -> date | None:
    """The day of the transfer typed for the invoice that is probably the entry's money."""
    days = [
        typed.received_on
        for typed in invoice.typed
        if typed.amount == entry.amount
        and abs(typed.received_on - entry.received_on) <= SAME_MONEY_WITHIN
    ]
    return min(days, key=lambda day: abs(day - entry.received_on), default=None)


def _references(entry: StatementEntry) -> tuple[str, ...]:
    return tuple(dict.fromkeys(find_references(entry.reference) + find_references(entry.text)))


def _plain(text: str) -> str:
    """Only letters and digits: how people write a name or a number differs in everything else."""
    return "".join(filter(str.isalnum, text)).casefold()
