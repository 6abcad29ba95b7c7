"""Placing an order: once, whatever the clicks (Q4), for exactly what was shown (Q2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.order_lines import PinnedLine
from portal.domain.orders import OrderStatus
from portal.domain.payment_methods import refusal_of
from portal.domain.periods import local_date
from portal.domain.permissions import Permission, is_allowed
from portal.domain.quotes import PricedQuote, require_open, terms_key
from portal.models import (
    LIVE_ORDER,
    Account,
    Cart,
    Checkout,
    Member,
    Order,
    OrderLine,
    PaymentMethod,
    Person,
    Quote,
)
from portal.payments.smallest_charge import is_too_small, smallest_charge
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.attempts import reserve_attempt
from portal.services.audit import Actor, record
from portal.services.checkout import is_present_admin
from portal.services.locks import lock_account
from portal.services.numbering import take_number
from portal.services.quoting import load_quote, preview_quote
from portal.services.renewals import renew_due_of_account
from portal.services.snapshots import buyer_snapshot, tax_snapshot
from portal.services.suspension import require_access

__all__ = ["PlacedOrder", "place_order", "write_order"]


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """The order of a quote; `attempt_id` is set for the one caller that is to collect now."""

    order_id: int
    attempt_id: int | None
    created: bool


def place_order(
    session: Session,
    account_id: int,
    quote_id: int,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> PlacedOrder:
    """Place the quote's order for the terms of key `shown`, and reserve its first attempt.

    A second call finds the order of the first (Q4). Nothing is collected here: the caller commits
    and then collects. DomainError: quote_unknown, quote_declined|expired|superseded|accepted,
    terms_changed (the amount is not what was shown), those of `price_quote`, checkout_incomplete, contact_needs_admin,
    method_missing, prepaid_card, expired_card, bank_transfer, account_suspended, amount_too_small
    with the `smallest` charge.
    """
    account = lock_account(session, account_id)
    quote = load_quote(session, account_id, quote_id)
    existing = session.scalars(
        select(Order).where(Order.quote_id == quote.id, LIVE_ORDER)
    ).one_or_none()
    if existing is not None:
        return PlacedOrder(existing.id, None, created=False)

    require_access(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    today = local_date(now, account.time_zone)
    require_open(quote.status, quote.valid_until, today)
    if account.payment_terms != "automatic":
        raise DomainError("bank_transfer")
    checkout = session.scalars(select(Checkout).where(Checkout.quote_id == quote.id)).one_or_none()
    if checkout is None or not checkout.completed:
        raise DomainError("checkout_incomplete")
    contact = _contact(session, account_id, checkout, actor)

    connection = session.connection()
    buyer = get_account_buying(connection, account_id)
    row = get_quote(connection, account_id, quote_id)
    assert row is not None
    states = list_subscription_states(connection, account_id)
    priced = preview_quote(row.lines, states, buyer, catalogue, today)
    if terms_key(priced) != shown:
        raise DomainError("terms_changed")
    gross = priced.totals.gross
    if is_too_small(gross):  # said here, the quote stays as it is; the provider would refuse it
        raise DomainError("amount_too_small", smallest=smallest_charge(gross.currency))
    method = _method(session, account_id, checkout, gross, today)

    order = write_order(
        session, quote, priced, row.lines, status=OrderStatus.PLACED, buyer=buyer_snapshot(buyer),
        contact=contact, catalogue=catalogue, actor=actor, now=now,
    )  # fmt: skip
    attempt = None
    if method is not None:
        attempt = reserve_attempt(
            session,
            account_id=account_id,
            order_id=order.id,
            method=method,
            amount_minor=order.gross_minor,
            currency=order.currency,
            key=f"pi:order-{order.id}:1",
            now=now,
        )
    session.flush()
    return PlacedOrder(order.id, attempt.id if attempt else None, created=True)


def write_order(
    session: Session,
    quote: Quote,
    priced: PricedQuote,
    pinned: Sequence[PinnedLine],
    *,
    status: str,
    buyer: Mapping[str, Any],
    contact: Mapping[str, Any],
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """The order of a quote for exactly what `priced` shows, and the quote is accepted by it."""
    account = session.get_one(Account, quote.account_id)
    gross = priced.totals.gross
    year = local_date(now, catalogue.vendor.time_zone).year  # number series are the vendor's (P3)
    order = Order(
        account_id=account.id,
        quote_id=quote.id,
        number=f"O-{year}-{take_number(session, 'order', year):05d}",
        status=status,
        currency=gross.currency,
        net_minor=priced.totals.net.minor,
        tax_minor=priced.totals.tax.minor,
        gross_minor=gross.minor,
        tax=tax_snapshot(priced.tax, priced.totals),
        buyer=dict(buyer),
        contact=dict(contact),
        placed_at=now,
        placed_on=local_date(now, account.time_zone),
        placed_by_id=actor.person_id,
    )
    session.add(order)
    session.flush()
    _add_lines(session, order, priced, pinned)
    quote.status = "accepted"
    quote.closed_at = now
    quote.version += 1
    if quote.cart_id is not None:
        cart = session.get(Cart, quote.cart_id)
        if cart is not None and cart.status == "open":
            cart.status, cart.changed_at = "ordered", now
    record(session, "order_placed", actor=actor, now=now, account_id=account.id,
           subject=order.number,
           new={"quote": quote.number, "gross_minor": gross.minor, "currency": gross.currency})  # fmt: skip
    return order


def _method(
    session: Session, account_id: int, checkout: Checkout, gross: Money, today: date
) -> PaymentMethod | None:
    if gross.is_zero:
        return None
    method = session.get(PaymentMethod, checkout.payment_method_id or 0)
    if method is None or method.account_id != account_id or method.removed_at is not None:
        raise DomainError("method_missing")
    refusal = refusal_of(method.funding, method.expires_year, method.expires_month, today)
    if refusal is not None:
        raise DomainError(refusal)
    return method


def _contact(session: Session, account_id: int, checkout: Checkout, actor: Actor) -> dict[str, Any]:
    """The contact as named, and whether the order makes them an admin: only an admin may order that.

    Checked here again: the one who orders need not be the one who named the contact.
    """
    becomes_admin = not is_present_admin(_named_member(session, account_id, checkout))
    if becomes_admin:
        own = session.scalars(
            select(Member).where(
                Member.account_id == account_id, Member.person_id == actor.person_id
            )
        ).one_or_none()  # fmt: skip
        if own is None or not is_allowed(own.role, own.status, Permission.MANAGE_MEMBERS):
            raise DomainError("contact_needs_admin")
    return {
        "becomes_admin": becomes_admin,
        "member_id": checkout.contact_member_id,
        "name": checkout.contact_name,
        "email": checkout.contact_email,
    }


def _named_member(session: Session, account_id: int, checkout: Checkout) -> Member | None:
    query = select(Member).where(Member.account_id == account_id)
    if checkout.contact_member_id is not None:
        query = query.where(Member.id == checkout.contact_member_id)
    else:
        query = query.join(Person, Person.id == Member.person_id).where(
            Person.email == checkout.contact_email
        )
    return session.scalars(query).one_or_none()


def _add_lines(
    session: Session, order: Order, priced: PricedQuote, pinned: Sequence[PinnedLine]
) -> None:
    """The lines as they are shown; the first period of a start is known when it is granted."""
    details = {line.position: line.details for line in pinned}
    session.add_all(
        OrderLine(
            order_id=order.id,
            position=line.position,
            kind=line.kind,
            item_id=line.item_id,
            price_id=line.price_id,
            quantity=line.quantity,
            unit_minor=line.unit_price.minor,
            discount_basis_points=line.discount_basis_points,
            discount_minor=line.discount_minor,
            days_left=line.days_left,
            days=line.days,
            period_starts_on=line.covers.start if line.covers and line.kind != "start" else None,
            period_ends_on=line.covers.end if line.covers and line.kind != "start" else None,
            net_minor=line.net.minor,
            details=details[line.of_line or line.position],
        )
        for line in priced.lines
    )
    session.flush()
