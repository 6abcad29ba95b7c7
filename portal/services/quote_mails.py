"""The e-mails of quotes and of orders that are paid by transfer, to both sides, once each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.models import (
    Account,
    Invoice,
    Member,
    Order,
    OrderLine,
    Person,
    Quote,
    SeatEntry,
    StaffMember,
)
from portal.services.invoicing import item_labels
from portal.services.outbox import enqueue_mail

__all__ = ["list_buyers", "tell_buyers", "tell_desk", "tell_of_grant", "tell_of_invoice",
           "tell_of_lapse"]  # fmt: skip


def list_buyers(session: Session, account_id: int) -> list[Person]:
    """The active people who may answer a quote of the account."""
    return list(
        session.scalars(
            select(Person)
            .join(Member, Member.person_id == Person.id)
            .where(
                Member.account_id == account_id,
                Member.status == "active",
                Member.role.in_(("admin", "billing_admin")),
            )
            .order_by(Member.id)
        )
    )


def tell_buyers(
    session: Session,
    account: Account,
    quote: Quote,
    topic: str,
    now: datetime,
    *,
    gross_minor: int,
) -> None:
    """Write `topic` (quote_prepared, quote_expiring) to everybody who may answer the quote."""
    payload: dict[str, Any] = {
        "account_name": account.name,
        "quote_id": quote.id,
        "quote_number": quote.number,
        "currency": quote.currency,
        "gross_minor": gross_minor,
        "valid_until": quote.valid_until.isoformat(),
    }
    if topic == "quote_prepared":
        sender = session.get_one(Person, quote.created_by_id)
        payload |= {"sender": sender.name, "sender_email": sender.email, "message": quote.message}
    for person in list_buyers(session, account.id):
        enqueue_mail(session, topic, recipient=person.email, locale=person.locale, payload=payload,
                     now=now, account_id=account.id,
                     dedupe_key=f"{topic}:{quote.id}:{person.id}")  # fmt: skip


def tell_desk(
    session: Session,
    account: Account,
    quote: Quote,
    answer: str,
    *,
    now: datetime,
    by: str = "",
    reason: str = "",
) -> None:
    """Tell what became of a quote of the desk: accepted, declined, expired.

    Whoever serves the customer today reads it: the account executive, and the operator who prepared
    it; where there is nobody of them, every operator. Who prepared it may serve them no more.
    """
    if quote.source != "staff":
        return
    for person in _who_serves(session, account, quote):
        enqueue_mail(session, "quote_answered", recipient=person.email, locale=person.locale,
                     now=now, account_id=account.id,
                     dedupe_key=f"quote_answered:{quote.id}:{answer}:{person.id}",
                     payload={"account_name": account.name, "desk_account_id": account.id,
                              "desk_quote_id": quote.id, "quote_number": quote.number,
                              "answer": answer, "by": by, "reason": reason})  # fmt: skip


def _who_serves(session: Session, account: Account, quote: Quote) -> Sequence[Person]:
    is_operator = StaffMember.role == "operator"
    active = (
        select(Person)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(StaffMember.active)
        .order_by(StaffMember.id)
    )
    concerned = or_(
        StaffMember.id == account.account_executive_id,
        and_(Person.id == quote.created_by_id, is_operator),
    )
    found = session.scalars(active.where(concerned)).all()
    return found or session.scalars(active.where(is_operator)).all()


def tell_of_invoice(
    session: Session, account: Account, order: Order, invoice: Invoice, now: datetime
) -> None:
    """The open invoice of an order travels to everybody who gets invoices."""
    _to_invoice_readers(session, "order_invoice", account, order, invoice, now,
                        due_on=invoice.due_on.isoformat())  # fmt: skip


def tell_of_lapse(
    session: Session, account: Account, order: Order, invoice: Invoice, now: datetime
) -> None:
    """Nothing came before the renewal: the order and its invoice are no more (Q3)."""
    _to_invoice_readers(session, "order_lapsed", account, order, invoice, now)


def tell_of_grant(
    session: Session, account: Account, order: Order, catalogue: Catalogue, now: datetime
) -> None:
    """Everybody who may buy hears, once an order, of the licences that are there now."""
    entries = session.scalars(
        select(SeatEntry)
        .join(OrderLine, OrderLine.id == SeatEntry.order_line_id)
        .where(OrderLine.order_id == order.id, SeatEntry.change > 0)
        .order_by(SeatEntry.id)
    ).all()
    if not entries:
        return
    items = list(dict.fromkeys(entry.item_id for entry in entries))
    total = sum({entry.item_id: entry.quantity_after for entry in entries}.values())
    for person in list_buyers(session, account.id):
        labels = item_labels(session, items, catalogue, person.locale)
        enqueue_mail(session, "licences_granted", recipient=person.email, locale=person.locale,
                     now=now, account_id=account.id,
                     dedupe_key=f"granted:{order.id}:{person.id}",
                     payload={"account_name": account.name,
                              "product": ", ".join(labels[item_id] for item_id in items),
                              "added": sum(x.change for x in entries), "total": total})  # fmt: skip


def _to_invoice_readers(
    session: Session,
    topic: str,
    account: Account,
    order: Order,
    invoice: Invoice,
    now: datetime,
    **more: str,
) -> None:
    payload = {
        "account_name": account.name,
        "order_id": order.id,
        "order_number": order.number,
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "currency": invoice.currency,
        "gross_minor": invoice.gross_minor,
        **more,
    }
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, topic, recipient=recipient, locale=account.locale, payload=payload,
                     now=now, account_id=account.id,
                     dedupe_key=f"{topic}:{order.id}:{recipient}")  # fmt: skip
