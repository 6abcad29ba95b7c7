"""Taking access away while an invoice is owed, and giving it back once the money has come (M5)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.orders import OrderStatus
from portal.models import (
    Account,
    DunningCase,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Product,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.services.audit import SYSTEM, record
from portal.services.entitlements import announce_entitlements

__all__ = [
    "is_granted",
    "list_subscriptions_of",
    "require_access",
    "restore_access",
    "suspend_access",
]


def require_access(session: Session, account_id: int) -> None:
    """While something is suspended nothing is bought: DomainError `account_suspended` (M5)."""
    query = select(DunningCase.id).where(
        DunningCase.account_id == account_id,
        DunningCase.status == "open",
        DunningCase.suspended_at.is_not(None),
    )
    if session.scalars(query).first() is not None:
        raise DomainError("account_suspended")


def is_granted(session: Session, invoice: Invoice) -> bool:
    """Whether the customer has what an invoice is for: an order that waits for its transfer has not."""
    if invoice.order_id is None:
        return True
    status = session.scalar(select(Order.status).where(Order.id == invoice.order_id))
    return status != OrderStatus.INVOICED


def list_subscriptions_of(session: Session, invoice: Invoice) -> list[Subscription]:
    """The subscriptions that an invoice is for: the renewed one, or those of its order."""
    items = union(
        select(InvoiceLine.item_id).where(InvoiceLine.invoice_id == invoice.id),
        select(SeatEntry.item_id)
        .join(OrderLine, OrderLine.id == SeatEntry.order_line_id)
        .where(OrderLine.order_id == (invoice.order_id or 0)),
    ).subquery()
    query = (
        select(Subscription)
        .where(
            Subscription.account_id == invoice.account_id,
            (Subscription.id == (invoice.subscription_id or 0))
            | Subscription.id.in_(
                select(SubscriptionItem.subscription_id).where(
                    SubscriptionItem.id.in_(select(items.c.item_id))
                )
            ),
        )
        .order_by(Subscription.id)
        .execution_options(populate_existing=True)
    )
    session.flush()
    return list(session.scalars(query))


def suspend_access(
    session: Session,
    account: Account,
    case: DunningCase,
    invoice: Invoice,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> list[Subscription]:
    """Suspend what the invoice is for and tell the product; the subscriptions that are suspended.

    The account is locked. Empty where nothing of it runs any more.
    """
    concerned = [
        one for one in list_subscriptions_of(session, invoice) if one.status in ("active", "suspended")
    ]  # fmt: skip
    if not concerned:
        return []
    case.suspended_at = now
    changed = [one for one in concerned if one.status == "active"]
    _turn(session, account, changed, "suspended", "subscription_suspended", catalogue, now)
    return concerned


def restore_access(
    session: Session,
    account: Account,
    case: DunningCase,
    invoice: Invoice,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> list[Subscription]:
    """Give access back, where no other invoice keeps it suspended; what runs again.

    The account is locked.
    """
    if case.suspended_at is None:
        return []
    case.suspended_at = None
    session.flush()
    others = session.scalars(
        select(Invoice)
        .join(DunningCase, DunningCase.invoice_id == Invoice.id)
        .where(
            DunningCase.account_id == account.id,
            DunningCase.status == "open",
            DunningCase.suspended_at.is_not(None),
        )
    ).all()
    kept = {one.id for other in others for one in list_subscriptions_of(session, other)}
    changed = [
        one
        for one in list_subscriptions_of(session, invoice)
        if one.status == "suspended" and one.id not in kept
    ]
    _turn(session, account, changed, "active", "subscription_resumed", catalogue, now)
    return changed


def _turn(
    session: Session, account: Account, subscriptions: Collection[Subscription], status: str,
    action: str, catalogue: Catalogue, now: datetime,
) -> None:  # fmt: skip
    if not subscriptions:
        return
    for one in subscriptions:
        one.status = status
        one.version += 1
    session.flush()
    products = session.execute(
        select(Product.id, Product.key).where(
            among(Product.id, ids=[one.product_id for one in subscriptions])
        )
    )
    keys = {product_id: key for product_id, key in products}  # noqa: C416
    for one in subscriptions:
        record(session, action, actor=SYSTEM, now=now, account_id=account.id,
               subject=keys[one.product_id])  # fmt: skip
    announce_entitlements(session, account, [one.id for one in subscriptions], catalogue, now)
