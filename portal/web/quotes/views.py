"""A quote as its page and the checkout show it: priced, named, with what it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from flask import abort

from portal.domain.errors import DomainError
from portal.domain.labels import item_label
from portal.domain.order_lines import SUBSCRIPTION_KINDS, PinnedLine
from portal.domain.pricing import PricedLine
from portal.domain.quotes import PricedQuote, RenewalOutlook
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState
from portal.languages import language
from portal.queries.quotes import AccountBuying, QuoteRow, get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.quoting import preview_quote
from portal.web.changes.views import ChangeLine, change_line
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.signed_in import account, parts, read_connection
from portal.wording import goods_words

__all__ = ["QuoteView", "read_quote"]


@dataclass(frozen=True, slots=True)
class QuoteView:
    """`priced` is None where a quote can no longer be priced; `labels` is by line.

    `status` is the quote's, or `outdated` where it is open and no longer fits the subscription;
    `problem` says why. `waiting` are the reductions of what it adds seats to, which stay (S3), each
    with the number that is added.
    """

    quote: QuoteRow
    buying: AccountBuying
    status: str
    today: date
    priced: PricedQuote | None
    labels: tuple[str, ...]
    outlook: tuple[tuple[str, RenewalOutlook], ...]
    problem: str | None = None
    waiting: tuple[tuple[ChangeLine, int], ...] = ()

    @property
    def named_lines(self) -> list[tuple[str, PricedLine]]:
        """The priced lines with their names."""
        return list(zip(self.labels, self.priced.lines, strict=True)) if self.priced else []

    @property
    def of_subscriptions(self) -> bool:
        """Whether it is about licences, not only about what is paid once."""
        return any(line.kind in SUBSCRIPTION_KINDS for line in self.quote.lines)

    def sells(self, kind: str) -> bool:
        """Whether one of its lines is of a kind: credits, service."""
        return any(line.kind == kind for line in self.quote.lines)

    @property
    def is_open(self) -> bool:
        """Whether it can still be ordered today."""
        return self.status == "open"


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
    problem = None
    try:
        on = today if status == "open" else quote.created_on
        # What was ordered stands on the order, as it was charged; here only what was pinned.
        priced = (
            None
            if quote.order_id is not None
            else preview_quote(quote.lines, states, buying, catalogue, on)
        )
    except DomainError as error:
        # Closed, and its period is over; or open, and what it would change is another by now.
        priced = None
        if status == "open":
            status, problem = "outdated", error_sentence(error)
    where: dict[int | None, tuple[SubscriptionState, ItemState]] = {
        item.item_id: (state, item) for state in states for item in state.items
    }
    labels = tuple(_label(line, where) for line in quote.lines)
    return QuoteView(
        quote=quote,
        buying=buying,
        status=status,
        today=today,
        priced=priced,
        labels=labels,
        outlook=_outlook(priced),
        problem=problem,
        waiting=_waiting(quote.lines, where),
    )


def _label(
    line: PinnedLine, where: Mapping[int | None, tuple[SubscriptionState, ItemState]]
) -> str:
    """What a line sells; one of the vendor's staff may name no more than the item."""
    catalogue, locale = parts().catalogue, speech().locale
    if line.sold is not None or line.once is not None:
        return goods_words(language(locale), catalogue, line.sold or line.once)
    if line.item_id in where:
        state, item = where[line.item_id]
        return item_label(catalogue, state.product_key, item, locale)
    return ""


def _waiting(
    lines: Iterable[PinnedLine], where: Mapping[int | None, tuple[SubscriptionState, ItemState]]
) -> tuple[tuple[ChangeLine, int], ...]:
    catalogue, locale = parts().catalogue, speech().locale
    return tuple(
        (change_line(where[line.item_id][0], change, catalogue, locale), line.quantity)
        for line in lines
        if line.kind == "seats" and line.item_id in where
        for change in where[line.item_id][0].changes_of(ChangeKind.SEATS, line.item_id)
    )


def _outlook(priced: PricedQuote | None) -> tuple[tuple[str, RenewalOutlook], ...]:
    if priced is None:
        return ()
    catalogue, locale = parts().catalogue, speech().locale
    return tuple((catalogue.product(o.product_key).name.in_(locale), o) for o in priced.outlook)
