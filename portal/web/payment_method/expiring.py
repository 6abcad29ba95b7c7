"""The banner about a renewal that cannot be charged: the card will have expired, or there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from portal.domain.payment_methods import first_charged_renewal, renewal_beyond_expiry
from portal.domain.subscriptions import SubscriptionState
from portal.queries.licences_overview import CardInUse
from portal.queries.payment_methods import PaymentMethodRow

__all__ = ["ExpiringCard", "expiring_card"]


@dataclass(frozen=True, slots=True)
class ExpiringCard:
    """The card, and the first renewal that it does not reach; `method` None: none is saved."""

    method: CardInUse | PaymentMethodRow | None
    renewal: date


def expiring_card(
    method: CardInUse | PaymentMethodRow | None,
    states: Iterable[SubscriptionState],
    payment_terms: str,
) -> ExpiringCard | None:
    """What the banner tells, or None where the method is good until it is charged.

    A method that was removed while nothing was going to be charged is missing once a cancellation
    is undone.
    """
    if payment_terms != "automatic":
        return None
    if method is None:
        renewal = first_charged_renewal(states)
    else:
        renewal = renewal_beyond_expiry(method.expires_year, method.expires_month, states)
    return ExpiringCard(method, renewal) if renewal is not None else None
