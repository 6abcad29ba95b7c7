"""VAT numbers: one normal form, checked as far as paper allows (I4)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.tax import EU_COUNTRIES, TaxParty, VatStatus, vat_prefix
from portal.domain.vat_numbers import (
    FREE_TEXT_LENGTH,
    KnownNumber,
    check_vat_number,
    plan_vat_number,
)

untimed = settings(deadline=None)
countries = st.sampled_from(sorted(EU_COUNTRIES))


def outcome(text: str, country: str) -> str:
    """The normal form, or the code of the refusal."""
    try:
        return check_vat_number(text, country)
    except DomainError as error:
        return error.code


def refusal(text: str, country: str) -> tuple[str, dict[str, object]]:
    with pytest.raises(DomainError) as caught:
        check_vat_number(text, country)
    return caught.value.code, caught.value.data


@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("BE0123456749", "BE", "BE0123456749"),
        (" be 0123.456.749 ", "BE", "BE0123456749"),
        ("0123.456.749", "BE", "BE0123456749"),
        ("BE 123.456.749", "BE", "BE0123456749"),  # the leading zero of old numbers
        ("BE" + " " * 28 + "0123456749", "BE", "BE0123456749"),  # 40 characters
        ("DE 136 695 976", "DE", "DE136695976"),
        ("NL4495445B01", "NL", "NL004495445B01"),
        ("U13585627", "AT", "ATU13585627"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("fr 83 404 833 048", "FR", "FR83404833048"),
        ("ESX-2482300-W", "ES", "ESX2482300W"),
        ("IT00743110157", "IT", "IT00743110157"),
        ("EL094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", "EL094259216"),
        ("094259216", "GR", "EL094259216"),
    ],
)
def test_i4_an_eu_number_has_one_normal_form(text: str, country: str, normal: str) -> None:
    assert check_vat_number(text, country) == normal
    assert check_vat_number(normal, country) == normal
    assert TaxParty(country, normal, VatStatus.VALID).has_confirmed_number


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("BE0123456748", "BE"),  # checksum
        ("BE012345674", "BE"),
        ("BE", "BE"),
        ("", "BE"),
        ("   ", "BE"),
        ("none", "BE"),
        ("BEBE0123456749", "BE"),
        ("BE0123456749\0", "BE"),
        ("BE٠١٢٣٤٥٦٧٤٩", "BE"),
        ("0" * 10_000, "BE"),
        ("BE" + " " * 29 + "0123456749", "BE"),  # 41 characters
        ("GB980780684", "BE"),
        ("EL094259217", "GR"),
        ("XI980780684", "IE"),
    ],
)
def test_i4_a_malformed_number_is_refused(text: str, country: str) -> None:
    assert refusal(text, country) == ("vat_number_malformed", {})


@pytest.mark.parametrize(
    ("text", "country", "prefix"),
    [
        ("DE136695976", "BE", "DE"),
        ("de 136 695 976", "BE", "DE"),
        ("EL094259216", "BE", "EL"),
        ("GR094259216", "BE", "EL"),
        ("BE0123456749", "GR", "BE"),
    ],
)
def test_i4_the_number_belongs_to_the_country_of_the_address(
    text: str, country: str, prefix: str
) -> None:
    assert refusal(text, country) == (
        "vat_number_other_country",
        {"country": country, "prefix": prefix},
    )


@untimed
@given(st.text(max_size=60), countries)
def test_i4_whatever_is_typed_is_a_number_or_a_domain_error(text: str, country: str) -> None:
    refusals = {"vat_number_malformed", "vat_number_other_country"}
    result = outcome(text, country)
    assert result in refusals or result.startswith(vat_prefix(country))


@untimed
@given(countries, st.from_regex(r"[0-9A-Z]{0,13}", fullmatch=True))
def test_i4_a_number_that_passes_is_plain_capitals_and_digits(country: str, tail: str) -> None:
    result = outcome(vat_prefix(country) + tail, country)
    assert result == "vat_number_malformed" or re.fullmatch(r"[A-Z]{2}[0-9A-Z]+", result)


@pytest.mark.parametrize(
    ("text", "country", "kept"),
    [
        (" CHE-116.281.710  MWST ", "CH", "CHE-116.281.710 MWST"),
        ("GB 980 7806 84", "GB", "GB 980 7806 84"),
        ("XI980780684", "GB", "XI980780684"),
        ("x" * FREE_TEXT_LENGTH, "US", "x" * FREE_TEXT_LENGTH),
    ],
)
def test_i4_outside_the_eu_a_number_is_free_text(text: str, country: str, kept: str) -> None:
    assert check_vat_number(text, country) == kept


def test_i4_free_text_has_a_length_and_is_printable() -> None:
    assert refusal("x" * 21, "US") == ("vat_number_too_long", {"maximum": 20})
    assert refusal("  ", "US") == ("vat_number_malformed", {})
    assert refusal("12\x0034", "US") == ("vat_number_malformed", {})
    assert refusal("12\u202e34", "US") == ("vat_number_malformed", {})


PRESENT = KnownNumber("DE", "DE136695976", VatStatus.VALID)


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("de 136 695 976", "DE", PRESENT),  # the same number, typed in another way
        ("", "DE", KnownNumber("DE", None, VatStatus.NONE)),
        ("DE299180232", "DE", KnownNumber("DE", "DE299180232", VatStatus.UNCHECKED)),
        ("0123.456.749", "BE", KnownNumber("BE", "BE0123456749", VatStatus.UNCHECKED)),
        ("CHE-123.456.788", "CH", KnownNumber("CH", "CHE-123.456.788", VatStatus.NONE)),
        (" ", "US", KnownNumber("US", None, VatStatus.NONE)),
    ],
)
def test_I4_what_was_confirmed_holds_for_that_number_in_that_country_alone(
    text: str, country: str, expected: KnownNumber
) -> None:
    assert plan_vat_number(PRESENT, text, country) == expected


def test_I4_an_invalid_number_that_is_saved_again_stays_invalid() -> None:
    known = replace(PRESENT, status=VatStatus.INVALID)
    assert plan_vat_number(known, "DE136695976", "DE") == known
    with pytest.raises(DomainError, match="vat_number_other_country"):
        plan_vat_number(known, "DE136695976", "BE")
