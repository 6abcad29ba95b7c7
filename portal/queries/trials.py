"""Trials that were not bought, for many customers at once: what ends, and who is reminded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import String, and_, bindparam, cast, exists, func, literal, or_, select, text
from sqlalchemy.engine import Connection

from portal.db import among, fetch_all, fetch_first
from portal.domain.trials import TRIAL
from portal.models import (
    LIVE_ORDER,
    UNPAID_TRIAL,
    Account,
    Order,
    Product,
    QuoteSubject,
    Subscription,
)

__all__ = ["UnpaidTrial", "count_late_trials", "list_unpaid_trials", "list_unpaid_trials_of",
           "list_unpaid_trials_of_account"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnpaidTrial:
    """A trial that runs or is only read; `is_being_bought` while an order of it is not settled."""

    subscription_id: int
    product_key: str
    status: str
    ends_on: date
    read_only_from: date | None
    account_id: int
    account_name: str
    account_ref: str
    time_zone: str
    is_being_bought: bool


# By the name under which an order holds what it buys (portal.domain.quotes.subject_of_subscription);
# `holds` is written out, so that SQLite sees that the partial index of what is held holds it.
_IS_BEING_BOUGHT = exists(
    select(Order.id)
    .join(QuoteSubject, QuoteSubject.quote_id == Order.quote_id)
    .where(
        QuoteSubject.subject == literal("subscription:") + cast(Subscription.id, String),
        text("quote_subject.holds"),
        LIVE_ORDER,
        or_(
            Order.status == "placed",
            Order.status == "requires_action",
            Order.status == "invoiced",
        ),
    )
)
_UNPAID = (
    select(
        Subscription.id,
        Product.key,
        Subscription.status,
        Subscription.trial_ends_on,
        Subscription.read_only_from,
        Account.id,
        Account.name,
        func.coalesce(Account.external_ref, cast(Account.id, String)),
        Account.time_zone,
        _IS_BEING_BOUGHT,
    )
    .join(Account, Account.id == Subscription.account_id)
    .join(Product, Product.id == Subscription.product_id)
    .where(UNPAID_TRIAL)
    .order_by(Subscription.trial_ends_on, Subscription.id)
)
_PAGE = _UNPAID.where(
    Subscription.trial_ends_on >= bindparam("first"),
    Subscription.trial_ends_on <= bindparam("last"),
    or_(
        Subscription.trial_ends_on > bindparam("after_day"),
        and_(
            Subscription.trial_ends_on == bindparam("after_day"),
            Subscription.id > bindparam("after_id"),
        ),
    ),
).limit(bindparam("limit"))
_THESE = _UNPAID.where(among(Subscription.id))
_OF_ACCOUNT = _UNPAID.where(Subscription.account_id == bindparam("account_id"))
_LATE = select(func.count(Subscription.id)).where(
    UNPAID_TRIAL,
    Subscription.status == TRIAL,
    Subscription.trial_ends_on < bindparam("before"),
)


def list_unpaid_trials(
    connection: Connection, *, first: date, last: date, after: tuple[date, int], limit: int
) -> list[UnpaidTrial]:
    """Trials whose last day is from `first` to `last`, beyond (day, id) `after`, earliest first."""
    rows = fetch_all(
        connection,
        _PAGE,
        first=first,
        last=last,
        after_day=after[0],
        after_id=after[1],
        limit=limit,
    )
    return [UnpaidTrial(*row) for row in rows]


def list_unpaid_trials_of(
    connection: Connection, subscription_ids: Collection[int]
) -> list[UnpaidTrial]:
    """Those of the subscriptions that are unpaid trials, as they are now."""
    return [UnpaidTrial(*row) for row in fetch_all(connection, _THESE, ids=subscription_ids)]


def list_unpaid_trials_of_account(connection: Connection, account_id: int) -> list[UnpaidTrial]:
    """The unpaid trials of one account."""
    return [UnpaidTrial(*row) for row in fetch_all(connection, _OF_ACCOUNT, account_id=account_id)]


def count_late_trials(connection: Connection, today: date) -> int:
    """Trials that no worker made read-only though they were over a day ago, wherever they are."""
    return int(fetch_first(connection, _LATE, before=today - timedelta(days=1))[0])
