"""Amounts as people type them: exact or refused, never guessed."""

from __future__ import annotations

import pytest

from portal.domain.amounts import parse_amount
from portal.domain.errors import DomainError
from portal.domain.money import Money


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("250", "EUR", 25_000),
        (" 250.5 ", "EUR", 25_050),
        ("250,50", "EUR", 25_050),
        ("0", "EUR", 0),
        ("007.01", "EUR", 701),
        ("250", "JPY", 250),
        ("1.250", "KWD", 1_250),
        ("999999999999", "EUR", 99_999_999_999_900),
    ],
)
def test_plain_digits_with_a_point_or_a_comma(typed: str, currency: str, minor: int) -> None:
    assert parse_amount(typed, currency) == Money(minor, currency)


@pytest.mark.parametrize("typed", ["", "  "])
def test_nothing_is_no_amount(typed: str) -> None:
    with pytest.raises(DomainError) as caught:
        parse_amount(typed, "EUR")
    assert caught.value.code == "amount_empty"


@pytest.mark.parametrize(
    "typed",
    ["1.000", "1,000.00", "1 000", "-5", "+5", "5.", ".5", "€5", "5e2", "٣", "5.123", "1" * 13,
     "5\ufffd"],
)  # fmt: skip
def test_what_could_mean_two_things_is_refused(typed: str) -> None:
    with pytest.raises(DomainError) as caught:
        parse_amount(typed, "EUR")
    assert caught.value.code == "amount_malformed"


def test_a_currency_without_decimals_has_none() -> None:
    with pytest.raises(DomainError):
        parse_amount("250.0", "JPY")
