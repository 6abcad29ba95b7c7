"""Buying more than seats, for tests: through the services, as the pages do it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import PlannedChange
from portal.domain.price_book import PriceBook
from portal.domain.subscriptions import SubscriptionState
from portal.domain.wishes import Wish
from portal.models import AddOn, Product, Subscription, SubscriptionItem
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.carts import save_cart
from portal.services.quoting import quote_cart
from portal.services.scheduling import open_subscription, schedule_change
from tests.support.buying import (
    ATELIER,
    LOTTE,
    account_named,
    actor_of,
    collected,
    placed,
    ready,
)

__all__ = ["add_on_item", "asked", "bought_wishes", "quoted_wishes", "state_of_product"]


def quoted_wishes(
    parts: Parts,
    *wishes: Wish,
    account: str = ATELIER,
    email: str = LOTTE,
    replaces: Iterable[int] = (),
) -> int:
    """A cart of the wishes was saved and quoted; the quote's id."""
    now = clock.now()
    with transaction() as session:
        row, actor = account_named(session, account), actor_of(session, email)
        assert actor.person_id is not None
        cart = save_cart(session, row.id, actor.person_id, wishes, now)
        quote = quote_cart(
            session, cart, catalogue=parts.catalogue, actor=actor, replaces=list(replaces), now=now
        )
        return int(quote.id)


def bought_wishes(
    parts: Parts,
    *wishes: Wish,
    account: str = ATELIER,
    email: str = LOTTE,
    replaces: Collection[int] = (),
) -> int:
    """The wishes were ordered and paid by card; the order's id."""
    quote_id = quoted_wishes(parts, *wishes, account=account, email=email, replaces=replaces)
    ready(parts, quote_id)
    order = placed(parts, quote_id, email=email)
    collected(parts, order.attempt_id)
    return order.order_id


def state_of_product(session: Session, account: str, product: str = "crm") -> SubscriptionState:
    """One of a customer's subscriptions as the rules see it now."""
    session.rollback()
    account_id = account_named(session, account).id
    states = list_subscription_states(session.connection(), account_id)
    return next(state for state in states if state.product_key == product)


def add_on_item(
    session: Session, account: str, add_on: str, product: str = "crm"
) -> SubscriptionItem:
    """The item that is an add-on of one of a customer's products."""
    query = (
        select(SubscriptionItem)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .join(AddOn, AddOn.id == SubscriptionItem.add_on_id)
        .where(
            Subscription.account_id == account_named(session, account).id,
            Product.key == product,
            AddOn.key == add_on,
        )
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one()


def asked(
    parts: Parts,
    plan: object,
    *,
    account: str = ATELIER,
    email: str = LOTTE,
    product: str = "crm",
) -> int:
    """A change waits that `plan(state, book, today)` decides; its id."""
    now = clock.now()
    with transaction() as session:
        row = account_named(session, account)
        state = state_of_product_in(session, row.id, product)
        opened = open_subscription(
            session, row.id, state.subscription_id, catalogue=parts.catalogue, now=now
        )
        book: PriceBook = get_price_book(session.connection(), row.currency)
        planned: PlannedChange = plan(opened.state, book, opened.today)  # type: ignore[operator]
        change = schedule_change(session, opened, planned, actor=actor_of(session, email), now=now)
        return int(change.id)


def state_of_product_in(session: Session, account_id: int, product: str) -> SubscriptionState:
    """The same within a transaction that goes on."""
    states = list_subscription_states(session.connection(), account_id)
    return next(state for state in states if state.product_key == product)
