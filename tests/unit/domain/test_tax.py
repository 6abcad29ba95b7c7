"""VAT: who pays which rate (I4), and sums that are the same everywhere to the cent (I1)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import CurrencyMismatch, DomainError
from portal.domain.money import Money, percent_of
from portal.domain.tax import (
    EU_COUNTRIES,
    TaxDecision,
    TaxGroup,
    TaxParty,
    TaxTreatment,
    Totals,
    VatStatus,
    decide_tax,
    tax_groups,
    totals,
    vat_prefix,
)
from portal.domain.vat_rates import standard_rate

untimed = settings(deadline=None)
RATES = {"BE": Decimal(21), "DE": Decimal(19), "FI": Decimal("25.5"), "CH": Decimal("8.1")}
RATES |= {"GR": Decimal(24), "FR": Decimal(20)}
NOTHING = Decimal(0)
DOMESTIC, REVERSE = TaxTreatment.DOMESTIC, TaxTreatment.REVERSE_CHARGE
OSS, OUTSIDE = TaxTreatment.OSS, TaxTreatment.OUTSIDE_EU
NONE, VALID = VatStatus.NONE, VatStatus.VALID
INVALID, UNCHECKED = VatStatus.INVALID, VatStatus.UNCHECKED

rates = st.sampled_from([Decimal(r) for r in ("0", "5.5", "6", "8.1", "21", "25.5")])
lines = st.lists(
    st.tuples(st.integers(-100_000, 1_000_000).map(lambda minor: Money(minor, "EUR")), rates),
    max_size=20,
)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def party(country: str, status: VatStatus = NONE) -> TaxParty:
    number = None if status is NONE else f"{vat_prefix(country)}123456789"
    return TaxParty(country, number, status)


def decide(seller: str, buyer: TaxParty, *, oss: bool) -> TaxDecision:
    return decide_tax(party(seller, VALID), buyer, oss=oss, rate_of=RATES.__getitem__)


@pytest.mark.parametrize(
    ("seller", "buyer", "status", "oss", "treatment", "rate_country"),
    [
        # at home: always the domestic rate
        ("BE", "BE", NONE, False, DOMESTIC, "BE"),
        ("BE", "BE", VALID, False, DOMESTIC, "BE"),
        ("BE", "BE", VALID, True, DOMESTIC, "BE"),
        ("BE", "BE", UNCHECKED, True, DOMESTIC, "BE"),
        ("CH", "CH", NONE, False, DOMESTIC, "CH"),
        # another EU country: only a confirmed number reverses the charge
        ("BE", "DE", VALID, False, REVERSE, None),
        ("BE", "DE", VALID, True, REVERSE, None),
        ("DE", "GR", VALID, True, REVERSE, None),
        ("BE", "DE", UNCHECKED, False, DOMESTIC, "BE"),
        ("BE", "DE", INVALID, False, DOMESTIC, "BE"),
        ("BE", "DE", NONE, False, DOMESTIC, "BE"),
        ("BE", "DE", UNCHECKED, True, OSS, "DE"),
        ("BE", "DE", INVALID, True, OSS, "DE"),
        ("BE", "FI", NONE, True, OSS, "FI"),
        ("DE", "GR", NONE, True, OSS, "GR"),
        # outside the EU: none
        ("BE", "CH", NONE, False, OUTSIDE, None),
        ("BE", "CH", VALID, True, OUTSIDE, None),
        ("BE", "GB", UNCHECKED, True, OUTSIDE, None),
        ("CH", "US", NONE, True, OUTSIDE, None),
        # a seller outside the EU
        ("CH", "DE", VALID, False, REVERSE, None),
        ("CH", "DE", NONE, True, OSS, "DE"),
        ("CH", "DE", NONE, False, DOMESTIC, "CH"),
    ],
)
def test_i4_treatment_follows_seller_and_buyer(
    seller: str,
    buyer: str,
    status: VatStatus,
    oss: bool,
    treatment: TaxTreatment,
    rate_country: str | None,
) -> None:
    rate = RATES[rate_country] if rate_country else NOTHING
    assert decide(seller, party(buyer, status), oss=oss) == TaxDecision(
        treatment, rate, rate_country
    )


@pytest.mark.parametrize("number", [None, "", "BE0123456749", "GR094259216"])
def test_i4_a_status_without_a_number_of_that_country_confirms_nothing(number: str | None) -> None:
    for country in ("DE", "GR"):
        buyer = TaxParty(country, number, VALID)
        assert decide("BE", buyer, oss=False).treatment is DOMESTIC


def test_i4_greek_numbers_begin_with_el() -> None:
    assert vat_prefix("GR") == "EL"
    assert vat_prefix("BE") == "BE"


def test_i4_the_union_has_27_members() -> None:
    assert len(EU_COUNTRIES) == 27
    assert "GR" in EU_COUNTRIES
    assert EU_COUNTRIES.isdisjoint({"GB", "XI", "EL", "CH", "NO", "MC"})


@pytest.mark.parametrize("country", ["be", "", "B", "BEL", "EL", "UK", "XI", "EU", "B1", "ÀB"])
def test_i4_a_wrong_country_code_is_never_tax_free(country: str) -> None:
    with pytest.raises(ValueError, match="3166"):
        TaxParty(country)


def test_i4_standard_rates_are_exact_decimals() -> None:
    assert standard_rate("BE") == Decimal(21)
    assert standard_rate("FI") == Decimal("25.5")
    assert all(0 < standard_rate(country) <= 27 for country in EU_COUNTRIES)


def test_i4_a_country_without_a_known_rate_says_so() -> None:
    with pytest.raises(DomainError) as caught:
        standard_rate("US")
    assert (caught.value.code, caught.value.data) == ("vat_rate_unknown", {"country": "US"})


# --- I1: the sums of a document ---


def test_i1_vat_is_of_the_groups_sum_not_of_each_line() -> None:
    three = [(eur(5), Decimal(21))] * 3  # each line alone: 1.05 → 1, so 3 and not 3.15 → 3
    assert totals(three, "EUR").tax == eur(3)
    ten = [(eur(2), Decimal(21))] * 10  # each line alone: 0.42 → 0
    assert totals(ten, "EUR").tax == eur(4)


def test_i1_a_document_with_two_rates() -> None:
    mixed = [
        (eur(1000), Decimal(6)),
        (eur(7912), Decimal(21)),
        (eur(50), Decimal("6.0")),
        (eur(-412), Decimal(21)),
    ]
    high = TaxGroup(Decimal(21), eur(7500), eur(1575))
    low = TaxGroup(Decimal(6), eur(1050), eur(63))
    assert tax_groups(mixed) == (high, low)
    assert totals(mixed, "EUR") == Totals(eur(8550), (high, low), eur(1638), eur(10188))


def test_i1_each_rate_is_rounded_on_its_own() -> None:
    half_cents = [(eur(50), Decimal(21)), (eur(50), Decimal(5))]  # 10.5 and 2.5
    assert totals(half_cents, "EUR").tax == eur(11 + 3)


def test_i1_no_lines() -> None:
    zero = Money(0, "CHF")
    assert totals([], "CHF") == Totals(zero, (), zero, zero)
    assert tax_groups([]) == ()


@untimed
@given(lines)
def test_i1_everything_adds_up(document: list[tuple[Money, Decimal]]) -> None:
    sums = totals(iter(document), "EUR")
    assert sums.net == eur(sum(net.minor for net, _ in document))
    assert sums.gross == sums.net + sums.tax
    assert sums.net.minor == sum(group.net.minor for group in sums.groups)
    assert sums.tax.minor == sum(group.tax.minor for group in sums.groups)
    assert all(above.rate > below.rate for above, below in pairwise(sums.groups))
    assert {group.rate for group in sums.groups} == {rate for _, rate in document}
    for group in sums.groups:
        net = sum(net.minor for net, rate in document if rate == group.rate)
        exact = Decimal(net) * group.rate / 100
        assert group.net == eur(net)
        assert group.tax == eur(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


@untimed
@given(lines, st.randoms(use_true_random=False))
def test_i1_the_order_of_lines_does_not_matter(
    document: list[tuple[Money, Decimal]], chance: object
) -> None:
    shuffled = list(document)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert totals(shuffled, "EUR") == totals(document, "EUR")


@untimed
@given(lines)
def test_i2_a_credit_note_of_all_lines_cancels_the_invoice(
    document: list[tuple[Money, Decimal]],
) -> None:
    invoice = totals(document, "EUR")
    credit = totals([(-net, rate) for net, rate in document], "EUR")
    assert invoice.gross + credit.gross == Money.zero("EUR")
    assert invoice.tax + credit.tax == Money.zero("EUR")


def test_i1_currencies_do_not_mix() -> None:
    for document in (
        [(eur(1), Decimal(21)), (Money(1, "CHF"), Decimal(21))],
        [(eur(1), Decimal(21)), (Money(1, "CHF"), Decimal(6))],
        [(Money(1, "CHF"), Decimal(21))],
    ):
        with pytest.raises(CurrencyMismatch):
            totals(document, "EUR")


def test_i1_a_group_is_taxed_like_any_amount() -> None:
    (group,) = tax_groups([(eur(10), Decimal("25.5"))])
    assert group.tax == percent_of(eur(10), Decimal("25.5")) == eur(3)
