"""Whose licence is freed at the end of today: the last day that a reduction leaves them (S6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.access import Held, ItemFreeing, plan_freeing
from portal.models import (
    Assignment,
    BillingPeriod,
    Member,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.queries.holders import select_held

__all__ = ["list_last_day_names"]

_ADMINS = (
    select(func.count())
    .where(
        Member.account_id == bindparam("account_id"),
        Member.role == "admin",
        Member.status == "active",
    )
    .correlate(None)
    .scalar_subquery()
)
_HELD = (
    select_held(
        Subscription.account_id == bindparam("account_id"),
        SubscriptionItem.removed_at.is_(None),
    )
    .join(SubscriptionItem, SubscriptionItem.id == Assignment.item_id)
    .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
    .join(
        BillingPeriod,
        and_(
            BillingPeriod.subscription_id == Subscription.id,
            BillingPeriod.is_current,
            BillingPeriod.starts_on == bindparam("on"),
        ),
    )
    .join(
        ScheduledChange,
        and_(
            ScheduledChange.item_id == SubscriptionItem.id,
            ScheduledChange.subscription_id == Subscription.id,
            ScheduledChange.kind == "seats",
            ScheduledChange.status == "applied",
            ScheduledChange.effective_on == BillingPeriod.starts_on,
        ),
    )
    .add_columns(
        SubscriptionItem.subscription_id,
        SubscriptionItem.quantity,
        ScheduledChange.target,
        _ADMINS,
    )
)


@dataclass(slots=True)
class _Item:
    subscription_id: int
    seats: int
    held: dict[int, Held]
    chosen: set[int]


def list_last_day_names(
    connection: Connection, account_id: int, on: date
) -> Mapping[int, tuple[str, ...]]:
    """By subscription that was renewed `on`: the people who lose a licence when that day ends.

    Decided as `free_surplus` decides it; one statement, for the day of a renewal only.
    """
    items: dict[int, _Item] = {}
    names: dict[int, str] = {}
    admins = 0
    for row in fetch_all(connection, _HELD, account_id=account_id, on=on):
        held, (name, _email, subscription_id, seats, target, count) = Held(*row[:7]), row[7:]
        item = items.setdefault(held.item_id, _Item(subscription_id, seats, {}, set()))
        item.held[held.assignment_id] = held
        item.chosen |= set(_chosen(target))
        names[held.assignment_id], admins = name, count
    plan = plan_freeing(
        [ItemFreeing(tuple(x.held.values()), x.seats, tuple(x.chosen)) for x in items.values()],
        active_admins=admins,
    )
    found: dict[int, tuple[str, ...]] = {}
    for one in plan.freed:
        key = items[one.item_id].subscription_id
        found[key] = (*found.get(key, ()), names[one.assignment_id])
    return found


def _chosen(target: Mapping[str, Any] | None) -> list[int]:
    return list((target or {}).get("free", ()))
