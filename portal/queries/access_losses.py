"""What reminders of lost access are made of, for many customers in few statements (S6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.access import Held
from portal.domain.subscriptions import SubscriptionState
from portal.models import (
    WAITING_CHANGE,
    Account,
    Assignment,
    OutboxMessage,
    ScheduledChange,
    Subscription,
)
from portal.queries.holders import HeldBy, select_held
from portal.queries.subscriptions import read_states, select_states

__all__ = [
    "DueReduction", "list_due_reductions", "list_held_of_items", "list_known_keys",
    "list_states_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DueReduction:
    """A waiting reduction whose renewal is near, with what is needed to tell its admins."""

    change_id: int
    effective_on: date
    subscription_id: int
    account_id: int
    account_name: str
    time_zone: str


_DUE = (
    select(
        ScheduledChange.id,
        ScheduledChange.effective_on,
        Subscription.id,
        Account.id,
        Account.name,
        Account.time_zone,
    )
    .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
    .join(Account, Account.id == Subscription.account_id)
    .where(
        WAITING_CHANGE,
        ScheduledChange.kind == "seats",
        Subscription.status == "active",
        ScheduledChange.effective_on >= bindparam("first"),
        ScheduledChange.effective_on <= bindparam("last"),
        or_(
            ScheduledChange.effective_on > bindparam("after_day"),
            and_(
                ScheduledChange.effective_on == bindparam("after_day"),
                ScheduledChange.id > bindparam("after_id"),
            ),
        ),
    )
    .order_by(ScheduledChange.effective_on, ScheduledChange.id)
    .limit(bindparam("limit"))
)
_STATES = select_states(Subscription.id.in_(bindparam("ids", expanding=True)))
_HELD = select_held(Assignment.item_id.in_(bindparam("ids", expanding=True)))
_KNOWN = select(OutboxMessage.dedupe_key).where(
    OutboxMessage.dedupe_key.in_(bindparam("keys", expanding=True))
)
_PER_STATEMENT = 5_000
"""Parameters of one statement; either database takes more."""


def list_due_reductions(
    connection: Connection, *, first: date, last: date, after: tuple[date, int], limit: int
) -> list[DueReduction]:
    """The reductions that wait for a renewal from `first` to `last`, beyond (day, id) `after`."""
    rows = fetch_all(
        connection, _DUE, first=first, last=last, after_day=after[0], after_id=after[1], limit=limit
    )
    return [DueReduction(*row) for row in rows]


def list_states_of(
    connection: Connection, subscription_ids: Collection[int]
) -> dict[int, SubscriptionState]:
    """These subscriptions as the rules see them, by id."""
    rows = read_states(fetch_all(connection, _STATES, ids=sorted(subscription_ids)))
    return {row.state.subscription_id: row.state for row in rows}


def list_held_of_items(
    connection: Connection, item_ids: Collection[int]
) -> dict[int, list[HeldBy]]:
    """Who holds the licences of these items, by item id, the last assigned first."""
    found: defaultdict[int, list[HeldBy]] = defaultdict(list)
    if item_ids:
        for row in fetch_all(connection, _HELD, ids=sorted(item_ids)):
            found[row[1]].append(HeldBy(Held(*row[:7]), row[7], row[8]))
    return found


def list_known_keys(connection: Connection, keys: Collection[str]) -> set[str]:
    """Those of `keys` under which a message was written before."""
    known: set[str] = set()
    ordered = sorted(keys)
    for start in range(0, len(ordered), _PER_STATEMENT):
        part: list[Any] = ordered[start : start + _PER_STATEMENT]
        known.update(row[0] for row in fetch_all(connection, _KNOWN, keys=part))
    return known
