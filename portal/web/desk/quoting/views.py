"""The draft of an offer as its page shows it: each line priced, or with what keeps it from being sold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.domain.errors import DomainError
from portal.domain.offers import Offered, plan_offer
from portal.domain.price_book import PriceBook
from portal.domain.pricing import PricedLine
from portal.domain.quotes import PricedQuote, terms_key
from portal.domain.subscriptions import SubscriptionState
from portal.domain.wishes import Start
from portal.languages import language
from portal.queries.desk_accounts import DeskAccount
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.prices import get_price_book
from portal.queries.quote_drafts import Draft, DraftLine, get_draft
from portal.queries.subscriptions import list_subscription_states
from portal.services.quoting import preview_quote
from portal.web.desk.quoting.choices import ChoiceGroup, list_choices
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.signed_in import parts, read_connection
from portal.wording import goods_words

__all__ = ["DraftView", "Market", "OfferView", "preview_offer", "read_draft", "read_market"]


@dataclass(frozen=True, slots=True)
class Market:
    """What offering depends on; `ahead` is what was invoiced before its period began (I3)."""

    states: Sequence[SubscriptionState]
    book: PriceBook
    ahead: dict[int, date]
    today: date


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer priced as of today: its named lines, and which wish each comes from."""

    priced: PricedQuote
    lines: tuple[tuple[str, PricedLine], ...]
    sources: tuple[int, ...]

    @property
    def key(self) -> str:
        """What is charged if it is invoiced: that and no other (Q2)."""
        return terms_key(self.priced)

    def of_source(self, place: int) -> list[tuple[str, PricedLine]]:
        """The lines of one wish; a coming period's stand with the line that they follow from."""
        return [
            (label, line)
            for label, line in self.lines
            if self.sources[(line.of_line or line.position) - 1] == place
        ]


@dataclass(frozen=True, slots=True)
class DraftView:
    """The draft: each line with its priced lines, or with the `problem` of the whole of it.

    `kept` is it as it was stored. `gives_credits`: a discount on a pack gives more than one person may give away.
    """

    lines: tuple[tuple[DraftLine, list[tuple[str, PricedLine]], str], ...]
    offer: OfferView | None
    choices: list[ChoiceGroup]
    market: Market
    kept: Draft
    gives_credits: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every line of it can be sold."""
        return self.offer is not None and not any(problem for _line, _priced, problem in self.lines)


def read_market(account: DeskAccount) -> Market:
    """Of a customer: three statements."""
    connection, today = read_connection(), parts().clock.today(account.time_zone)
    return Market(
        list_subscription_states(connection, account.id, today),
        get_price_book(connection, account.currency),
        list_invoiced_ahead(connection, account.id) if account.by_transfer else {},
        today,
    )


def preview_offer(account: DeskAccount, market: Market, offered: Sequence[Offered]) -> OfferView:
    """The quote that the offer would make today; writes nothing. Errors as `plan_offer`."""
    catalogue, words = parts().catalogue, language(speech().locale)
    offer = plan_offer(offered, market.states, market.book, catalogue, market.today)
    pinned = offer.purchase.lines
    priced = preview_quote(
        pinned, market.states, account.buying, catalogue, market.today, market.ahead
    )
    labels = [goods_words(words, catalogue, line.sold or line.once) for line in pinned]
    named = tuple((labels[(line.of_line or line.position) - 1], line) for line in priced.lines)
    return OfferView(priced, named, offer.sources)


def read_draft(account: DeskAccount, person_id: int) -> DraftView:
    """The person's draft for the customer; a line that cannot be sold (any more) says why."""
    market = read_market(account)
    kept = get_draft(read_connection(), account.id, person_id)
    problems: dict[int, str] = {}
    sound: list[DraftLine] = []
    offer, gives_credits = None, False
    for line in kept.lines:
        try:
            offer = preview_offer(account, market, [x.offered for x in (*sound, line)])
            sound.append(line)
        except DomainError as error:
            problems[line.id] = error_sentence(error)
            gives_credits = gives_credits or error.code == "discount_gives_credits"
    begun = [x.offered.wish for x in sound if isinstance(x.offered.wish, Start)]
    return DraftView(
        tuple((x, _priced_of(offer, sound, x), problems.get(x.id, "")) for x in kept.lines),
        offer,
        list_choices(
            market.states, begun, market.book, parts().catalogue, speech().locale, market.today
        ),
        market,
        kept,
        gives_credits,
    )


def _priced_of(
    offer: OfferView | None, sound: list[DraftLine], line: DraftLine
) -> list[tuple[str, PricedLine]]:
    return offer.of_source(sound.index(line)) if offer is not None and line in sound else []
