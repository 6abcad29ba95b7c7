"""Standard VAT rates in Europe, from the eu-vat-rates-data package."""

from __future__ import annotations

from decimal import Decimal

from eu_vat_rates_data import get_standard_rate

from portal.domain.errors import DomainError

__all__ = ["standard_rate"]


def standard_rate(country: str) -> Decimal:
    """The standard VAT rate of `country` (ISO code, Greece is GR), in per cent (I4).

    DomainError `vat_rate_unknown` for a country that the data does not cover.
    """
    rate = get_standard_rate(country)
    if rate is None:
        raise DomainError("vat_rate_unknown", country=country)
    return Decimal(str(rate))  # through str: 25.5 stays 25.5
