"""What can be subscribed to, and what a choice costs in each billing period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask_babel import gettext as _

from portal.domain.catalogue import Catalogue, Product
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.purchases import plan_purchase
from portal.domain.subscriptions import SubscriptionState
from portal.domain.trials import is_unpaid_trial
from portal.domain.wishes import Start
from portal.web.buying import Market
from portal.web.locale import speech
from portal.web.plans.views import PlanColumn
from portal.web.signed_in import parts
from portal.web.subscribe.forms import Offer

__all__ = ["IntervalTotal", "ProductCard", "offered_columns", "product_cards", "totals_by_interval"]


@dataclass(frozen=True, slots=True)
class ProductCard:
    """A product the account has no subscription of; `cheapest` is a licence's lowest price.

    `on_trial` where it is tried at present, or was and is only read.
    """

    key: str
    name: str
    description: str
    cheapest: Money | None
    interval: Interval | None
    on_trial: bool


@dataclass(frozen=True, slots=True)
class IntervalTotal:
    """A whole choice (net) billed so: each time, in a year, and what that saves against the dearest."""

    name: str
    each: Money
    year: Money
    saving: Money | None
    chosen: bool


def product_cards(
    states: Sequence[SubscriptionState], catalogue: Catalogue, book: PriceBook
) -> list[ProductCard]:
    """The products on sale that nothing is paid for, those that are tried first (C5)."""
    tried = {state.product_key for state in states if is_unpaid_trial(state)}
    paid = {state.product_key for state in states} - tried
    cards = [
        _card(p, book, on_trial=p.key in tried)
        for p in catalogue.offered_products
        if p.key not in paid
    ]
    return sorted(cards, key=lambda card: not card.on_trial)


def offered_columns(offer: Offer, locale: str) -> list[PlanColumn]:
    """The plans that can be bought, for the comparison; the trial's own is the current one."""
    assert offer.tried is not None
    mine = offer.tried.plan_item.plan_key
    return [
        PlanColumn(
            plan.key, plan.name.in_(locale), plan.description.in_(locale), None,
            "current" if plan.key == mine else "offered",
        )
        for plan in offer.plans
    ]  # fmt: skip


def _card(product: Product, book: PriceBook, *, on_trial: bool) -> ProductCard:
    locale, cheapest, shortest = speech().locale, None, None
    for interval in Interval:
        prices = [
            found.unit
            for plan in product.offered_plans
            if (found := book.plan(product.key, plan.key, interval)) is not None
        ]
        if prices:
            cheapest, shortest = min(prices, key=lambda unit: unit.minor), interval
            break
    return ProductCard(
        product.key,
        product.name.in_(locale),
        product.description.in_(locale),
        cheapest,
        shortest,
        on_trial,
    )


def totals_by_interval(wish: Start, market: Market) -> list[IntervalTotal]:
    """The same choice in every billing period in which all of it is sold."""
    names = {Interval.MONTH: _("Monthly"), Interval.QUARTER: _("Quarterly"),
             Interval.YEAR: _("Yearly")}  # fmt: skip
    sums: dict[Interval, Money] = {}
    for interval in Interval:
        try:
            lines = plan_purchase(
                [replace(wish, interval=interval)], market.states, market.book, parts().catalogue,
                market.buying.payment_terms, market.today,
            ).lines  # fmt: skip
        except DomainError:
            continue  # not sold so
        zero = Money.zero(market.buying.currency)
        sums[interval] = sum((line.unit_price * line.quantity for line in lines), zero)
    years = {interval: each * (12 // interval.months) for interval, each in sums.items()}
    dearest = max(years.values(), key=lambda year: year.minor, default=None)
    return [
        IntervalTotal(
            name=names[interval],
            each=each,
            year=years[interval],
            saving=dearest - years[interval]
            if dearest is not None and years[interval] < dearest
            else None,
            chosen=interval is wish.interval,
        )
        for interval, each in sums.items()
    ]
