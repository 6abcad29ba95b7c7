"""A quote as its page and the checkout show it: priced, named, with what it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import abort

from portal.domain.errors import DomainError
from portal.domain.labels import item_label
from portal.domain.pricing import PricedLine
from portal.domain.quotes import PricedQuote, RenewalOutlook
from portal.domain.subscriptions import SubscriptionState
from portal.queries.quotes import AccountBuying, QuoteRow, get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.quoting import preview_quote
from portal.web.locale import speech
from portal.web.signed_in import account, parts, read_connection

__all__ = ["QuoteView", "read_quote"]


@dataclass(frozen=True, slots=True)
class QuoteView:
    """`priced` is None where a closed quote can no longer be priced; `labels` is by line."""

    quote: QuoteRow
    buying: AccountBuying
    status: str
    today: date
    priced: PricedQuote | None
    labels: tuple[str, ...]
    outlook: tuple[tuple[str, RenewalOutlook], ...]

    @property
    def named_lines(self) -> list[tuple[str, PricedLine]]:
        """The priced lines with their names."""
        return list(zip(self.labels, self.priced.lines, strict=True)) if self.priced else []

    @property
    def is_open(self) -> bool:
        """Whether it can still be ordered today."""
        return self.status == "open"

    @property
    def units(self) -> int:
        """Licences in all lines."""
        return sum(line.quantity for line in self.quote.lines)


def read_quote(quote_id: int) -> QuoteView:
    """The quote of the current account, priced as of today while it is open; 404 if there is none."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    quote = get_quote(connection, who.id, quote_id)
    if quote is None:
        abort(404)
    buying = get_account_buying(connection, who.id)
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(connection, who.id, today)
    status = quote.status
    if status == "open" and today > quote.valid_until:
        status = "expired"
    try:
        on = today if status == "open" else quote.created_on
        # What was ordered stands on the order, as it was charged; here only what was pinned.
        priced = (
            None
            if quote.order_id is not None
            else preview_quote(quote.lines, states, buying, catalogue, on)
        )
    except DomainError:
        if status == "open":
            raise
        priced = None  # closed, and its period is over: what it pinned is still shown
    where = {item.item_id: (state, item) for state in states for item in state.items}
    locale = speech().locale
    labels = tuple(
        item_label(catalogue, where[line.item_id][0].product_key, where[line.item_id][1], locale)
        if line.item_id in where
        else ""
        for line in quote.lines
    )
    return QuoteView(
        quote=quote,
        buying=buying,
        status=status,
        today=today,
        priced=priced,
        labels=labels,
        outlook=_outlook(priced, states, locale),
    )


def _outlook(
    priced: PricedQuote | None, states: tuple[SubscriptionState, ...], locale: str
) -> tuple[tuple[str, RenewalOutlook], ...]:
    if priced is None:
        return ()
    names = {
        state.subscription_id: parts().catalogue.product(state.product_key).name.in_(locale)
        for state in states
    }
    return tuple((names[o.subscription_id], o) for o in priced.outlook)
