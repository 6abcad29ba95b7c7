"""Money is exact: whole minor units, one rounding, parts that sum to the whole (I1, S2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portal.domain.errors import CurrencyMismatch
from portal.domain.money import (
    Money,
    major,
    minor_digits,
    percent_of,
    round_half_away,
    share,
    split,
    total,
)

untimed = settings(deadline=None)
minors = st.integers(-(10**12), 10**12)
amounts = minors.map(lambda minor: Money(minor, "EUR"))
weight_lists = st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.mark.parametrize("minor", [True, 1.0, Decimal(1), Fraction(1), "1", None])
def test_only_an_int_is_minor_units(minor: Any) -> None:
    with pytest.raises(TypeError, match="int"):
        Money(minor, "EUR")


@pytest.mark.parametrize(
    "currency", ["eur", "Eur", "EU", "EURO", "", "12E", "E R", "ÉUR", "ＥＵＲ"]
)
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="4217"):
        Money(1, currency)


def test_money_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        eur(1).minor = 2  # type: ignore[misc]


def test_arithmetic() -> None:
    assert eur(250) + eur(-50) == eur(200)
    assert eur(250) - eur(300) == eur(-50)
    assert -eur(250) == eur(-250)
    assert eur(250) * 3 == 3 * eur(250) == eur(750)
    assert Money.zero("JPY") == Money(0, "JPY")
    assert hash(eur(1)) == hash(eur(1))


def test_signs() -> None:
    assert [(eur(n).is_negative, eur(n).is_zero) for n in (-1, 0, 1)] == [
        (True, False),
        (False, True),
        (False, False),
    ]


def test_ordering() -> None:
    assert sorted([eur(3), eur(-2), eur(1)]) == [eur(-2), eur(1), eur(3)]
    assert eur(1) < eur(2)
    assert eur(1) <= eur(1)
    assert eur(2) > eur(1)
    assert eur(2) >= eur(2)
    assert not eur(1) < eur(1)
    assert not eur(1) > eur(1)


@pytest.mark.parametrize(
    "meet",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
        lambda a, b: total([a, b], "EUR"),
    ],
)
def test_currencies_never_mix(meet: Callable[[Money, Money], object]) -> None:
    with pytest.raises(CurrencyMismatch) as caught:
        meet(eur(1), Money(1, "CHF"))
    assert caught.value.data == {"left": "EUR", "right": "CHF"}


def test_the_same_number_in_another_currency_is_not_equal() -> None:
    assert eur(1) != Money(1, "CHF")


@pytest.mark.parametrize("factor", [1.5, 2.0, True, Decimal(2), Fraction(2), "2", eur(2)])
def test_money_is_multiplied_by_whole_numbers_only(factor: Any) -> None:
    with pytest.raises(TypeError):
        eur(1) * factor
    with pytest.raises(TypeError):
        factor * eur(1)


def test_a_bare_number_is_not_money() -> None:
    number: Any = 1
    with pytest.raises(TypeError, match="not money"):
        eur(1) + number
    with pytest.raises(TypeError, match="not money"):
        eur(1) - number
    with pytest.raises(TypeError, match="not money"):
        assert eur(1) < number


@pytest.mark.parametrize(
    ("currency", "digits", "text"),
    [
        ("EUR", 2, "1234.56"),
        ("CHF", 2, "1234.56"),
        ("USD", 2, "1234.56"),
        ("GBP", 2, "1234.56"),
        ("JPY", 0, "123456"),
        ("KRW", 0, "123456"),
        ("ISK", 0, "123456"),
        ("KWD", 3, "123.456"),
        ("TND", 3, "123.456"),
    ],
)
def test_major_units_follow_iso_4217(currency: str, digits: int, text: str) -> None:
    assert minor_digits(currency) == digits
    assert str(major(Money(123456, currency))) == text
    assert str(major(Money(-123456, currency))) == f"-{text}"


def test_major_units_keep_the_trailing_zeros_and_every_digit() -> None:
    assert str(major(eur(0))) == "0.00"
    assert str(major(eur(-5))) == "-0.05"
    assert str(major(eur(10**40 + 1))) == "1" + "0" * 38 + ".01"


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (Fraction(0), 0),
        (Fraction(1, 2), 1),
        (Fraction(-1, 2), -1),
        (Fraction(5, 2), 3),
        (Fraction(-5, 2), -3),
        (Fraction(7, 2), 4),
        (Fraction(49, 100), 0),
        (Fraction(-49, 100), 0),
        (Fraction(51, 100), 1),
        (Fraction(1, 2) - Fraction(1, 10**30), 0),
        (Fraction(4), 4),
        (Fraction(-4), -4),
    ],
)
def test_a_half_rounds_away_from_zero(value: Fraction, rounded: int) -> None:
    assert round_half_away(value) == rounded


@untimed
@given(st.fractions())
def test_rounding_is_to_the_nearest_and_symmetric(value: Fraction) -> None:
    rounded = round_half_away(value)
    assert abs(rounded - value) <= Fraction(1, 2)
    assert round_half_away(-value) == -rounded


@untimed
@given(st.integers(-(10**9), 10**9))
def test_every_half_goes_away_from_zero(n: int) -> None:
    assert round_half_away(Fraction(2 * n + 1, 2)) == (n + 1 if n >= 0 else n)


@pytest.mark.parametrize("value", [0.5, 2.0, Decimal("0.5"), 1])
def test_rounding_refuses_what_is_not_a_fraction(value: Any) -> None:
    with pytest.raises(TypeError, match="Fraction"):
        round_half_away(value)


def test_a_float_share_is_refused() -> None:
    half: Any = 0.5
    with pytest.raises(TypeError):
        share(eur(100), half)


def test_s2_a_share_is_rounded_once_and_on_the_whole() -> None:
    assert share(eur(22500), Fraction(32, 91)) == eur(7912)
    assert share(eur(7500), Fraction(32, 91)) * 3 == eur(7911)  # what rounding each seat gives
    assert share(Money(5, "JPY"), Fraction(-1, 2)) == Money(-3, "JPY")


@untimed
@given(amounts, st.fractions(-3, 3))
def test_a_share_of_the_opposite_is_the_opposite(amount: Money, fraction: Fraction) -> None:
    """A credit for something is exactly what it cost (C1)."""
    assert share(-amount, fraction) == share(amount, -fraction) == -share(amount, fraction)


@pytest.mark.parametrize(
    ("minor", "percent", "vat"),
    [
        (10000, "21", 2100),
        (10002, "21", 2100),  # 2100.42
        (50, "21", 11),  # 10.5
        (-50, "21", -11),
        (10, "25.5", 3),  # 2.55
        (100, "25.5", 26),  # 25.5
        (100, "8.1", 8),
        (12345, "0", 0),
    ],
)
def test_percent_of(minor: int, percent: str, vat: int) -> None:
    assert percent_of(eur(minor), Decimal(percent)) == eur(vat)


@untimed
@given(minors, st.decimals(0, 100, places=2))
def test_percent_agrees_with_decimal_arithmetic(minor: int, percent: Decimal) -> None:
    exact = Decimal(minor) * percent / 100
    expected = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert percent_of(eur(minor), percent) == eur(expected)


@pytest.mark.parametrize("percent", [21.0, 21, Fraction(21)])
def test_a_percentage_is_a_decimal(percent: Any) -> None:
    with pytest.raises(TypeError, match="Decimal"):
        percent_of(eur(100), percent)


@pytest.mark.parametrize(
    ("minor", "weights", "parts"),
    [
        (100, [1], [100]),
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (1, [1, 1], [1, 0]),
        (10, [1, 2], [3, 7]),  # 3.33, 6.67: the larger remainder wins, not the first
        (7, [3, 1, 3], [3, 1, 3]),
        (5, [0, 1, 0, 1], [0, 3, 0, 2]),
        (0, [2, 3], [0, 0]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (-10, [1, 2], [-3, -7]),
    ],
)
def test_split_by_largest_remainder_ties_to_the_first(
    minor: int, weights: list[int], parts: list[int]
) -> None:
    assert split(eur(minor), weights) == tuple(map(eur, parts))


@untimed
@given(amounts, weight_lists)
def test_split_parts_sum_to_the_whole_and_are_fair(amount: Money, weights: list[int]) -> None:
    parts = split(amount, weights)
    assert len(parts) == len(weights)
    assert total(parts, "EUR") == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(amount.minor * weight, sum(weights))) < 1
        assert weight or part.is_zero


@untimed
@given(amounts, weight_lists)
def test_split_rounds_up_the_largest_remainders_only(amount: Money, weights: list[int]) -> None:
    assume(amount.minor >= 0)
    exact = [Fraction(amount.minor * weight, sum(weights)) for weight in weights]
    parts = split(amount, weights)
    # As (smaller is served first): the largest remainder, then the first in line.
    queue = sorted((-(e % 1), place) for place, e in enumerate(exact))
    served = [parts[place].minor > exact[place] for _, place in queue]
    assert served == sorted(served, reverse=True)


@untimed
@given(amounts, weight_lists)
def test_split_of_the_opposite_is_the_opposite(amount: Money, weights: list[int]) -> None:
    assert split(-amount, weights) == tuple(-part for part in split(amount, weights))


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1, 1], [3, -1], [0.5, 0.5], [True, 1]])
def test_split_refuses_weights_that_mean_nothing(weights: Any) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(eur(100), weights)


def test_total() -> None:
    assert total([], "JPY") == Money(0, "JPY")
    assert total(iter([eur(1), eur(-3), eur(7)]), "EUR") == eur(5)


def test_a_total_in_another_currency_is_refused() -> None:
    with pytest.raises(CurrencyMismatch):
        total([eur(1)], "CHF")
