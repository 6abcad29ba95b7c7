"""Reminding of an order that waits for its transfer: before it is due or lapses, and once after (Q3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.orders import transfer_reminder
from portal.domain.payment_references import display_reference
from portal.domain.periods import local_date_if_known
from portal.models import (
    Account,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    OutboxMessage,
    SubscriptionItem,
)
from portal.services.invoice_charges import owed_of
from portal.services.outbox import enqueue_mail
from portal.services.transfer_lapsing import lapses_with

__all__ = ["remind_of_transfers"]

_DATE_LINE = timedelta(days=1)
# Written out, not bound: so both databases see that the partial index of what waits holds it.
_AWAITED = (
    select(Order.id, Invoice, Account)
    .join(Invoice, Invoice.order_id == Order.id)
    .join(Account, Account.id == Order.account_id)
    .where(Order.status == "invoiced", Invoice.status == "open")
    .order_by(Order.id)
)


def remind_of_transfers(session: Session, *, now: datetime, after: int, limit: int) -> int | None:
    """Write the mails that are due of the next `limit` waiting orders beyond `after`.

    Returns where to go on, None where all were looked at. Nothing is told twice.
    """
    rows = session.execute(_AWAITED.where(Order.id > after).limit(limit)).all()
    lapses = _lapse_days(session, [row[0] for row in rows])
    due = []
    for order_id, invoice, account in rows:
        today = local_date_if_known(now, account.time_zone)
        if today is None:
            continue
        lapses_on = lapses.get(order_id)
        reminder = transfer_reminder(invoice.issued_on, invoice.due_on, lapses_on, today)
        if reminder is not None:
            due.append((order_id, invoice, account, reminder.value, lapses_on))
    told = _told(session, [account.id for _order, _invoice, account, _kind, _day in due])
    for order_id, invoice, account, kind, lapses_on in due:
        if (order_id, kind) not in told:
            _tell(session, account, order_id, invoice, kind, lapses_on, now)
    session.flush()
    return rows[-1][0] if len(rows) == limit else None


def _lapse_days(session: Session, order_ids: Sequence[int]) -> dict[int, date]:
    """The renewal with which each order lapses; of several lines the first."""
    lines = session.execute(
        select(OrderLine.order_id, OrderLine.kind, OrderLine.period_ends_on, OrderLine.details,
               SubscriptionItem.subscription_id)
        .outerjoin(SubscriptionItem, SubscriptionItem.id == OrderLine.item_id)
        .where(among(OrderLine.order_id, ids=list(order_ids)))
    )  # fmt: skip
    days: dict[int, date] = {}
    for line in lines:
        _key, ends_on = lapses_with(line) or (0, None)
        if ends_on is not None:
            days[line.order_id] = min(ends_on, days.get(line.order_id, ends_on))
    return days


def _told(session: Session, account_ids: Sequence[int]) -> set[tuple[int, str]]:
    """What was said before: one statement, not one a reader in every hour."""
    rows = session.scalars(
        select(OutboxMessage.payload).where(
            among(OutboxMessage.account_id, ids=list(account_ids)),
            OutboxMessage.topic == "order_unpaid",
        )
    )
    return {(payload["order_id"], payload["kind"]) for payload in rows}


def _tell(
    session: Session, account: Account, order_id: int, invoice: Invoice, kind: str,
    lapses_on: date | None, now: datetime,
) -> None:  # fmt: skip
    order = session.get_one(Order, order_id)
    payload: dict[str, Any] = {
        "kind": kind,
        "account_name": account.name,
        "order_id": order_id,
        "order_number": order.number,
        "invoice_number": invoice.number,
        "currency": invoice.currency,
        "owed_minor": owed_of(invoice),
        "due_on": invoice.due_on.isoformat(),
        "lapses_on": lapses_on.isoformat() if lapses_on is not None else "",
        "goods": _goods(session, invoice),
        "iban": invoice.seller.get("iban", ""),
        "bic": invoice.seller.get("bic", ""),
        "reference": display_reference(invoice.payment_reference) or invoice.number,
    }
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, "order_unpaid", recipient=recipient, locale=account.locale,
                     payload=payload, now=now, account_id=account.id,
                     dedupe_key=f"order_unpaid:{order_id}:{kind}:{recipient}")  # fmt: skip


def _goods(session: Session, invoice: Invoice) -> str:
    """What it is for, as the invoice says it and in its language: `3 × Kanto CRM Pro`."""
    lines = session.execute(
        select(InvoiceLine.quantity, InvoiceLine.description)
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    )
    words = (text if count == 1 else f"{count} × {text}" for count, text in lines)
    return ", ".join(dict.fromkeys(words))
