"""The least that can be charged: a part of the gateway port, which both adapters hold alike.

Pure, so that a renewal's plan and a page ask it without a provider at hand.
"""

from __future__ import annotations

from portal.domain.money import Money

__all__ = ["AMOUNT_REFUSALS", "is_too_small", "smallest_charge"]

AMOUNT_REFUSALS = frozenset({"amount_too_small", "amount_not_exact"})
"""Refusals of the amount itself: no other method, and no other day, makes the provider take it."""

_SMALLEST = {
    "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 15_00, "DKK": 250,
    "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 175_00, "INR": 50, "JPY": 50, "MXN": 10_00,
    "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50,
    "THB": 10_00, "USD": 50,
}  # fmt: skip
"""Stripe's minimum charge amounts in our minor units (docs.stripe.com/currencies)."""


def smallest_charge(currency: str) -> Money:
    """The least that can be charged in `currency`; nothing where no such amount is known.

    The provider may still refuse more than this (`amount_too_small`): it holds the amount against
    the currency of the vendor's own bank account as well, at the day's rate.
    """
    return Money(_SMALLEST.get(currency, 0), currency)


def is_too_small(amount: Money) -> bool:
    """Whether something is to be paid, and it is less than can be charged."""
    return 0 < amount.minor < smallest_charge(amount.currency).minor
