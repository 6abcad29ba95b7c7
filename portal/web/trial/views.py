"""What the trial's page shows: what is tried, for how long, what happens then, what it would cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue, Product, TrialPaidStart
from portal.domain.labels import item_label
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.trials import READ_ONLY, days_left, is_unpaid_trial, paid_start, read_until
from portal.queries.subscriptions import SubscriptionRow
from portal.web.locale import speech
from portal.web.plans.views import value_words

__all__ = ["TrialCard", "trial_cards"]


@dataclass(frozen=True, slots=True)
class TrialCard:
    """One trial. `bought_from` is the first day of what was bought of it, None where nothing was.

    `day` of `days` is where it stands. `paid_from` is when a purchase of today would begin, `at_once`
    where the vendor's policy lets it begin so though the trial still runs. `price` is a licence's,
    for `interval`, None where it is not sold in the account's currency. `buy_url` is None where the
    product is not sold any more.
    """

    id: int
    product: str
    plan: str
    description: str
    is_read_only: bool
    started_on: date
    ends_on: date
    read_until: date | None
    days_left: int
    day: int
    days: int
    item: ItemState
    add_ons: tuple[str, ...]
    features: tuple[tuple[str, str], ...]
    price: Money | None
    interval: Interval | None
    paid_from: date
    at_once: bool
    bought_from: date | None
    buy_url: str | None
    data_export_url: str


def trial_cards(
    rows: Iterable[SubscriptionRow], book: PriceBook, catalogue: Catalogue, today: date
) -> list[TrialCard]:
    """The account's trials, and what was bought of one and has not begun yet."""
    return [
        _card(row, row.trial_ends_on, book, catalogue, today)
        for row in rows
        if row.trial_ends_on is not None
        and (is_unpaid_trial(row.state) or _bought_from(row.state, today) is not None)
    ]


def _card(
    row: SubscriptionRow, ends_on: date, book: PriceBook, catalogue: Catalogue, today: date
) -> TrialCard:
    state, locale, policy = row.state, speech().locale, catalogue.policy
    product, plan = catalogue.product(state.product_key), state.plan_item
    plan_key = plan.plan_key or ""
    interval, price = _price(book, product, plan_key)
    days = (ends_on - row.started_on).days + 1
    since = state.read_only_from or ends_on + timedelta(days=1)
    keep = policy.trial_read_only_days
    return TrialCard(
        id=state.subscription_id,
        product=product.name.in_(locale),
        plan=product.plan(plan_key).name.in_(locale),
        description=product.plan(plan_key).description.in_(locale),
        is_read_only=state.status == READ_ONLY,
        started_on=row.started_on,
        ends_on=ends_on,
        read_until=read_until(since, keep) if keep else None,
        days_left=days_left(ends_on, today),
        day=min(max((today - row.started_on).days + 1, 1), days),
        days=days,
        item=plan,
        add_ons=tuple(
            item_label(catalogue, state.product_key, item, locale)
            for item in state.items
            if item.kind == "add_on"
        ),
        features=_features(product, plan_key),
        price=price,
        interval=interval,
        paid_from=paid_start(state, today, policy.trial_paid_start),
        at_once=policy.trial_paid_start is TrialPaidStart.AT_ONCE,
        bought_from=_bought_from(state, today),
        buy_url=f"/subscribe/{product.key}" if product.offered_plans else None,
        data_export_url=product.data_export_url,
    )


def _bought_from(state: SubscriptionState, today: date) -> date | None:
    waits = state.period is not None and state.period.start > today
    return state.period.start if waits and state.period is not None else None


def _price(
    book: PriceBook, product: Product, plan_key: str
) -> tuple[Interval | None, Money | None]:
    for interval in Interval:
        found = book.plan(product.key, plan_key, interval)
        if found is not None:
            return interval, found.unit
    return None, None


def _features(product: Product, plan_key: str) -> tuple[tuple[str, str], ...]:
    """What the plan has, in words; what it lacks is in the comparison of the plans."""
    return tuple(
        (feature.name.in_(speech().locale), value_words(value, feature.unit))
        for feature in product.features
        if (value := feature.value(plan_key)) is not None and value is not False
    )
