"""Telling the vendor's product what to grant, and hearing that it did (Q6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.orders import OrderStatus
from portal.domain.subscriptions import SubscriptionState
from portal.models import (
    Account,
    Entitlement,
    Order,
    OrderLine,
    SeatEntry,
    SubscriptionItem,
)
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, record
from portal.services.bulk_rows import as_json, insert_rows, update_rows
from portal.services.outbox import request_entitlement

__all__ = ["Announcement", "acknowledge_entitlement", "announce", "announce_entitlements",
           "finish_order", "grants_of"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a product must grant for a subscription from now on; `awaited`: it acknowledges."""

    account_id: int
    subscription_id: int
    grants: dict[str, Any]
    awaited: bool


def grants_of(account_ref: str, state: SubscriptionState) -> dict[str, Any]:
    """What the vendor's product must grant for a subscription, as JSON."""
    return {
        "account": account_ref,
        "product": state.product_key,
        "status": state.status,
        "items": [
            {
                "plan": item.plan_key,
                "add_on": item.add_on_key,
                "package": item.package_key,
                "seats": item.quantity if item.per_seat else None,
            }
            for item in state.items
        ],
    }


def announce_entitlements(
    session: Session,
    account: Account,
    subscription_ids: Sequence[int],
    catalogue: Catalogue,
    now: datetime,
) -> bool:
    """Write a new version of each subscription's grants; whether an acknowledgement is awaited.

    A product without an endpoint has nothing to acknowledge: its grants hold at once.
    """
    session.flush()
    ref = account.external_ref or str(account.id)
    states = {
        state.subscription_id: state
        for state in list_subscription_states(session.connection(), account.id)
    }
    found = [
        Announcement(account.id, key, grants_of(ref, states[key]),
                     catalogue.product(states[key].product_key).entitlement_url is not None)
        for key in subscription_ids
    ]  # fmt: skip
    announce(session, found, now)
    return any(each.awaited for each in found)


_NEW = ("subscription_id", "version", "grants", "changed_at", "acknowledged_version",
        "acknowledged_at")  # fmt: skip
_CHANGED = ("version", "grants", "changed_at", "acknowledged_version", "acknowledged_at")


def announce(session: Session, announcements: Collection[Announcement], now: datetime) -> None:
    """Write the new versions, one a subscription, and the messages to products that acknowledge."""
    if not announcements:
        return
    known = {
        row.subscription_id: row
        for row in session.execute(
            select(
                Entitlement.id,
                Entitlement.subscription_id,
                Entitlement.version,
                Entitlement.acknowledged_version,
                Entitlement.acknowledged_at,
            )
            .where(Entitlement.subscription_id.in_([a.subscription_id for a in announcements]))
            .order_by(Entitlement.id)
            .with_for_update()
        )
    }
    new: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    for one in announcements:
        row = known.get(one.subscription_id)
        version = row.version + 1 if row is not None else 1
        heard, at = (version, now) if not one.awaited else (0, None)
        if one.awaited and row is not None:
            heard, at = row.acknowledged_version, row.acknowledged_at
        if row is None:
            new.append((one.subscription_id, version, as_json(one.grants), now, heard, at))
        else:
            changed.append((row.id, version, one.grants, now, heard, at))
        if one.awaited:
            request_entitlement(session, account_id=one.account_id, now=now, version=version,
                                subscription_id=one.subscription_id,
                                payload={"subscription_id": one.subscription_id,
                                         "version": version, **one.grants})  # fmt: skip
    connection = session.connection()
    insert_rows(connection, Entitlement.__table__, _NEW, new)
    update_rows(connection, Entitlement.__table__, _CHANGED, changed)
    for stale in [x for x in session.identity_map.values() if isinstance(x, Entitlement)]:
        session.expire(stale)
    session.flush()


def acknowledge_entitlement(
    session: Session, subscription_id: int, version: int, now: datetime
) -> None:
    """The product granted `version`; an order whose subscriptions are all acknowledged is done.

    News may come twice or late: an older version never replaces a newer one.
    """
    row = session.scalars(
        select(Entitlement).where(Entitlement.subscription_id == subscription_id).with_for_update()
    ).one_or_none()
    if row is None or version <= row.acknowledged_version or version > row.version:
        return
    row.acknowledged_version, row.acknowledged_at = version, now
    session.flush()
    if row.acknowledged_version < row.version:
        return
    waiting = session.scalars(
        select(Order).where(
            Order.status == OrderStatus.PAID,
            Order.id.in_(
                select(OrderLine.order_id)
                .join(SeatEntry, SeatEntry.order_line_id == OrderLine.id)
                .join(SubscriptionItem, SubscriptionItem.id == SeatEntry.item_id)
                .where(SubscriptionItem.subscription_id == subscription_id)
            ),
        )
    ).all()
    for order in waiting:
        finish_order(session, order, now)
    session.flush()


def finish_order(session: Session, order: Order, now: datetime) -> None:
    """The order is done, unless a product has not acknowledged, or people are to see to a line."""
    behind = session.scalar(
        select(Entitlement.id)
        .join(SubscriptionItem, SubscriptionItem.subscription_id == Entitlement.subscription_id)
        .join(SeatEntry, SeatEntry.item_id == SubscriptionItem.id)
        .join(OrderLine, OrderLine.id == SeatEntry.order_line_id)
        .where(
            OrderLine.order_id == order.id,
            Entitlement.acknowledged_version < Entitlement.version,
        )
        .limit(1)
    )
    if behind is not None or order.failure is not None or order.status != OrderStatus.PAID:
        return
    order.status, order.provisioned_at = OrderStatus.DONE, now
    order.version += 1
    record(session, "order_done", actor=SYSTEM, now=now, account_id=order.account_id,
           subject=order.number)  # fmt: skip
