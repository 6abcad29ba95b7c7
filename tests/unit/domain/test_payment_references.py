"""References of transfers: their check digits hold, and a slip is found but never taken for right."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum import iso11649

from portal.domain.errors import DomainError
from portal.domain.payment_references import (
    Slip,
    SlipKind,
    display_reference,
    find_references,
    find_slip,
    is_structured,
    near_references,
    reference_for,
    valid_neighbours,
)

untimed = settings(deadline=None)
years = st.integers(2000, 2099)
sequences = st.integers(1, 99_999_999)
countries = st.sampled_from(["BE", "FR", "DE", "US"])
references = st.builds(reference_for, years, sequences, countries)


@untimed
@given(references)
def test_what_is_issued_is_valid_and_read_back_from_what_people_type(reference: str) -> None:
    assert is_structured(reference)
    shown = display_reference(reference)
    for typed in (reference, shown, shown.lower(), f"Betaling {shown} dank u", f"ref:{shown}."):
        assert find_references(typed) == (reference,), typed


@untimed
@given(years, sequences, sequences, countries, countries)
def test_no_two_invoices_of_a_year_share_one(
    year: int, one: int, other: int, here: str, there: str
) -> None:
    assume(one != other)
    assert reference_for(year, one, here) != reference_for(year, other, there)


@untimed
@given(references, st.data())
def test_one_wrong_digit_is_never_valid_and_always_near(
    reference: str, data: st.DataObject
) -> None:
    start = 2 if reference.startswith("RF") else 0
    at = data.draw(st.integers(start, len(reference) - 1))
    digit = data.draw(st.sampled_from("0123456789"))
    assume(digit != reference[at])
    wrong = reference[:at] + digit + reference[at + 1 :]
    assume(not is_structured(wrong))
    assert near_references(wrong, [reference]) == (reference,)
    assert reference in valid_neighbours(wrong)
    assert find_references(f"x {wrong} y") == (wrong,)


@untimed
@given(references, st.data())
def test_one_wrong_digit_of_the_number_breaks_the_check_digits(
    reference: str, data: st.DataObject
) -> None:
    is_rf = reference.startswith("RF")
    start, end = (4, len(reference)) if is_rf else (0, 10)
    at = data.draw(st.integers(start, end - 1))
    digit = data.draw(st.sampled_from("0123456789"))
    assume(digit != reference[at])
    assert not is_structured(reference[:at] + digit + reference[at + 1 :])


@untimed
@given(references, st.data())
def test_two_swapped_digits_or_a_lost_one_are_near(reference: str, data: st.DataObject) -> None:
    start = 2 if reference.startswith("RF") else 0
    at = data.draw(st.integers(start, len(reference) - 2))
    swapped = reference[:at] + reference[at + 1] + reference[at] + reference[at + 2 :]
    lost = reference[:at] + reference[at + 1 :]
    for wrong in (swapped, lost):
        if wrong != reference:
            assert near_references(wrong, [reference]) == (reference,)
            if not is_structured(wrong):
                assert reference in valid_neighbours(wrong)


@untimed
@given(references, st.data())
def test_a_slip_says_where_the_reference_differs(reference: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(2, len(reference) - 2))
    digit = data.draw(st.sampled_from("0123456789"))
    head, tail = reference[:at], reference[at + 1 :]
    for typed in (head + digit + tail, head + tail, head + digit + reference[at:],
                  head + tail[:1] + reference[at] + tail[1:]):  # fmt: skip
        slip = find_slip(typed, reference)
        assert (slip is None) == (typed == reference)
        if slip is not None:
            before = typed[: slip.place - 1]
            assert typed == before + slip.written + typed[len(before) + len(slip.written) :]
            assert reference == before + slip.right + typed[len(before) + len(slip.written) :]
    assert find_slip("RF00", reference) is None


@pytest.mark.parametrize(
    ("typed", "kind", "place", "written", "right"),
    [
        ("RF18359", SlipKind.WRONG, 5, "3", "5"),
        ("RF81559", SlipKind.SWAPPED, 3, "81", "18"),
        ("RF181559", SlipKind.ADDED, 5, "1", ""),
        ("RF1559", SlipKind.MISSING, 4, "", "8"),
        ("RF185599", SlipKind.ADDED, 8, "9", ""),
        ("RF1855", SlipKind.MISSING, 7, "", "9"),
    ],
)
def test_the_kinds_of_a_slip(
    typed: str, kind: SlipKind, place: int, written: str, right: str
) -> None:
    assert find_slip(typed, "RF18559") == Slip(kind, typed, "RF18559", place, written, right)


@untimed
@given(st.text(max_size=80))
def test_any_text_can_be_searched(text: str) -> None:
    for found in find_references(text):
        assert found == found.upper()
        assert near_references(found, [found]) == ()
        valid_neighbours(found)


@pytest.mark.parametrize("after", ["y", "Y2", "thanks", "2026-11-25"])
def test_what_follows_never_completes_a_wrong_reference(after: str) -> None:
    assert iso11649.is_valid("RF532907202441Y")  # what a payer never meant
    for wrong in (f"RF5329072024{digits:02d}" for digits in range(100)):
        assert find_references(f"x {wrong} {after}") == (wrong,)


BETWEEN = ("", " ", " and ", " en ", "/", ", ")


@untimed
@given(references, references, st.sampled_from(BETWEEN), st.data())
def test_of_two_references_both_are_found_in_their_order(
    one: str, other: str, between: str, data: st.DataObject
) -> None:
    first, second = (
        data.draw(st.sampled_from([reference, display_reference(reference)]))
        for reference in (one, other)
    )
    # Two times twelve digits and nothing between them could be anything.
    assume(between or not (first[-1].isdecimal() and second[0].isdecimal()) or "RF" in first)
    assert find_references(f"Rg {first}{between}{second} merci") == tuple(
        dict.fromkeys((one, other))
    )


@untimed
@given(references, references, st.sampled_from("0123456789"))
def test_behind_a_mistyped_reference_another_is_found(one: str, other: str, digit: str) -> None:
    wrong = one[:-1] + digit
    assume(not is_structured(wrong))
    for second in (other, display_reference(other)):
        assert find_references(f"{wrong} {second}") == (wrong, other)


@pytest.mark.parametrize(
    "typed",
    ["RF41 2600 0004 1 260/0000/04175", "RF41260000041 +++260 / 0000 / 04175+++",
     "260 /0000/ 04175 RF41 2600 0004 1", "werf 260/0000/04175"],
)  # fmt: skip
def test_a_belgian_reference_lends_no_digits_to_what_stands_before_it(typed: str) -> None:
    found = find_references(typed)
    assert "260000004175" in found
    assert set(found) <= {"260000004175", "RF41260000041"}


@untimed
@given(years, sequences, st.sampled_from(["/", " /", "/ ", " / "]))
def test_a_belgian_reference_is_read_with_spaces_at_its_slashes(
    year: int, sequence: int, slash: str
) -> None:
    reference = reference_for(year, sequence, "BE")
    typed = slash.join((reference[:3], reference[3:7], reference[7:]))
    for around in ("", "+++", "***"):
        assert find_references(f"{around}{typed}{around}") == (reference,)


def test_how_they_read() -> None:
    assert display_reference(reference_for(2026, 412, "FR")).startswith("RF")
    belgian = display_reference(reference_for(2026, 412, "BE"))
    assert belgian.startswith("+++260/0000/412")
    assert belgian.endswith("+++")
    assert display_reference("KAN-2026-00412") == "KAN-2026-00412"
    assert display_reference("") == ""


def test_a_series_that_is_full_says_so() -> None:
    with pytest.raises(DomainError) as caught:
        reference_for(2026, 100_000_000, "FR")
    assert caught.value.code == "number_too_large"
