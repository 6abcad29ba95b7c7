"""Quotes that an account executive prepares, and invoices made of a request without one (Q1, Q2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.offers import (
    Offered,
    credits_given_away,
    plan_offer,
    require_no_gift,
    require_validity,
)
from portal.domain.periods import local_date
from portal.domain.purchases import Purchase
from portal.domain.quotes import PricedQuote, require_open
from portal.domain.requests import RequestStatus, RequestStep
from portal.models import Account, Cart, ChangeRequest, Invoice, Order, Quote, QuoteLine
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.prices import get_price_book
from portal.queries.quote_drafts import list_draft
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.fulfilment import pinned_line
from portal.services.locks import lock_account
from portal.services.quote_mails import tell_buyers
from portal.services.quoting import load_quote, preview_quote, take_back_quote, write_quote
from portal.services.renewals import renew_due_of_account
from portal.services.requests import load_request, mark_quoted, require_current
from portal.services.suspension import require_access
from portal.services.transfer_orders import place_quote

__all__ = ["invoice_offer", "prepare_quote", "withdraw_quote"]

_ONE_DAY = timedelta(days=1)


def prepare_quote(
    session: Session,
    account_id: int,
    *,
    valid_until: date,
    message: str,
    replaces: Collection[int],
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    request_id: int | None = None,
) -> Quote:
    """Make an open quote of the person's draft and send it; the draft is used up by it.

    Valid to the end of the account's local day `valid_until`. DomainError as `plan_offer`,
    `require_validity`, `accept_conflicts`, `account_suspended`, `change_request_unknown`,
    `change_request_moved_on`.
    """
    account = _up_to_date(session, account_id, catalogue, now)
    require_validity(valid_until, local_date(now, account.time_zone))
    offered = _draft(session, account_id, actor)
    purchase, priced = _plan(session, account, offered, catalogue, actor, now)
    quote = _write(session, account, purchase, valid_until=valid_until, message=message,
                   replaces=replaces, request_id=request_id, catalogue=catalogue, actor=actor,
                   now=now)  # fmt: skip
    _use_up(session, account_id, actor, now)
    tell_buyers(session, account, quote, "quote_prepared", now,
                gross_minor=priced.totals.gross.minor)  # fmt: skip
    session.flush()
    return quote


def invoice_offer(
    session: Session,
    account_id: int,
    offered: Sequence[Offered] | None,
    *,
    shown: str,
    request_id: int,
    version: int | None,
    replaces: Collection[int],
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """Invoice what a customer asked for, for the terms of key `shown`; without `offered` the draft.

    The request, shown as `version` (None where it was not), is the customer's yes: its quote is accepted as it is made. The
    second of two clicks finds the order of the first (Q4). DomainError as `prepare_quote` and
    `place_quote`, and `request_overtaken` where a colleague came first.
    """
    account = _up_to_date(session, account_id, catalogue, now)
    _account, request = load_request(session, account_id, request_id)
    placed = _placed_by(session, request, actor)
    if placed is not None:
        return placed
    if version is not None:
        require_current(session, request, version, RequestStep.INVOICE, actor)
    wanted = offered if offered is not None else _draft(session, account_id, actor)
    purchase, _priced = _plan(session, account, wanted, catalogue, actor, now)
    today = local_date(now, account.time_zone)
    quote = _write(session, account, purchase, valid_until=today, message="", replaces=replaces,
                   request_id=request_id, catalogue=catalogue, actor=actor, now=now)  # fmt: skip
    order = place_quote(session, account, quote, shown=shown,
                        purchase_order=request.purchase_order, catalogue=catalogue, actor=actor,
                        now=now)  # fmt: skip
    if offered is None:
        _use_up(session, account_id, actor, now)
    return order


def withdraw_quote(
    session: Session, account_id: int, quote_id: int, *, actor: Actor, now: datetime
) -> Quote:
    """Take an open quote back; the customer can order it no more. Errors as `require_open`."""
    account = lock_account(session, account_id)
    quote = load_quote(session, account_id, quote_id)
    if quote.source != "staff":
        raise DomainError("quote_unknown")
    require_open(quote.status, quote.valid_until, local_date(now, account.time_zone))
    take_back_quote(session, quote, actor=actor, now=now)
    return quote


def _up_to_date(
    session: Session, account_id: int, catalogue: Catalogue, now: datetime
) -> Account:  # fmt: skip
    account = lock_account(session, account_id)
    require_access(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    return account


def _draft(session: Session, account_id: int, actor: Actor) -> list[Offered]:
    assert actor.person_id is not None, "a person prepares a quote"
    session.flush()
    lines = list_draft(session.connection(), account_id, actor.person_id)
    return [line.offered for line in lines]


def _plan(
    session: Session,
    account: Account,
    offered: Sequence[Offered],
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> tuple[Purchase, PricedQuote]:
    connection, today = session.connection(), local_date(now, account.time_zone)
    states = list_subscription_states(connection, account.id)
    book = get_price_book(connection, account.currency)
    purchase = plan_offer(offered, states, book, catalogue, today).purchase
    buying = get_account_buying(connection, account.id)
    ahead = list_invoiced_ahead(connection, account.id)
    return purchase, preview_quote(purchase.lines, states, buying, catalogue, today, ahead)


def _credits_given_lately(
    session: Session, account: Account, actor: Actor, but: Quote, now: datetime
) -> Fraction:
    """What the discounts on packs of the person's other quotes give: not got round in parts.

    What the new quote replaces is superseded by now, and counts no more.
    """
    lines = session.scalars(
        select(QuoteLine)
        .join(Quote, Quote.id == QuoteLine.quote_id)
        .where(
            Quote.account_id == account.id,
            Quote.created_by_id == actor.person_id,
            Quote.created_at > now - _ONE_DAY,
            Quote.status.in_(("open", "accepted")),
            Quote.id != but.id,
            QuoteLine.kind == "credits",
        )
    )
    return credits_given_away(pinned_line(row, account.currency) for row in lines)


def _write(
    session: Session,
    account: Account,
    purchase: Purchase,
    *,
    valid_until: date,
    message: str,
    replaces: Collection[int],
    request_id: int | None,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Quote:
    assert actor.person_id is not None, "a person prepares a quote"
    if request_id is not None:
        load_request(session, account.id, request_id)
    quote = write_quote(
        session, account, purchase, source="staff", created_by_id=actor.person_id,
        valid_until=valid_until, message=message, catalogue=catalogue, actor=actor,
        replaces=replaces, now=now, request_id=request_id,
    )  # fmt: skip
    lately = _credits_given_lately(session, account, actor, quote, now)
    require_no_gift(purchase.lines, lately, catalogue.policy.manual_credit_approval_limit)
    if request_id is not None:
        mark_quoted(session, request_id, quote.id, catalogue=catalogue, actor=actor, now=now)
    session.flush()
    return quote


def _placed_by(session: Session, request: ChangeRequest, actor: Actor) -> Order | None:
    """The order that this person placed for the request before, while its invoice is open."""
    if request.status != RequestStatus.INVOICED or request.invoice_id is None:
        return None
    return session.scalars(
        select(Order)
        .join(Invoice, Invoice.order_id == Order.id)
        .where(Invoice.id == request.invoice_id, Order.placed_by_id == actor.person_id)
    ).one_or_none()


def _use_up(session: Session, account_id: int, actor: Actor, now: datetime) -> None:
    for cart in session.scalars(
        select(Cart).where(
            Cart.account_id == account_id, Cart.person_id == actor.person_id, Cart.status == "open"
        )
    ):
        cart.status, cart.changed_at = "ordered", now
    session.flush()
