"""VAT: which treatment a sale gets (I4), and the sums of a document (I1).

Country codes are ISO 3166-1 alpha-2 (Greece is GR). The portal sells services, so Northern
Ireland (XI, in the EU for goods only) counts as the United Kingdom. Territories with a regime of
their own follow their code alone: the Canary Islands are Spain, Monaco is outside the EU. An
operator who sells there sets the rate by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from portal.domain.money import Money, percent_of, total

__all__ = [
    "EU_COUNTRIES",
    "TaxDecision",
    "TaxGroup",
    "TaxParty",
    "TaxTreatment",
    "Totals",
    "VatStatus",
    "decide_tax",
    "tax_groups",
    "totals",
    "vat_prefix",
]

_MEMBERS = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU_COUNTRIES = frozenset(_MEMBERS.split())
_NOT_ISO = {"EL", "EU", "UK", "XI"}


class VatStatus(StrEnum):
    """What is known of a VAT number. Only VIES or an operator makes it `valid` (I4)."""

    NONE = "none"
    VALID = "valid"
    INVALID = "invalid"
    UNCHECKED = "unchecked"


class TaxTreatment(StrEnum):
    """Why a sale carries the VAT it carries; the invoice prints the words that go with it."""

    DOMESTIC = "domestic"
    REVERSE_CHARGE = "reverse_charge"
    OSS = "oss"
    OUTSIDE_EU = "outside_eu"


@dataclass(frozen=True, slots=True)
class TaxParty:
    """Seller or buyer, as VAT sees them; `vat_number` is normalised (`check_vat_number`).

    ValueError for a country code that is not ISO: a wrong one would silently be tax free.
    """

    country: str
    vat_number: str | None = None
    vat_status: VatStatus = VatStatus.NONE

    def __post_init__(self) -> None:
        code = self.country
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise ValueError(f"not an ISO 3166-1 code: {code!r}")
        if code in _NOT_ISO:
            raise ValueError(f"used for VAT, but not an ISO 3166-1 code: {code!r}")

    @property
    def has_confirmed_number(self) -> bool:
        """Whether the number is confirmed and of the party's own country (I4)."""
        number = self.vat_number or ""
        return self.vat_status == VatStatus.VALID and number.startswith(vat_prefix(self.country))


@dataclass(frozen=True, slots=True)
class TaxDecision:
    """Treatment, rate in per cent, and the country whose rate it is (None where nothing is due)."""

    treatment: TaxTreatment
    rate: Decimal
    rate_country: str | None


def vat_prefix(country: str) -> str:
    """How VAT numbers of `country` begin: its code, but EL for Greece."""
    return "EL" if country == "GR" else country


def decide_tax(
    seller: TaxParty, buyer: TaxParty, *, oss: bool, rate_of: Callable[[str], Decimal]
) -> TaxDecision:
    """The VAT of a sale (I4); `rate_of` gives a country's standard rate in per cent.

    At home the domestic rate; outside the EU none; in another EU country reverse charge with a
    confirmed number, else the destination's rate if the seller declares `oss`, else the
    domestic one. A number that is unchecked or invalid never makes a reverse charge.
    """
    if buyer.country != seller.country:
        if buyer.country not in EU_COUNTRIES:
            return TaxDecision(TaxTreatment.OUTSIDE_EU, Decimal(0), None)
        if buyer.has_confirmed_number:
            return TaxDecision(TaxTreatment.REVERSE_CHARGE, Decimal(0), None)
        if oss:
            return TaxDecision(TaxTreatment.OSS, rate_of(buyer.country), buyer.country)
    return TaxDecision(TaxTreatment.DOMESTIC, rate_of(seller.country), seller.country)


@dataclass(frozen=True, slots=True)
class TaxGroup:
    """All lines of one rate: their net, and the VAT on that sum."""

    rate: Decimal
    net: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums at the foot of a document: `net` + `tax` = `gross`, `tax` the sum of `groups`."""

    net: Money
    groups: tuple[TaxGroup, ...]
    tax: Money
    gross: Money


def tax_groups(lines: Iterable[tuple[Money, Decimal]]) -> tuple[TaxGroup, ...]:
    """The (net, rate in per cent) lines by rate, the highest first.

    The VAT of a group is that of its sum, rounded once (I1), so it does not depend on how the
    sum is divided into lines. CurrencyMismatch if a group mixes currencies.
    """
    nets: defaultdict[Decimal, list[Money]] = defaultdict(list)
    for net, rate in lines:
        nets[rate].append(net)
    groups = []
    for rate in sorted(nets, reverse=True):
        net = total(nets[rate], nets[rate][0].currency)
        groups.append(TaxGroup(rate, net, percent_of(net, rate)))
    return tuple(groups)


def totals(lines: Iterable[tuple[Money, Decimal]], currency: str) -> Totals:
    """The sums of a document's (net, rate in per cent) lines (I1), zero without lines.

    CurrencyMismatch if a line is not in `currency`.
    """
    groups = tax_groups(lines)
    net = total((group.net for group in groups), currency)
    tax = total((group.tax for group in groups), currency)
    return Totals(net, groups, tax, net + tax)
