"""The banner about a card that will have expired when the next renewal is charged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from portal.domain.payment_methods import renewal_beyond_expiry
from portal.domain.subscriptions import SubscriptionState
from portal.queries.licences_overview import CardInUse
from portal.queries.payment_methods import PaymentMethodRow

__all__ = ["ExpiringCard", "expiring_card"]


@dataclass(frozen=True, slots=True)
class ExpiringCard:
    """The card, and the first renewal that it does not reach."""

    method: CardInUse | PaymentMethodRow
    renewal: date


def expiring_card(
    method: CardInUse | PaymentMethodRow | None,
    states: Iterable[SubscriptionState],
    payment_terms: str,
) -> ExpiringCard | None:
    """What the banner tells, or None where the card is good until it is charged."""
    if method is None or payment_terms != "automatic":
        return None
    renewal = renewal_beyond_expiry(method.expires_year, method.expires_month, states)
    return ExpiringCard(method, renewal) if renewal is not None else None
