"""Telling the vendor's product what to grant, and hearing that it did (Q6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.orders import OrderStatus
from portal.models import Account, Entitlement, Order, OrderLine, SubscriptionItem
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, record
from portal.services.outbox import request_entitlement

__all__ = ["acknowledge_entitlement", "announce_entitlements"]


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
    states = {
        state.subscription_id: state
        for state in list_subscription_states(session.connection(), account.id)
    }
    awaited = False
    for subscription_id in subscription_ids:
        state = states[subscription_id]
        grants: dict[str, Any] = {
            "account": account.external_ref or str(account.id),
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
        row = session.scalars(
            select(Entitlement)
            .where(Entitlement.subscription_id == subscription_id)
            .with_for_update()
        ).one_or_none()
        if row is None:
            row = Entitlement(subscription_id=subscription_id, version=0, grants={},
                              changed_at=now, acknowledged_version=0)  # fmt: skip
            session.add(row)
        row.version += 1
        row.grants = grants
        row.changed_at = now
        if catalogue.product(state.product_key).entitlement_url is None:
            row.acknowledged_version, row.acknowledged_at = row.version, now
        else:
            awaited = True
            request_entitlement(session, account_id=account.id, subscription_id=subscription_id,
                                version=row.version, now=now,
                                payload={"subscription_id": subscription_id,
                                         "version": row.version, **grants})  # fmt: skip
    session.flush()
    return awaited


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
                .join(SubscriptionItem, SubscriptionItem.id == OrderLine.item_id)
                .where(SubscriptionItem.subscription_id == subscription_id)
            ),
        )
    ).all()
    for order in waiting:
        behind = session.scalar(
            select(Entitlement.id)
            .join(SubscriptionItem, SubscriptionItem.subscription_id == Entitlement.subscription_id)
            .join(OrderLine, OrderLine.item_id == SubscriptionItem.id)
            .where(
                OrderLine.order_id == order.id,
                Entitlement.acknowledged_version < Entitlement.version,
            )
            .limit(1)
        )
        if behind is None:
            order.status, order.provisioned_at = OrderStatus.DONE, now
            order.version += 1
            record(session, "order_done", actor=SYSTEM, now=now, account_id=order.account_id,
                   subject=order.number)  # fmt: skip
    session.flush()
