"""Matching: only a valid reference names an invoice, only the right amount is certain."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.bank_statements import (
    InvoiceToMatch,
    MatchKind,
    StatementEntry,
    TypedTransfer,
    owner_of,
    plan_matching,
)
from portal.domain.money import Money
from portal.domain.payment_references import Slip, SlipKind, display_reference, reference_for

A, B = reference_for(2026, 412, "FR"), reference_for(2026, 413, "BE")


def invoice(key: int, reference: str, minor: int, status: str = "open",
            payer: str = "Lumière Conseil SAS", currency: str = "EUR") -> InvoiceToMatch:  # fmt: skip
    return InvoiceToMatch(
        key, f"KAN-2026-{key:05d}", reference, status, Money(minor, currency), payer
    )


def entry(minor: int, reference: str = "", text: str = "", payer: str = "", key: str = "k",
          currency: str = "EUR", *, reversal: bool = False) -> StatementEntry:  # fmt: skip
    return StatementEntry(key, date(2026, 10, 28), Money(minor, currency), payer, "", reference,
                          text, reversal)  # fmt: skip


OPEN = [invoice(412, A, 12_100), invoice(413, B, 5_000, payer="Müller GmbH")]


def matched(*entries: StatementEntry, invoices: list[InvoiceToMatch] | None = None) -> list[object]:
    found = plan_matching(entries, OPEN if invoices is None else invoices)
    return [(match.kind, match.invoice_id, match.suggestions) for match in found]


def test_reference_and_amount_are_certain_alone() -> None:
    (exact,) = plan_matching([entry(12_100, display_reference(A))], OPEN)
    assert exact.is_certain
    assert exact.invoice_id == 412
    for other in (entry(12_000, A), entry(12_200, A), entry(12_100, "", payer="Lumière Conseil")):
        assert not plan_matching([other], OPEN)[0].is_certain


def test_a_part_and_too_much_are_told() -> None:
    assert matched(entry(100, A), entry(99_999, text=f"xx {B}")) == [
        (MatchKind.PARTIAL, 412, ()), (MatchKind.TOO_MUCH, 413, ()),
    ]  # fmt: skip


def test_two_parts_in_one_statement_are_counted_one_after_the_other() -> None:
    kinds = [kind for kind, *_ in matched(entry(12_000, A), entry(100, A), entry(1, A))]
    assert kinds == [MatchKind.PARTIAL, MatchKind.EXACT, MatchKind.PAID]


def test_one_wrong_digit_is_suggested_and_names_nothing() -> None:
    wrong = A[:-1] + str((int(A[-1]) + 1) % 10)
    assert matched(entry(12_100, wrong)) == [(MatchKind.SUGGESTED, None, (412,))]


def test_two_references_name_nothing() -> None:
    assert matched(entry(17_100, text=f"{A} {display_reference(B)}")) == [
        (MatchKind.SUGGESTED, None, (412, 413))
    ]


@pytest.mark.parametrize("between", ["", " and ", "/", " "])
def test_two_references_name_nothing_however_they_are_joined(between: str) -> None:
    other = reference_for(2026, 414, "DE")
    invoices = [*OPEN, invoice(414, other, 12_100)]
    for first, second in ((A, other), (display_reference(A), display_reference(other)), (other, A)):
        (match,) = plan_matching([entry(12_100, text=f"{first}{between}{second}")], invoices)
        assert (match.kind, match.names_several) == (MatchKind.SUGGESTED, True)
        assert set(match.suggestions) == {412, 414}
        assert not match.is_certain
    assert not plan_matching([entry(777)], invoices)[0].names_several


def typed_for(left: int, *typed: tuple[int, date, str]) -> list[InvoiceToMatch]:
    """Invoice 412 with what was booked for it by hand; `left` of it is open."""
    transfers = tuple(TypedTransfer(Money(minor, code), on) for minor, on, code in typed)
    return [replace(invoice(412, A, left), typed=transfers)]


HEARD = date(2026, 10, 27)


def test_money_that_was_probably_typed_is_not_certain_and_says_since_when() -> None:
    for left, kind in ((5_000, "repeated"), (7_000, "repeated"), (1, "repeated"), (0, "paid")):
        (match,) = plan_matching([entry(5_000, A)], typed_for(left, (5_000, HEARD, "EUR")))
        assert (match.kind, match.typed_on, match.is_certain) == (kind, HEARD, False)
        assert match.invoice_id == 412


@pytest.mark.parametrize(
    ("typed", "is_certain"),
    [
        ((5_000, date(2026, 10, 21), "EUR"), False),
        ((5_000, date(2026, 11, 4), "EUR"), False),
        ((5_000, date(2026, 10, 20), "EUR"), True),
        ((5_000, date(2026, 11, 5), "EUR"), True),
        ((4_999, HEARD, "EUR"), True),
        ((5_000, HEARD, "USD"), True),
    ],
)
def test_only_the_same_amount_within_a_week_is_the_same_money(
    typed: tuple[int, date, str], is_certain: bool
) -> None:
    (match,) = plan_matching([entry(5_000, A)], typed_for(5_000, typed))
    assert match.is_certain == is_certain
    assert (match.typed_on is None) == is_certain


def test_the_week_is_counted_from_the_value_date() -> None:
    early = replace(entry(5_000, A), valued_on=date(2026, 10, 20))
    (match,) = plan_matching([early], typed_for(5_000, (5_000, date(2026, 10, 13), "EUR")))
    assert match.kind is MatchKind.REPEATED


def test_what_was_probably_typed_is_not_counted_once_more() -> None:
    invoices = typed_for(9_000, (5_000, HEARD, "EUR"))
    first, second = plan_matching([entry(5_000, A), entry(9_000, A)], invoices)
    assert (first.kind, second.kind) == (MatchKind.REPEATED, MatchKind.EXACT)


def test_the_number_the_payer_or_the_amount_suggest() -> None:
    assert matched(entry(1, text="facture kan 2026 00413")) == [(MatchKind.SUGGESTED, None, (413,))]
    assert matched(entry(12_100, payer="LUMIERE CONSEIL SAS")) == [
        (MatchKind.SUGGESTED, None, (412,))
    ]
    assert matched(entry(777)) == [(MatchKind.UNKNOWN, None, ())]


def test_what_is_paid_void_or_in_another_currency_says_so() -> None:
    others = [invoice(1, A, 0, "paid"), invoice(2, B, 0, "credited")]
    assert matched(entry(5, A), entry(5, B), invoices=others) == [
        (MatchKind.PAID, 1, ()), (MatchKind.VOID, 2, ()),
    ]  # fmt: skip
    assert matched(entry(12_100, A, currency="USD")) == [(MatchKind.OTHER_CURRENCY, 412, ())]
    assert matched(entry(5_000, "", currency="USD")) == [(MatchKind.UNKNOWN, None, ())]


def test_who_pays_twice_by_number_is_told_and_pays_no_other_invoice_of_the_amount() -> None:
    invoices = [invoice(412, A, 0, "paid"), invoice(413, B, 12_100), invoice(9, "", 0, "credited")]
    assert matched(
        entry(12_100, text="encore KAN-2026-00412"), entry(12_100, text="KAN-2026-00009"),
        entry(12_100, text="KAN-2026-00412 and KAN-2026-00413"),
        entry(12_100, B[:-1] + str((int(B[-1]) + 1) % 10), "KAN-2026-00412"), invoices=invoices,
    ) == [
        (MatchKind.PAID, 412, ()), (MatchKind.VOID, 9, ()),
        (MatchKind.SUGGESTED, None, (413,)), (MatchKind.SUGGESTED, None, (413,)),
    ]  # fmt: skip


def test_a_suggestion_says_how_its_reference_was_mistyped() -> None:
    wrong = A[:-1] + str((int(A[-1]) + 1) % 10)
    (match,) = plan_matching([entry(12_100, wrong)], OPEN)
    assert match.slips == {412: Slip(SlipKind.WRONG, wrong, A, len(A), wrong[-1], A[-1])}
    (by_number,) = plan_matching([entry(12_100, text="KAN-2026-00412")], OPEN)
    assert by_number.slips == {}


def test_an_entry_is_of_one_customer_or_of_nobody_yet() -> None:
    two = {412: 1, 413: 2}
    wrong = A[:-1] + str((int(A[-1]) + 1) % 10)
    for told, owner in (
        (entry(5, A), 1), (entry(5, wrong), 1), (entry(5, text="KAN-2026-00413"), 2),
        (entry(12_100, payer="Lumière Conseil SAS"), 1), (entry(12_100), None),
        (entry(5, text=f"{A} {display_reference(B)}"), None), (entry(777), None),
    ):  # fmt: skip
        (match,) = plan_matching([told], OPEN)
        assert owner_of(match, two) == owner, told
    (both,) = plan_matching([entry(5, text=f"{A} {display_reference(B)}")], OPEN)
    assert owner_of(both, {412: 1, 413: 1}) == 1


def test_money_arrives_on_its_value_date_and_never_after_it_was_booked() -> None:
    booked = entry(5)
    for valued, arrived in ((None, 28), (date(2026, 10, 26), 26), (date(2026, 10, 30), 28)):
        assert replace(booked, valued_on=valued).received_on == date(2026, 10, arrived)


def test_money_that_left_and_reversals_pay_nothing() -> None:
    """A transfer that the bank took back is put before people, with the invoice that it named."""
    taken = [entry(-12_100, A), entry(-12_100, A, reversal=True), entry(-12_100, reversal=True)]
    assert matched(*taken, entry(12_100, A, reversal=True)) == [
        (MatchKind.OUTGOING, None, ()), (MatchKind.RETURNED, 412, ()),
        (MatchKind.RETURNED, None, ()), (MatchKind.RETURNED, None, ()),
    ]  # fmt: skip


def test_what_was_booked_is_not_proposed_again() -> None:
    (match,) = plan_matching([entry(12_100, A, key="seen")], OPEN, booked={"seen"})
    assert match.kind is MatchKind.BOOKED
    assert match.invoice_id is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-100, 20_000), st.sampled_from([A, B, A[:-1], "", "RF00"]),
                  st.text(max_size=30)),
        max_size=8,
    )
)  # fmt: skip
def test_never_more_is_certain_than_is_open(rows: list[tuple[int, str, str]]) -> None:
    matches = plan_matching([entry(*row) for row in rows], OPEN)
    assert len(matches) == len(rows)
    for one in OPEN:
        certain = [
            m.entry.amount.minor for m in matches if m.is_certain and m.invoice_id == one.invoice_id
        ]
        assert sum(certain) <= one.open.minor
    assert all(m.invoice_id is None or not m.suggestions for m in matches)
