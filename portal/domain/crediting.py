"""Crediting an invoice, whole or in part: never more than it is (I2), with its own VAT (I1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from portal.domain.errors import DomainError
from portal.domain.money import Money, percent_of, total
from portal.domain.tax import TaxGroup, Totals

__all__ = [
    "CreditPlan", "Credited", "InvoicedLine", "PackLine", "TakeBack", "plan_credit",
    "plan_take_back",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class InvoicedLine:
    """A line of the invoice: its net, and its VAT rate in per cent."""

    position: int
    net: Money
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Credited:
    """An earlier credit note of the invoice: the net by line, the VAT by rate."""

    nets: Mapping[int, Money]
    taxes: Mapping[Decimal, Money]

    @property
    def gross_minor(self) -> int:
        """What it has taken off the invoice."""
        return sum(m.minor for m in (*self.nets.values(), *self.taxes.values()))


@dataclass(frozen=True, slots=True)
class CreditPlan:
    """The credit note to be issued: the net by line and its totals; what becomes of the money.

    `owed` was paid before and is the customer's now (M6). `left` of the invoice is not credited
    then; `completes`: nothing is. `settles`: nothing is left to be paid.
    """

    nets: Mapping[int, Money]
    totals: Totals
    owed: Money
    left: Money
    settles: bool

    @property
    def completes(self) -> bool:
        """Whether nothing of the invoice is left uncredited."""
        return self.left.is_zero


@dataclass(frozen=True, slots=True)
class PackLine:
    """A line of the invoice that brought `credits`: its net, credited `before`, and `now`."""

    credits: int
    net: Money
    before: Money
    now: Money


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The credits that a note stands for, and how many of them are `left` to be taken back."""

    credits: int
    left: int


def plan_take_back(packs: Iterable[PackLine], balance: int) -> TakeBack:
    """What a note of packs stands for, whole credits by its share of each line (W1, W2).

    The shares of all notes of a line are the pack together, however they are cut.
    """
    stand_for = 0
    for pack in packs:
        if not pack.net.is_zero:
            before, after = pack.before.minor, (pack.before + pack.now).minor
            stand_for += pack.credits * after // pack.net.minor
            stand_for -= pack.credits * before // pack.net.minor
    return TakeBack(stand_for, min(stand_for, balance))


def plan_credit(
    lines: Iterable[InvoicedLine],
    taxes: Mapping[Decimal, Money],
    earlier: Iterable[Credited],
    paid: Money,
    wanted: Mapping[int, Money] | None = None,
) -> CreditPlan:
    """Credit the amounts `wanted` by line, or all that is left of the invoice.

    `taxes` is the invoice's VAT by rate. The VAT of a note is that of everything credited so far,
    less what earlier notes have: so a rounding never adds up, and full credit is the invoice to
    the cent. DomainError `nothing_to_credit`, `line_unknown`, `credit_exceeds_invoice` (`line`,
    `maximum`).
    """
    invoiced = {line.position: line for line in lines}
    notes = tuple(earlier)
    currency = paid.currency
    zero = Money.zero(currency)
    before = {
        position: total((note.nets[position] for note in notes if position in note.nets), currency)
        for position in invoiced
    }
    nets: dict[int, Money] = {}
    if wanted is None:
        nets = {p: line.net - before[p] for p, line in invoiced.items()}
    else:
        for position, amount in wanted.items():
            if position not in invoiced:
                raise DomainError("line_unknown", line=position)
            left = invoiced[position].net - before[position]
            if not _within(amount, left):
                raise DomainError("credit_exceeds_invoice", line=position, maximum=left)
            nets[position] = amount
    nets = {position: amount for position, amount in nets.items() if not amount.is_zero}
    groups = _groups(invoiced, taxes, notes, before, nets, currency)
    net = total(nets.values(), currency)
    tax = total((group.tax for group in groups), currency)
    gross = net + tax
    whole = total((line.net for line in invoiced.values()), currency) + total(
        taxes.values(), currency
    )
    credited = Money(sum(note.gross_minor for note in notes), currency)
    if not zero < gross:
        raise DomainError("nothing_to_credit")
    if whole < credited + gross:
        raise DomainError("credit_exceeds_invoice", line=0, maximum=whole - credited)
    after = credited + gross
    owed_before = max(paid + credited - whole, zero)
    owed_after = max(paid + after - whole, zero)
    return CreditPlan(
        nets=nets,
        totals=Totals(net, groups, tax, gross),
        owed=owed_after - owed_before,
        left=whole - after,
        settles=whole <= paid + after,
    )


def _within(amount: Money, left: Money) -> bool:
    """Between nothing and what is left, which is below zero for a line that was itself a credit."""
    zero = Money.zero(left.currency)
    return min(zero, left) <= amount <= max(zero, left)


def _groups(
    invoiced: Mapping[int, InvoicedLine],
    taxes: Mapping[Decimal, Money],
    notes: tuple[Credited, ...],
    before: Mapping[int, Money],
    nets: Mapping[int, Money],
    currency: str,
) -> tuple[TaxGroup, ...]:
    """The VAT by rate of this note, the highest rate first."""
    full: defaultdict[Decimal, list[Money]] = defaultdict(list)
    sofar: defaultdict[Decimal, list[Money]] = defaultdict(list)
    now: defaultdict[Decimal, list[Money]] = defaultdict(list)
    for position, line in invoiced.items():
        full[line.rate].append(line.net)
        sofar[line.rate].append(before[position])
        if position in nets:
            now[line.rate].append(nets[position])
    groups = []
    for rate in sorted(now, reverse=True):
        net = total(now[rate], currency)
        credited = total(sofar[rate], currency) + net
        # To the cent what the invoice says, also where its VAT was worked out in another way.
        is_all = credited == total(full[rate], currency)
        tax = taxes[rate] if is_all and rate in taxes else percent_of(credited, rate)
        tax -= total((note.taxes[rate] for note in notes if rate in note.taxes), currency)
        groups.append(TaxGroup(rate, net, tax))
    return tuple(groups)
