"""Pricing a document: a line rounded once, the VAT that applies, the totals (S2, I1, I4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.config import DEMO_CATALOG
from portal.domain.catalogue import Vendor
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.errors import CurrencyMismatch, DomainError
from portal.domain.money import Money
from portal.domain.pricing import PricedLine, decide_vendor_tax, document_totals, price_line
from portal.domain.tax import TaxTreatment
from tests.unit.domain.buying import QUARTER, eur

untimed = settings(deadline=None)
ON = date(2026, 10, 29)


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return parse_catalogue(Path(DEMO_CATALOG).read_text(encoding="utf-8")).vendor


def line(quantity: int, unit: Money, discount: int = 0, on: date | None = ON) -> PricedLine:
    return price_line(
        position=1, kind="seats", quantity=quantity, unit_price=unit, item_id=1,
        discount_basis_points=discount, period=QUARTER if on else None, on=on,
    )  # fmt: skip


def test_S2_the_line_carries_its_formula() -> None:
    priced = line(3, eur(7500))
    assert (priced.quantity, priced.unit_price, priced.days_left, priced.days) == (
        3, eur(7500), 32, 91,
    )  # fmt: skip
    assert priced.net == eur(7912)


def test_a_line_without_a_day_is_the_full_price() -> None:
    full = line(15, eur(7500), on=None)
    assert (full.net, full.days_left, full.days) == (eur(112_500), None, None)


@pytest.mark.parametrize("on", [QUARTER.start - timedelta(days=1), QUARTER.end])
def test_S2_a_day_outside_the_period_has_no_price(on: date) -> None:
    with pytest.raises(DomainError, match="date_outside_period"):
        line(1, eur(100), on=on)


@untimed
@given(
    quantity=st.integers(1, 100_000),
    unit=st.integers(0, 1_000_000),
    discount=st.integers(0, 10_000),
    day=st.integers(0, 90),
)
def test_I1_a_line_is_rounded_once(quantity: int, unit: int, discount: int, day: int) -> None:
    priced = line(quantity, eur(unit), discount, QUARTER.start + timedelta(days=day))
    exact = Fraction(quantity * unit) * Fraction(10_000 - discount, 10_000) * Fraction(91 - day, 91)
    assert abs(priced.net.minor - exact) <= Fraction(1, 2)
    assert 0 <= priced.net.minor <= quantity * unit


@given(quantity=st.integers(1, 1000), unit=st.integers(0, 100_000))
def test_a_full_discount_costs_nothing(quantity: int, unit: int) -> None:
    assert line(quantity, eur(unit), 10_000).net.is_zero


def test_I1_the_figures_of_the_screens() -> None:
    totals = document_totals([eur(7912)], Decimal(21), "EUR")
    assert (totals.tax, totals.gross) == (eur(1662), eur(9574))


def test_I1_vat_is_of_the_sum_not_of_the_lines() -> None:
    totals = document_totals([eur(2)] * 5, Decimal(21), "EUR")
    assert totals.tax == eur(2)  # 2.1; five times 0.42, each rounded, would be nothing


def test_a_document_has_one_currency() -> None:
    with pytest.raises(CurrencyMismatch):
        document_totals([eur(1), Money(1, "GBP")], Decimal(21), "EUR")
    assert document_totals([], Decimal(21), "GBP").gross == Money(0, "GBP")


@pytest.mark.parametrize(
    ("country", "number", "status", "treatment", "rate"),
    [
        ("BE", "BE0940180319", "valid", TaxTreatment.DOMESTIC, 21),
        ("BE", None, "none", TaxTreatment.DOMESTIC, 21),
        ("DE", "DE299180232", "valid", TaxTreatment.REVERSE_CHARGE, 0),
        ("DE", "DE299180232", "unchecked", TaxTreatment.OSS, 19),
        ("DE", "DE299180232", "invalid", TaxTreatment.OSS, 19),
        ("DE", None, "none", TaxTreatment.OSS, 19),
        ("GB", "GB987400004", "unchecked", TaxTreatment.OUTSIDE_EU, 0),
        ("US", None, "none", TaxTreatment.OUTSIDE_EU, 0),
        ("IT", "DE299180232", "valid", TaxTreatment.OSS, 22),  # a number of another country
    ],
)
def test_I4_the_buyers_country_and_number_decide(
    vendor: Vendor,
    country: str,
    number: str | None,
    status: str,
    treatment: TaxTreatment,
    rate: int,
) -> None:
    decision = decide_vendor_tax(vendor, country, number, status)
    assert (decision.treatment, decision.rate) == (treatment, Decimal(rate))


def test_I4_without_oss_the_domestic_rate_is_due(vendor: Vendor) -> None:
    decision = decide_vendor_tax(replace(vendor, oss=False), "DE", None, "none")
    assert (decision.treatment, decision.rate_country) == (TaxTreatment.DOMESTIC, "BE")
