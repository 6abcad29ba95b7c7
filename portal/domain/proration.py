"""What a change inside a period costs: the part of the price that the days left stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from portal.domain.errors import CurrencyMismatch
from portal.domain.money import Money, share
from portal.domain.periods import Period

__all__ = ["ProratedLine", "prorate_seats", "prorate_switch"]


@dataclass(frozen=True, slots=True)
class ProratedLine:
    """One line and its formula: `net` = `quantity` × `unit_price` × `days_left` ÷ `days` (S2).

    `unit_price` is for the whole period, negative on a credit; `on` is the day of change, which
    counts as left.
    """

    quantity: int
    unit_price: Money
    days_left: int
    days: int
    net: Money
    period: Period
    on: date


def prorate_seats(quantity: int, unit_price: Money, period: Period, on: date) -> ProratedLine:
    """The price of `quantity` seats from `on` to the end of `period`, rounded once (S2).

    DomainError `date_outside_period`; ValueError for a quantity below one.
    """
    if quantity < 1:
        raise ValueError(f"a line has at least one unit, not {quantity}")
    days_left, days = period.days_left(on), period.days
    net = share(unit_price * quantity, Fraction(days_left, days))
    return ProratedLine(quantity, unit_price, days_left, days, net, period, on)


def prorate_switch(
    old_unit: Money, new_unit: Money, quantity: int, period: Period, on: date
) -> tuple[ProratedLine, ProratedLine]:
    """The credit for the old price's unused part, and the new price's remainder (C1).

    The two nets sum to what the switch costs; if that is negative it is no upgrade and waits
    for the renewal. Errors as `prorate_seats`, and CurrencyMismatch.
    """
    if old_unit.currency != new_unit.currency:
        raise CurrencyMismatch(old_unit.currency, new_unit.currency)
    credit = prorate_seats(quantity, -old_unit, period, on)
    return credit, prorate_seats(quantity, new_unit, period, on)
