"""Exact money: whole minor units of one currency, and the only rounding and splitting there is.

An amount is an `int` of the currency's smallest unit (cents, or whole yen); fractions are
`fractions.Fraction`, percentages `Decimal`. A float is refused wherever it could slip in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, total_ordering

from portal.domain.errors import CurrencyMismatch

__all__ = [
    "Money",
    "major",
    "minor_digits",
    "percent_of",
    "round_half_away",
    "share",
    "split",
    "total",
]

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_MINOR_DIGITS = dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)


@lru_cache(maxsize=512)
def _check_code(code: str) -> None:
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise ValueError(f"not an ISO 4217 code: {code!r}")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units of `currency` (ISO 4217, upper case).

    Adding, subtracting and ordering need one currency, else CurrencyMismatch; amounts of
    different currencies are merely unequal. TypeError or ValueError for what is not money.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")
        _check_code(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in `currency`."""
        return cls(0, currency)

    @property
    def is_zero(self) -> bool:
        """True for exactly nothing."""
        return self.minor == 0

    @property
    def is_negative(self) -> bool:
        """True below nothing: a credit."""
        return self.minor < 0

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, factor: int) -> Money:
        if type(factor) is not int:
            return NotImplemented
        return Money(self.minor * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._minor_of(other)

    def _minor_of(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"not money: {other!r}")
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.minor


def minor_digits(currency: str) -> int:
    """Decimals of the currency's major unit by ISO 4217: EUR 2, JPY 0, KWD 3 (2 if unlisted)."""
    return _MINOR_DIGITS.get(currency, 2)


def major(amount: Money) -> Decimal:
    """The amount in major units, exact, with the currency's decimals: 7912 EUR is 79.12."""
    return Decimal(f"{amount.minor}E-{minor_digits(amount.currency)}")


def round_half_away(value: Fraction) -> int:
    """The nearest whole number; a half goes away from zero (2.5 is 3, -2.5 is -3)."""
    if not isinstance(value, Fraction):
        raise TypeError(f"rounding starts from a Fraction, not {type(value).__name__}")
    return _nearest(value.numerator, value.denominator)


def _nearest(numerator: int, denominator: int) -> int:
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def share(amount: Money, fraction: Fraction) -> Money:
    """`fraction` of `amount`: exact, then rounded once, a half away from zero."""
    if not isinstance(fraction, Fraction):
        raise TypeError(f"a share is a Fraction, not {type(fraction).__name__}")
    return Money(_nearest(amount.minor * fraction.numerator, fraction.denominator), amount.currency)


def percent_of(amount: Money, percent: Decimal) -> Money:
    """`percent` per cent of `amount` (Decimal("21") is 21 %), rounded once like `share`."""
    if not isinstance(percent, Decimal):
        raise TypeError(f"a percentage is a Decimal, not {type(percent).__name__}")
    return share(amount, _hundredths(percent))


@lru_cache(maxsize=512)
def _hundredths(percent: Decimal) -> Fraction:
    return Fraction(percent) / 100


def split(amount: Money, weights: Sequence[int]) -> tuple[Money, ...]:
    """Divide `amount` in proportion to `weights`; the parts sum to it exactly.

    The units that rounding down leaves over go to the largest remainders, the first of equals
    first. A negative amount splits like its opposite. ValueError unless the weights are whole,
    none negative, and one positive.
    """
    whole = sum(weights)
    if any(type(weight) is not int or weight < 0 for weight in weights) or not whole:
        raise ValueError(f"weights are whole, none negative, one positive: {weights!r}")
    sign = -1 if amount.minor < 0 else 1
    exact = [divmod(abs(amount.minor) * weight, whole) for weight in weights]
    parts = [part for part, _ in exact]
    # sorted() is stable, so the first of equal remainders comes first.
    by_remainder = sorted(range(len(exact)), key=lambda place: -exact[place][1])
    for place in by_remainder[: abs(amount.minor) - sum(parts)]:
        parts[place] += 1
    return tuple(Money(sign * part, amount.currency) for part in parts)


def total(moneys: Iterable[Money], currency: str) -> Money:
    """The sum, zero for none; CurrencyMismatch if one is not in `currency`."""
    minor = 0
    for money in moneys:
        if money.currency != currency:
            raise CurrencyMismatch(currency, money.currency)
        minor += money.minor
    return Money(minor, currency)
