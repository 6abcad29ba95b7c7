"""Orders whose transfer never came: they lapse at the renewal, or are withdrawn at the desk (Q3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.order_lines import Sold
from portal.domain.orders import OrderStatus
from portal.models import Account, Invoice, Order, OrderLine, SubscriptionItem
from portal.services.audit import SYSTEM, Actor, record
from portal.services.crediting import credit_invoice
from portal.services.locks import lock_account
from portal.services.outbox import open_desk_task
from portal.services.quote_mails import tell_of_lapse
from portal.services.quote_subjects import release_subjects
from portal.services.requests import request_lapsed

__all__ = ["LAPSED", "WITHDRAWN", "lapse_unpaid_orders", "lapses_with", "withdraw_order"]

LAPSED, WITHDRAWN = "order_lapsed", "order_withdrawn"
"""Why the invoice was credited (portal.documents.credit_note_words) and the order ended."""

# Written out, not bound: so both databases see that the partial index of what waits holds it.
_AWAITED = (
    select(Order.id, Order.account_id, OrderLine.kind, OrderLine.period_ends_on, OrderLine.details,
           SubscriptionItem.subscription_id)
    .join(OrderLine, OrderLine.order_id == Order.id)
    .outerjoin(SubscriptionItem, SubscriptionItem.id == OrderLine.item_id)
    .where(Order.status == "invoiced", among(Order.account_id))
    .order_by(Order.id, OrderLine.position)
)  # fmt: skip


def lapse_unpaid_orders(
    session: Session, ended: Mapping[int, tuple[int, date]], *, catalogue: Catalogue, now: datetime
) -> None:
    """End what waits for a transfer and was for a period that is over; the accounts are locked.

    `ended` are the subscriptions that enter their next period, with their account and its first
    day. The invoice is credited, what was paid of it goes to the balance (M6), and the request is
    prepared anew, at the price of the new period.
    """
    if not ended:
        return
    session.flush()
    accounts = sorted({account_id for account_id, _day in ended.values()})
    awaited = session.execute(_AWAITED, {"ids": accounts}).all()
    for order_id in dict.fromkeys(row.id for row in awaited if _is_over(row, ended)):
        order = session.get_one(Order, order_id, populate_existing=True)
        account = session.get_one(Account, order.account_id)
        invoice = _invoice_of(session, order)
        if not _end(session, order, invoice, LAPSED, catalogue=catalogue, actor=SYSTEM, now=now):
            open_desk_task(session, "order_not_lapsed", account_id=account.id, now=now,
                           dedupe_key=f"order_not_lapsed:{order.id}",
                           details={"order": order.number, "invoice": invoice.number})  # fmt: skip
            continue
        tell_of_lapse(session, account, order, invoice, now)
        request_lapsed(session, invoice, catalogue=catalogue, now=now)
    session.flush()


def lapses_with(line: Any) -> tuple[int, date] | None:
    """The subscription and the renewal with which a line lapses that is not paid by then.

    `line` has its kind, period_ends_on and details, and the subscription_id of its item. What has
    no period, or a coming one, never lapses.
    """
    if line.period_ends_on is None or line.kind == "coming":
        return None
    sold = Sold.read(line.details)
    key = line.subscription_id or (sold.subscription_id if sold is not None else None)
    return (key, line.period_ends_on) if key else None


def _is_over(line: Any, ended: Mapping[int, tuple[int, date]]) -> bool:
    key, ends_on = lapses_with(line) or (0, date.max)
    return key in ended and ends_on <= ended[key][1]


def withdraw_order(
    session: Session,
    account_id: int,
    order_id: int,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """Take an order back that waits for its transfer; its invoice is credited.

    DomainError `order_unknown`, `order_not_awaited`, and as `credit_invoice`.
    """
    lock_account(session, account_id)
    order = session.scalars(
        select(Order)
        .where(Order.id == order_id, Order.account_id == account_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if order is None:
        raise DomainError("order_unknown")
    if order.status != OrderStatus.INVOICED:
        raise DomainError("order_not_awaited")
    invoice = _invoice_of(session, order)
    if not _end(session, order, invoice, WITHDRAWN, catalogue=catalogue, actor=actor, now=now):
        raise DomainError("invoice_being_collected", number=invoice.number)
    request_lapsed(session, invoice, catalogue=catalogue, now=now, actor=actor)
    session.flush()
    return order


def _end(
    session: Session,
    order: Order,
    invoice: Invoice,
    why: str,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> bool:
    """False where a payment of the invoice is on its way: its outcome comes first."""
    if invoice.credited_minor < invoice.gross_minor:
        try:
            credit_invoice(session, invoice, reason=why, catalogue=catalogue, actor=actor, now=now)
        except DomainError:
            return False
    order.status, order.failure = OrderStatus.ABANDONED, {"code": why}
    order.version += 1
    release_subjects(session, order.quote_id)
    record(session, why, actor=actor, now=now, account_id=order.account_id, subject=order.number,
           new={"invoice": invoice.number})  # fmt: skip
    return True


def _invoice_of(session: Session, order: Order) -> Invoice:
    return session.scalars(
        select(Invoice)
        .where(Invoice.order_id == order.id)
        .execution_options(populate_existing=True)
    ).one()
