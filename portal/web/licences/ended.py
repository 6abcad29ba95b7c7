"""The part of the licences page about subscriptions that have ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.queries.ended import Ended
from portal.web.pages import has_address

__all__ = ["EndedCard", "ended_cards"]


@dataclass(frozen=True, slots=True)
class EndedCard:
    """A product that is no more; `subscribe_url` is None where it is not sold any longer."""

    product: str
    last_day: date
    subscribe_url: str | None


def ended_cards(ended: Iterable[Ended], catalogue: Catalogue, locale: str) -> list[EndedCard]:
    """What `licences/_ended.html` shows, the latest first."""
    offered = {product.key for product in catalogue.products if product.offered_plans}
    cards = []
    for each in ended:
        url = f"/subscribe/{each.product_key}"
        may_subscribe = each.product_key in offered and has_address(url)
        cards.append(
            EndedCard(
                label_of(catalogue, each.product_key, None, None, None, locale),
                each.ended_on - timedelta(days=1),
                url if may_subscribe else None,
            )
        )
    return cards
