"""Orders that are paid by bank transfer: invoiced first, granted once the money is booked (Q3, I3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.order_lines import Sold
from portal.domain.orders import OrderStatus
from portal.domain.periods import local_date
from portal.domain.quotes import PricedQuote, require_open, terms_key
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, can_take
from portal.domain.subscriptions import SubscriptionState
from portal.models import LIVE_ORDER, Account, ChangeRequest, Invoice, Order, OrderLine, Quote
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.quotes import QuoteRow, get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM, Actor, record
from portal.services.granting import grant_order
from portal.services.invoicing import issue_order_invoice
from portal.services.locks import lock_account
from portal.services.ordering import write_order
from portal.services.quote_mails import tell_desk, tell_of_grant, tell_of_invoice
from portal.services.quote_subjects import release_subjects
from portal.services.quoting import load_quote, preview_quote
from portal.services.receipts import send_receipt
from portal.services.renewal_reissue import reissue_renewal
from portal.services.renewals import renew_due_of_account
from portal.services.requests import (
    mark_invoiced,
    request_activated,
    request_of_quote,
    request_paid_for_invoice,
)
from portal.services.snapshots import buyer_snapshot
from portal.services.suspension import require_access

__all__ = ["accept_quote", "grant_early", "load_transfer_order", "order_paid", "place_quote"]

# What can be bought several times side by side: its open invoice keeps no other order waiting.
_SIDE_BY_SIDE = frozenset({"seats", "credits", "service", "free"})


def accept_quote(
    session: Session,
    account_id: int,
    quote_id: int,
    *,
    shown: str,
    purchase_order: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """The customer says yes to the terms of key `shown`: an order and its open invoice (Q1, Q2).

    A second click finds the order of the first (Q4). `purchase_order` is the customer's own number
    for this invoice; without it that of the request which the quote answers, or the account's. DomainError: quote_unknown, quote_declined|expired|superseded, terms_changed,
    those of `price_quote`, pays_automatically, account_suspended.
    """
    account = lock_account(session, account_id)
    quote = load_quote(session, account_id, quote_id)
    existing = session.scalars(
        select(Order).where(Order.quote_id == quote.id, LIVE_ORDER)
    ).one_or_none()
    if existing is not None:
        return existing
    require_access(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    require_open(quote.status, quote.valid_until, local_date(now, account.time_zone))
    record(session, "quote_accepted", actor=actor, now=now, account_id=account_id,
           subject=quote.number)  # fmt: skip
    order = place_quote(session, account, quote, shown=shown, purchase_order=purchase_order,
                        catalogue=catalogue, actor=actor, now=now)  # fmt: skip
    tell_desk(session, account, quote, "accepted", by=actor.name, now=now)
    return order


def place_quote(
    session: Session,
    account: Account,
    quote: Quote,
    *,
    shown: str,
    purchase_order: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """Place an open quote's order and issue its invoice; the account is locked and up to date.

    A change request that the quote was made for is told. What costs nothing is granted at once.
    DomainError `pays_automatically`, `terms_changed`, and as `price_quote`.
    """
    if account.payment_terms != "bank_transfer":
        raise DomainError("pays_automatically")
    row = get_quote(session.connection(), account.id, quote.id)
    assert row is not None
    priced = _price(session, account, row, catalogue, local_date(now, account.time_zone))
    if terms_key(priced) != shown:
        raise DomainError("terms_changed")
    order = write_order(
        session, quote, priced, row.lines, status=OrderStatus.INVOICED,
        buyer=_buyer(session, account, purchase_order or row.purchase_order), contact={}, catalogue=catalogue,
        actor=actor, now=now,
    )  # fmt: skip
    is_free = priced.totals.gross.is_zero
    invoice = issue_order_invoice(
        session, order, account=account, catalogue=catalogue, now=now,
        status="paid" if is_free else "open", due_days=catalogue.policy.invoice_due_days,
    )  # fmt: skip
    record(session, "invoice_issued", actor=actor, now=now, account_id=account.id,
           subject=invoice.number,
           new={"gross_minor": invoice.gross_minor, "currency": invoice.currency})  # fmt: skip
    if {line.kind for line in row.lines} <= _SIDE_BY_SIDE:
        release_subjects(session, quote.id)
    request = request_of_quote(session, quote.id)
    if request is not None and _waits_for_invoice(request):
        mark_invoiced(session, request.id, invoice.id, catalogue=catalogue, actor=actor, now=now)
    if is_free:
        _grant(session, account, order, invoice, catalogue=catalogue, now=now)
        send_receipt(session, order, invoice, account, None, now)
    else:
        tell_of_invoice(session, account, order, invoice, now)
    session.flush()
    return order


def order_paid(session: Session, invoice: Invoice, *, catalogue: Catalogue, now: datetime) -> bool:
    """The transfer of an order's invoice was booked in full: grant what it bought, once (Q3, Q4).

    Whoever books runs the account's due renewals first (`renew_due_of_account`): an order of a
    period that has ended lapses there, and what arrives for it is owed to the customer. False where
    the invoice is not paid, is of no such order, or its order was granted before.
    """
    if invoice.order_id is None or invoice.status != "paid":
        return False
    account = lock_account(session, invoice.account_id)
    order = session.get_one(Order, invoice.order_id, populate_existing=True)
    if order.status != OrderStatus.INVOICED:
        request_paid_for_invoice(session, invoice, catalogue=catalogue, now=now)  # granted early
        return False
    record(session, "order_paid", actor=SYSTEM, now=now, account_id=account.id,
           subject=order.number,
           new={"invoice": invoice.number, "gross_minor": invoice.gross_minor,
                "currency": invoice.currency})  # fmt: skip
    _grant(session, account, order, invoice, catalogue=catalogue, now=now)
    return True


def grant_early(
    session: Session,
    account_id: int,
    order_id: int,
    *,
    reason: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Order:
    """Grant an order before its money: the account executive's explicit, recorded choice (Q3).

    The invoice stays open and is owed like any other. DomainError `order_unknown`,
    `order_not_awaited` where it is granted, lapsed or withdrawn by now.
    """
    account = lock_account(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    order, invoice = load_transfer_order(session, account_id, order_id)
    if order.status != OrderStatus.INVOICED:
        raise DomainError("order_not_awaited")
    record(session, "order_granted_early", actor=actor, now=now, account_id=account_id,
           subject=order.number, new={"reason": reason, "invoice": invoice.number})  # fmt: skip
    _grant(session, account, order, invoice, catalogue=catalogue, now=now)
    return order


def load_transfer_order(session: Session, account_id: int, order_id: int) -> tuple[Order, Invoice]:
    """An order with the invoice that it is paid by; DomainError `order_unknown` for any other."""
    found = session.execute(
        select(Order, Invoice)
        .join(Invoice, Invoice.order_id == Order.id)
        .where(
            Order.id == order_id,
            Order.account_id == account_id,
            Invoice.payment_terms == "bank_transfer",
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise DomainError("order_unknown")
    return found[0], found[1]


def _price(
    session: Session, account: Account, row: QuoteRow, catalogue: Catalogue, today: date
) -> PricedQuote:
    connection = session.connection()
    return preview_quote(
        row.lines,
        list_subscription_states(connection, account.id),
        get_account_buying(connection, account.id),
        catalogue,
        today,
        list_invoiced_ahead(connection, account.id),
    )


def _buyer(session: Session, account: Account, purchase_order: str) -> Mapping[str, Any]:
    buyer = buyer_snapshot(get_account_buying(session.connection(), account.id))
    return {**buyer, "purchase_order": purchase_order or buyer["purchase_order"]}


def _grant(
    session: Session,
    account: Account,
    order: Order,
    invoice: Invoice,
    *,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    before = list_subscription_states(session.connection(), account.id)
    grant_order(session, order, account, catalogue, now)
    release_subjects(session, order.quote_id)
    billed = _billed_ahead(session, order)
    for state in before:
        # The coming period was invoiced since without this order: it is invoiced anew (I2, I3).
        if state.is_running and (state.product_key, _end_of(state)) not in billed:
            reissue_renewal(session, account, state, catalogue=catalogue, actor=SYSTEM, now=now)
    tell_of_grant(session, account, order, catalogue, now)
    if order.failure is None:
        request_activated(session, invoice, catalogue=catalogue, now=now)
    else:  # a part of it is still to be seen to
        request_paid_for_invoice(session, invoice, catalogue=catalogue, now=now)
    session.flush()


def _end_of(state: SubscriptionState) -> date | None:
    return state.period.end if state.period is not None else None


def _waits_for_invoice(request: ChangeRequest) -> bool:
    """One that was withdrawn or done meanwhile keeps nobody from accepting the quote."""
    kind, status = RequestKind(request.kind), RequestStatus(request.status)
    return can_take(kind, status, RequestStep.INVOICE)


def _billed_ahead(session: Session, order: Order) -> set[tuple[str, date | None]]:
    """The product and the first day of each coming period that the order bills itself."""
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id, OrderLine.kind == "coming")
    )
    sold = ((Sold.read(line.details), line.period_starts_on) for line in lines)
    return {(each.product, first) for each, first in sold if each is not None}
