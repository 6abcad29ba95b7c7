"""Seat counts as people type them: each mistake has its own code (S1, S2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.quantities import parse_quantity

untimed = settings(deadline=None)


def refusal(text: str) -> tuple[str, dict[str, object]]:
    with pytest.raises(DomainError) as caught:
        parse_quantity(text, minimum=1, maximum=500)
    return caught.value.code, caught.value.data


def outcome(text: str, minimum: int, maximum: int) -> int | str:
    """The quantity, or the code of the refusal."""
    try:
        return parse_quantity(text, minimum=minimum, maximum=maximum)
    except DomainError as error:
        return error.code


@pytest.mark.parametrize(
    ("text", "quantity"),
    [("1", 1), ("500", 500), (" 12 ", 12), ("\t7\n", 7), ("\u00a07", 7), ("007", 7)],
)
def test_a_whole_number_in_plain_digits(text: str, quantity: int) -> None:
    assert parse_quantity(text, minimum=1, maximum=500) == quantity


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("quantity_empty", ["", " ", "\t\n", "\u00a0"]),
        ("quantity_not_whole", ["1.5", "1,5", "1.", ".5", ",5", "1.000", "1,000.00", "1/2", "2.0"]),
        ("quantity_negative", ["-1", "-500", "\u22121", "-1.5", "-0"]),
        (
            "quantity_not_a_number",
            [
                *["ten", "1e3", "0x10", "1_000", "1 000", "+5", "5 seats", "--5", "- 5", "-", "."],
                *[",", "½", "1\0", "\x001", "1\u200b", "NaN", "inf", "five", "-x", "1..x", "²"],
                *["٣", "५", "５", "-٣", "1٣"],  # digits, but not ours
                *["-" + "1" * 18, "." * 10_000],
            ],
        ),
    ],
)
def test_each_mistake_has_its_code(code: str, texts: list[str]) -> None:
    for text in texts:
        assert refusal(text) == (code, {}), text


def test_the_limits_are_part_of_the_answer() -> None:
    assert refusal("0") == ("quantity_too_small", {"minimum": 1})
    assert refusal("501") == ("quantity_too_large", {"maximum": 500})
    for length in (18, 19, 5000):  # never turned into a number
        assert refusal("9" * length) == ("quantity_too_large", {"maximum": 500})


@untimed
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_what_is_between_the_limits_is_taken(number: int, minimum: int, maximum: int) -> None:
    expected: int | str = number
    if number < minimum:
        expected = "quantity_too_small"
    elif number > maximum:
        expected = "quantity_too_large"
    assert outcome(f" {number} ", minimum, maximum) == expected


@untimed
@given(st.text())
def test_whatever_is_typed_is_a_quantity_or_a_domain_error(text: str) -> None:
    result = outcome(text, 0, 10**9)
    if isinstance(result, int):
        assert text.strip().isascii()
        assert result == int(text.strip())
    else:
        assert result.startswith("quantity_")
