"""Amounts as Stripe's API counts them, which is not everywhere as ISO 4217 does. Pure.

ISK and UGX have no decimals but are sent with two; MGA is sent without its two; and of three
decimals the last one has to be 0. Source: docs.stripe.com/currencies, special cases.
"""

from __future__ import annotations

from portal.domain.money import Money, minor_digits
from portal.payments.gateway import GatewayRefused

__all__ = ["from_stripe", "to_stripe"]

_RATIOS = {"ISK": (1, 100), "UGX": (1, 100), "MGA": (100, 1)}
_THREE = 3


def to_stripe(amount: Money) -> int:
    """`amount` in Stripe's units; GatewayRefused `amount_not_exact` where they cannot say it.

    Nothing is rounded on the way: what is charged is what the invoice says to the cent (I1).
    """
    step, scale = _ratio(amount.currency)
    units, left = divmod(amount.minor, step)
    if left:
        raise GatewayRefused("amount_not_exact")
    return units * scale


def from_stripe(minor: int, currency: str) -> Money:
    """Stripe's `minor` units of `currency` (in any case) as money.

    TypeError where it is no whole number; ValueError where ours cannot say it, as half a krona.
    """
    if not isinstance(minor, int) or isinstance(minor, bool):
        raise TypeError("an amount is no whole number")
    code = currency.upper()
    step, scale = _ratio(code)
    if scale == step:  # of three decimals: what others charged may still have a last digit
        return Money(minor, code)
    units, left = divmod(minor, scale)
    if left:
        raise ValueError(f"{minor} of {code} is a fraction of its smallest unit")
    return Money(units * step, code)


def _ratio(currency: str) -> tuple[int, int]:
    """So many of our minor units are so many of Stripe's; only whole such steps can be sent."""
    known = _RATIOS.get(currency)
    if known is not None:
        return known
    return (10, 10) if minor_digits(currency) == _THREE else (1, 1)
