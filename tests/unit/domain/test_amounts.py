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
    ["-5", "+5", "5.", ".5", "€5", "5e2", "٣", "5.1234", "1" * 13, "5\ufffd", "1.000.00",
     "1,000,00", "1.0000", "0.500", "1 0000", "12 34", "1.000 000", "1,000,000,000,000,00",
     "1 000.123", "1..000", "1,000.000.00", "9" * 10_000],
)  # fmt: skip
def test_what_is_no_amount_is_refused(typed: str) -> None:
    with pytest.raises(DomainError) as caught:
        parse_amount(typed, "EUR")
    assert caught.value.code == "amount_malformed"


@pytest.mark.parametrize(
    ("typed", "minor"),
    [
        ("1.234,56", 123_456),
        ("1,234.56", 123_456),
        ("1 234,56", 123_456),
        ("1\u00a0234,56", 123_456),
        ("1\u202f234,56", 123_456),
        ("1'234.56", 123_456),
        ("1’234.5", 123_450),
        ("1 234", 123_400),
        ("12.345.678", 1_234_567_800),
        ("1,234,567.89", 123_456_789),
    ],
)
def test_thousands_are_set_apart_as_each_language_does(typed: str, minor: int) -> None:
    for thousands in ("", ".", ",", "\u202f"):
        assert parse_amount(typed, "EUR", thousands=thousands) == Money(minor, "EUR")


@pytest.mark.parametrize("typed", ["1.234", "1,234", "100.000"])
def test_three_digits_after_one_sign_are_never_guessed(typed: str) -> None:
    """A thousand or one: the sign of the language decides, and where it does not, nobody does."""
    sign = "." if "." in typed else ","
    meant = Money(int(typed.replace(sign, "")) * 100, "EUR")
    assert parse_amount(typed, "EUR", thousands=sign) == meant
    for thousands in ("", "\u202f", "," if sign == "." else "."):
        with pytest.raises(DomainError) as caught:
            parse_amount(typed, "EUR", thousands=thousands)
        assert caught.value.code == "amount_ambiguous"
        assert caught.value.data == {"typed": typed}
    with pytest.raises(DomainError, match="amount_ambiguous"):
        parse_amount(typed, "KWD", thousands=sign)  # which has three decimals


def test_a_currency_without_decimals_has_none() -> None:
    with pytest.raises(DomainError):
        parse_amount("250.0", "JPY")
