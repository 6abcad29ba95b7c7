"""What documents freeze: seller, buyer and tax as they were, as JSON."""

from __future__ import annotations

from typing import Any

from portal.domain.catalogue import Vendor
from portal.domain.tax import TaxDecision, Totals
from portal.queries.quotes import AccountBuying

__all__ = ["buyer_snapshot", "seller_snapshot", "tax_snapshot"]


def seller_snapshot(vendor: Vendor) -> dict[str, Any]:
    """The vendor as an invoice names it."""
    return {
        "brand": vendor.brand,
        "legal_name": vendor.legal_name,
        "street": vendor.address.street,
        "postcode": vendor.address.postcode,
        "city": vendor.address.city,
        "country": vendor.address.country,
        "vat_number": vendor.vat_number,
        "company_register": vendor.company_register,
        "iban": vendor.bank.iban,
        "bic": vendor.bank.bic,
        "bank_name": vendor.bank.name,
        "email": vendor.support.email,
        "phone": vendor.support.phone,
    }


def buyer_snapshot(buyer: AccountBuying) -> dict[str, Any]:
    """The customer as an order and its invoice name it."""
    return {
        "company_name": buyer.company_name,
        "address_line1": buyer.address_line1,
        "address_line2": buyer.address_line2,
        "postal_code": buyer.postal_code,
        "city": buyer.city,
        "country": buyer.country,
        "vat_number": buyer.vat_number,
        "vat_status": buyer.vat_status,
        "billing_contact": buyer.billing_contact,
        "billing_email": buyer.billing_email,
        "purchase_order": buyer.purchase_order,
    }


def tax_snapshot(decision: TaxDecision, totals: Totals) -> dict[str, Any]:
    """Treatment, rate and the sums by rate; rates are texts, amounts minor units."""
    return {
        "treatment": decision.treatment.value,
        "rate_country": decision.rate_country,
        "rate": str(decision.rate),
        "groups": [
            {
                "rate": str(group.rate),
                "net_minor": group.net.minor,
                "tax_minor": group.tax.minor,
            }
            for group in totals.groups
        ],
    }
