"""Credits and services on an order: quoted, paid, granted once, invoiced without a period (Q1, W2, I1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.wishes import Credits, Seats, Service
from portal.models import (
    AuditEvent,
    CreditEntry,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Quote,
    QuoteLine,
    QuoteSubject,
    ServiceRequest,
    Wallet,
)
from portal.parts import Parts
from portal.services.payment_settlement import settle_free_order
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    DEBIT,
    LUMIERE,
    NO_MONEY,
    account_named,
    collected,
    placed,
    plan_item,
    ready,
    use_method,
)
from tests.support.ledger import the_books_agree
from tests.support.purchases import bought_wishes, quoted_wishes

pytestmark = pytest.mark.usefixtures("app_context")
MEDIUM = Credits("medium")  # 2,000 credits for 180.00


def balance(books: Session) -> int:
    books.rollback()
    query = select(Wallet.balance).where(Wallet.account_id == account_named(books, ATELIER).id)
    return books.scalar(query) or 0


def entries(books: Session, order_id: int) -> list[CreditEntry]:
    query = (
        select(CreditEntry)
        .join(OrderLine, OrderLine.id == CreditEntry.order_line_id)
        .where(OrderLine.order_id == order_id)
    )
    return list(books.scalars(query))


def requests(books: Session, order_id: int) -> list[ServiceRequest]:
    books.rollback()
    query = (
        select(ServiceRequest)
        .join(OrderLine, OrderLine.id == ServiceRequest.order_line_id)
        .where(OrderLine.order_id == order_id)
    )
    return list(books.scalars(query))


def subjects(books: Session, quote_id: int) -> list[str]:
    books.rollback()
    query = select(QuoteSubject.subject).where(QuoteSubject.quote_id == quote_id)
    return sorted(books.scalars(query))


def test_W2_credits_arrive_once_when_the_order_is_paid(books: Session, parts: Parts) -> None:
    before = balance(books)
    quote_id = quoted_wishes(parts, MEDIUM)
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    assert balance(books) == before
    collected(parts, order.attempt_id)
    collected(parts, order.attempt_id)
    assert balance(books) == before + 2000
    (entry,) = entries(books, order.order_id)
    assert (entry.change, entry.reason) == (2000, "purchase")
    assert books.get_one(Order, order.order_id).status == "done"
    number = books.get_one(Order, order.order_id).number
    event = books.scalars(
        select(AuditEvent).where(
            AuditEvent.action == "credits_bought", AuditEvent.subject == number
        )
    ).one()
    assert event.new == {"credits": 2000}
    the_books_agree(parts)


def test_Q2_the_number_of_credits_stays_what_was_shown(books: Session, parts: Parts) -> None:
    before = balance(books)
    quote_id = quoted_wishes(parts, MEDIUM)
    ready(parts, quote_id)
    packs = tuple(replace(pack, credits=7, retired=True) for pack in parts.catalogue.credit_packs)
    other = replace(parts, catalogue=replace(parts.catalogue, credit_packs=packs))
    collected(other, placed(other, quote_id).attempt_id)
    assert balance(books) == before + 2000


def test_I1_the_invoice_of_credits_has_their_tax_and_no_period(
    books: Session, parts: Parts
) -> None:
    order_id = bought_wishes(parts, MEDIUM)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    (line,) = books.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    assert (line.kind, line.quantity, line.net_minor) == ("credits", 1, 18000)
    assert (line.period_starts_on, line.days, line.item_id) == (None, None, None)
    assert line.description.startswith("2.000 ")  # the account's language is Dutch
    assert (invoice.tax_minor, invoice.gross_minor) == (3780, 21780)


def test_Q3_a_declined_payment_brings_no_credits(books: Session, parts: Parts) -> None:
    before = balance(books)
    with transaction() as own:
        use_method(own, ATELIER, NO_MONEY)
    order_id = bought_wishes(parts, MEDIUM)
    assert balance(books) == before
    assert books.get_one(Order, order_id).status == "failed"
    assert entries(books, order_id) == []


def test_Q3_an_accepted_debit_brings_them(books: Session, parts: Parts) -> None:
    before = balance(books)
    with transaction() as own:
        use_method(own, ATELIER, DEBIT)
    order_id = bought_wishes(parts, MEDIUM)
    assert balance(books) == before + 2000
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    assert invoice.status == "pending"


def test_Q1_credits_hold_the_wallet_and_only_one_quote_does(books: Session, parts: Parts) -> None:
    first = quoted_wishes(parts, MEDIUM)
    assert subjects(books, first) == [f"wallet:{account_named(books, ATELIER).id}"]
    with pytest.raises(DomainError, match="quote_would_replace"):
        quoted_wishes(parts, Credits("small"))
    quoted_wishes(parts, Credits("small"), replaces=[first])
    books.rollback()
    assert books.get_one(Quote, first).status == "superseded"


def test_Q1_a_cart_of_both_holds_the_subscription_alone(books: Session, parts: Parts) -> None:
    item = plan_item(books, ATELIER)
    both = quoted_wishes(parts, Seats(item.id, item.quantity + 1), MEDIUM)
    assert subjects(books, both) == [f"subscription:{item.subscription_id}"]


def test_Q1_seats_and_credits_do_not_stand_in_each_others_way(books: Session, parts: Parts) -> None:
    item = plan_item(books, ATELIER)
    quoted_wishes(parts, Seats(item.id, item.quantity + 1))
    quoted_wishes(parts, MEDIUM)
    quoted_wishes(parts, Service("together"))
    books.rollback()
    open_ones = select(func.count()).where(
        Quote.account_id == account_named(books, ATELIER).id, Quote.status == "open"
    )
    assert books.scalar(open_ones) == 3


def test_Q4_the_same_cart_of_credits_has_one_quote(parts: Parts) -> None:
    assert quoted_wishes(parts, MEDIUM) == quoted_wishes(parts, MEDIUM)


def test_a_service_is_ordered_and_the_vendor_is_told(books: Session, parts: Parts) -> None:
    quote_id = quoted_wishes(parts, Service("together"))
    assert subjects(books, quote_id) == [
        f"service:{account_named(books, ATELIER).id}:together"
    ]  # fmt: skip
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    assert requests(books, order.order_id) == []
    collected(parts, order.attempt_id)
    (request,) = requests(books, order.order_id)
    assert (request.package_key, request.status) == ("together", "ordered")
    assert books.get_one(OrderLine, request.order_line_id).net_minor == 49000
    assert books.get_one(Order, order.order_id).status == "done"
    the_books_agree(parts)


@pytest.mark.parametrize("wish", [Credits("gone"), Service("gone"), Service("do-it-yourself")])
def test_what_is_not_sold_makes_no_quote(parts: Parts, wish: Credits | Service) -> None:
    with pytest.raises(DomainError, match="not_offered"):
        quoted_wishes(parts, wish)


@pytest.mark.parametrize("wish", [MEDIUM, Service("together")])
def test_who_pays_by_bank_transfer_asks_the_account_executive(
    parts: Parts, wish: Credits | Service
) -> None:
    with pytest.raises(DomainError) as refused:
        quoted_wishes(parts, wish, account=LUMIERE, email=CAMILLE)
    assert refused.value.data == {"reason": "bank_transfer"}


def test_a_free_service_is_granted_without_a_charge(books: Session, parts: Parts) -> None:
    quote_id = quoted_wishes(parts, Service("together"))
    with transaction() as own:
        own.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote_id)).one().unit_minor = 0
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    assert order.attempt_id is None
    with transaction() as own:
        settle_free_order(own, order.order_id, catalogue=parts.catalogue, now=clock.now())
    assert len(requests(books, order.order_id)) == 1
