"""Pricing a document: its lines, the VAT that applies, the totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from portal.domain.catalogue import Vendor
from portal.domain.money import Money, share
from portal.domain.periods import Period
from portal.domain.tax import TaxDecision, TaxParty, Totals, VatStatus, decide_tax, totals
from portal.domain.vat_rates import standard_rate

__all__ = ["FULL", "PricedLine", "decide_vendor_tax", "document_totals", "price_line"]

FULL = 10_000  # basis points


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line and its formula: quantity × unit × (days left ÷ days) × (1 − discount) = net.

    An amount (`discount_minor`) is taken off after that, as far as there is any. `days_left` and
    `days` are None where the line is not prorated. One that is not `per_seat` is for everyone: its
    quantity says nothing to a reader. `of_line` is the position of the line that a `coming` one
    follows from (I3).
    """

    position: int
    kind: str
    item_id: int | None
    price_id: int | None
    quantity: int
    unit_price: Money
    discount_basis_points: int
    days_left: int | None
    days: int | None
    period: Period | None
    net: Money
    per_seat: bool = True
    discount_minor: int = 0
    of_line: int | None = None

    @property
    def discount(self) -> Money:
        """The amount that is taken off."""
        return Money(self.discount_minor, self.net.currency)

    @property
    def covers(self) -> Period | None:
        """The days that are paid for: what is left of the period, or all of it."""
        if self.period is None or self.days_left is None:
            return self.period
        return Period(self.period.end - timedelta(days=self.days_left), self.period.end)


def price_line(
    *,
    position: int,
    kind: str,
    quantity: int,
    unit_price: Money,
    item_id: int | None = None,
    price_id: int | None = None,
    discount_basis_points: int = 0,
    period: Period | None = None,
    on: date | None = None,
    per_seat: bool = True,
    discount_minor: int = 0,
    of_line: int | None = None,
) -> PricedLine:
    """A line priced and rounded once (S2, I1); prorated from `on` where both dates are given.

    DomainError `date_outside_period` where `on` is not in `period`.
    """
    prorated = period is not None and on is not None
    days_left = period.days_left(on) if period is not None and on is not None else None
    days = period.days if period is not None and prorated else None
    net = unit_price * quantity
    if discount_basis_points or prorated:  # else there is nothing to round
        fraction = Fraction(FULL - discount_basis_points, FULL)
        if days_left is not None and days is not None:
            fraction *= Fraction(days_left, days)
        net = share(net, fraction)
    discount_minor = max(min(discount_minor, net.minor), 0)
    if discount_minor:
        net -= Money(discount_minor, net.currency)
    return PricedLine(
        position, kind, item_id, price_id, quantity, unit_price, discount_basis_points,
        days_left, days, period, net, per_seat, discount_minor, of_line,
    )  # fmt: skip


def decide_vendor_tax(
    vendor: Vendor, country: str, vat_number: str | None, vat_status: str
) -> TaxDecision:
    """The VAT of what `vendor` sells to a buyer of `country` with that number (I4)."""
    seller = TaxParty(vendor.address.country, vendor.vat_number, VatStatus.VALID)
    buyer = TaxParty(country, vat_number, VatStatus(vat_status))
    return decide_tax(seller, buyer, oss=vendor.oss, rate_of=standard_rate)


def document_totals(nets: Iterable[Money], rate: Decimal, currency: str) -> Totals:
    """The totals of lines that share one VAT rate, in per cent (I1)."""
    return totals(((net, rate) for net in nets), currency)
