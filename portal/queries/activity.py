"""What was done in an account: its audit events, the latest first, with the names they point to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import AddOn, AuditEvent, Member, Person, Plan, Product, Subscription
from portal.models import SubscriptionItem as Item

__all__ = ["Event", "ItemKeys", "list_events", "list_item_keys", "list_member_names"]


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what, when; `old` and `new` are what the action recorded."""

    id: int
    at: datetime
    actor_kind: str
    actor_name: str
    action: str
    subject: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ItemKeys:
    """What a subscription item is, by the catalogue's keys."""

    product_key: str
    plan_key: str | None
    add_on_key: str | None
    package_key: str | None


_EVENTS = (
    select(
        AuditEvent.id,
        AuditEvent.at,
        AuditEvent.actor_kind,
        AuditEvent.actor_name,
        AuditEvent.action,
        AuditEvent.subject,
        AuditEvent.old,
        AuditEvent.new,
    )
    .where(AuditEvent.account_id == bindparam("account_id"))
    .order_by(AuditEvent.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_EVENTS_OF = _EVENTS.where(AuditEvent.action.in_(bindparam("actions", expanding=True)))
_ITEMS = (
    select(Item.id, Product.key, Plan.key, AddOn.key, AddOn.package_key)
    .join(Subscription, Subscription.id == Item.subscription_id)
    .join(Product, Product.id == Subscription.product_id)
    .outerjoin(Plan, Plan.id == Item.plan_id)
    .outerjoin(AddOn, AddOn.id == Item.add_on_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        Item.id.in_(bindparam("ids", expanding=True)),
    )
)
_MEMBERS = (
    select(Member.id, Person.name)
    .join(Person, Person.id == Member.person_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Member.id.in_(bindparam("ids", expanding=True)),
    )
)


def list_events(
    connection: Connection,
    account_id: int,
    *,
    actions: Collection[str] | None,
    limit: int,
    offset: int,
) -> tuple[Event, ...]:
    """The account's events, the latest first; with `actions` only those."""
    values: dict[str, Any] = {"account_id": account_id, "limit": limit, "offset": offset}
    if actions is None:
        rows = connection.execute(_EVENTS, values)
    else:
        rows = connection.execute(_EVENTS_OF, {**values, "actions": sorted(actions)})
    return tuple(Event(*row) for row in rows)


def list_item_keys(
    connection: Connection, account_id: int, ids: Collection[int]
) -> dict[int, ItemKeys]:
    """The account's subscription items among `ids`."""
    rows = connection.execute(_ITEMS, {"account_id": account_id, "ids": sorted(ids)})
    return {row[0]: ItemKeys(*row[1:]) for row in rows}


def list_member_names(
    connection: Connection, account_id: int, ids: Collection[int]
) -> dict[int, str]:
    """The names of the account's members among `ids`."""
    rows = connection.execute(_MEMBERS, {"account_id": account_id, "ids": sorted(ids)})
    return {row[0]: row[1] for row in rows}
