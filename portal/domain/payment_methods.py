"""Which payment methods are taken, and how long one is needed (M3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.domain.subscriptions import SubscriptionState

__all__ = [
    "MethodNeed", "NeedKind", "card_brand", "expires_before", "first_charged_renewal",
    "plan_method_needs", "refusal_of", "renewal_beyond_expiry",
]  # fmt: skip


class NeedKind(StrEnum):
    """What would be charged with a method that somebody wants to remove."""

    RENEWAL = "renewal"
    INVOICE = "invoice"
    PAYMENT = "payment"
    ORDER = "order"
    TOP_UP = "top_up"


@dataclass(frozen=True, slots=True)
class MethodNeed:
    """One reason to keep the method. `name`: the product's key, the invoice's or order's number.

    A payment is one of an invoice that is paid by now, and of whose outcome nothing is known yet.

    `on` is a renewal's date; `ref` the id of a subscription or an order, for its page.
    """

    kind: NeedKind
    name: str = ""
    on: date | None = None
    ref: int | None = None


_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "",
}


def card_brand(brand: str) -> str:
    """A brand in the provider's spelling as its cards write it: `cartes_bancaires` is Cartes Bancaires.

    A name, so the same in every language; empty where the provider does not know it.
    """
    known = _BRANDS.get(brand)
    if known is not None:
        return known
    return brand if brand != brand.lower() else brand.replace("_", " ").title()


def expires_before(year: int | None, month: int | None, on: date) -> bool:
    """Whether a card that is good through `month` of `year` is no longer good on `on`.

    A method without an expiry (a debit mandate) never expires.
    """
    if year is None or month is None:
        return False
    return (year, month) < (on.year, on.month)


def refusal_of(funding: str, year: int | None, month: int | None, today: date) -> str | None:
    """Why a method is refused (M3): `prepaid_card` or `expired_card`; None for one that is fine.

    `funding` is the provider's word (credit, debit, prepaid, '' for a debit mandate); `today` is
    the account's local day.
    """
    if funding == "prepaid":
        return "prepaid_card"
    if expires_before(year, month, today):
        return "expired_card"
    return None


def first_charged_renewal(states: Iterable[SubscriptionState]) -> date | None:
    """The first coming renewal for which a method is needed; None where nothing will be charged."""
    return min((on for state in states if (on := _charged_on(state)) is not None), default=None)


def renewal_beyond_expiry(
    year: int | None, month: int | None, states: Iterable[SubscriptionState]
) -> date | None:
    """The first coming renewal that would be charged to a card which has expired by then."""
    renewals = (on for state in states if (on := _charged_on(state)) is not None)
    return min((on for on in renewals if expires_before(year, month, on)), default=None)


def plan_method_needs(
    states: Iterable[SubscriptionState], owed: Iterable[MethodNeed]
) -> tuple[MethodNeed, ...]:
    """Everything for which the account's only method is still needed; empty: it may go.

    `owed` is what is open already: invoices, payments without an outcome, orders being paid, an
    automatic top-up.
    """
    renewals = [
        MethodNeed(NeedKind.RENEWAL, state.product_key, on, state.subscription_id)
        for state in states
        if (on := _charged_on(state)) is not None
    ]
    return (*sorted(renewals, key=lambda need: (need.on or date.max, need.name)), *owed)


def _charged_on(state: SubscriptionState) -> date | None:
    """When a subscription next charges: not a trial, a free one, nor one that ends by then."""
    if not state.is_running or state.period is None:
        return None
    renewal = state.period.end
    if state.ends_on is not None and state.ends_on <= renewal:
        return None
    prices = (item.unit_price for item in state.items if item.quantity)
    return renewal if any(price is not None and price.minor > 0 for price in prices) else None
