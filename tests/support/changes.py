"""Waiting changes for tests: asked through the services, as the pages ask for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import PlannedChange, plan_reduction
from portal.domain.price_book import PriceBook
from portal.domain.seat_removal import plan_seat_removal
from portal.domain.subscriptions import SubscriptionState
from portal.models import Account, ScheduledChange, Subscription, SubscriptionItem
from portal.parts import Parts
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.scheduling import open_subscription, schedule_change
from portal.services.seat_removal import remove_seats
from tests.support.buying import ATELIER, LOTTE, account_named, actor_of, plan_item

__all__ = ["Decide", "removal_key", "removed", "scheduled", "wait_for_fewer_seats", "waiting"]


Decide = Callable[[SubscriptionState, PriceBook, date, int], PlannedChange]
"""One of the domain's plan_* with what its page would send."""


def scheduled(
    parts: Parts, account: str, decide: Decide, *, email: str = LOTTE, product: str = "crm"
) -> int:
    """A change waits, as if asked now, without its mails; its id."""
    now = clock.now()
    with transaction() as session:
        row, item = account_named(session, account), plan_item(session, account, product)
        opened = open_subscription(
            session, row.id, item.subscription_id, catalogue=parts.catalogue, now=now
        )
        book = get_price_book(session.connection(), row.currency)
        notice_days = parts.catalogue.policy.change_notice_days
        planned = decide(opened.state, book, opened.today, notice_days)
        change = schedule_change(session, opened, planned, actor=actor_of(session, email), now=now)
        return int(change.id)


def wait_for_fewer_seats(
    parts: Parts, account: str, *, remove: int = 1, email: str = LOTTE, product: str = "crm"
) -> int:
    """A reduction of a plan waits, without its mails; the change's id."""

    def fewer(state: SubscriptionState, _book: PriceBook, on: date, notice: int) -> PlannedChange:
        return plan_reduction(state, state.plan_item.item_id, remove, on, notice)

    return scheduled(parts, account, fewer, email=email, product=product)


def removed(
    parts: Parts,
    account: str = ATELIER,
    remove: int = 4,
    *,
    email: str = LOTTE,
    product: str = "crm",
    chosen: tuple[int, ...] | None = None,
    shown: str | None = None,
) -> date:
    """Seats of a plan were removed by the service, as the page does it; the day it takes effect."""
    now = clock.now()
    with transaction() as session:
        row, item = account_named(session, account), plan_item(session, account, product)
        if shown is None:
            shown = removal_key(parts, session, row, item, remove, chosen)
        return remove_seats(
            session, row.id, item.subscription_id, item.id, remove, chosen=chosen, shown=shown,
            catalogue=parts.catalogue, actor=actor_of(session, email), now=now,
        )  # fmt: skip


def removal_key(
    parts: Parts,
    session: Session,
    account: Account,
    item: SubscriptionItem,
    remove: int,
    chosen: tuple[int, ...] | None = None,
) -> str:
    """What the page shows of a removal today."""
    connection, today = session.connection(), clock.today(account.time_zone)
    states = list_subscription_states(connection, account.id, today)
    held = list_subscription_held(connection, account.id, item.subscription_id)
    removal = plan_seat_removal(
        next(s for s in states if s.subscription_id == item.subscription_id),
        item.id,
        remove,
        held=[one.held for one in held],
        active_admins=count_active_admins(connection, account.id),
        asked_on=today,
        notice_days=parts.catalogue.policy.change_notice_days,
        chosen=chosen,
    )
    return removal.key


def waiting(session: Session, account: str) -> list[ScheduledChange]:
    """What waits for a customer's renewals, the oldest first."""
    query = (
        select(ScheduledChange)
        .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
        .where(
            Subscription.account_id == account_named(session, account).id,
            ScheduledChange.status == "waiting",
        )
        .order_by(ScheduledChange.id)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))
