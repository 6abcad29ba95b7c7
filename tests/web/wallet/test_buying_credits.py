"""Buying credits: in one step where all is known, else the way of every cart; one form, one order."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import (
    CreditEntry,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    PaymentMethod,
    Quote,
)
from portal.parts import Parts
from portal.payments.smallest_charge import _SMALLEST
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    DEBIT,
    LOTTE,
    NO_MONEY,
    PIETER,
    THREE_D_SECURE,
    account_named,
    charges,
    member_of,
    row_counts,
    speak,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.dunning import days_later, unpaid_renewal, work
from tests.support.wallets import fill, wallet_row

CROWD = 12


def open_form(client: PortalClient, pack: str = "medium") -> dict[str, Any]:
    """The one-page form as the browser would send it."""
    client.get(f"/wallet/buy?pack={pack}")
    assert client.page is not None
    return {**client.page.fields(), "action": "pay"}


def button(client: PortalClient) -> str:
    """What the button that spends money says."""
    assert client.page is not None
    return client.page.text(client.page.all("button", value="pay")[0])


def new_orders(books: Session) -> list[Order]:
    """The orders of credits beyond those of the demo's past."""
    books.rollback()
    query = (
        select(Order)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(OrderLine.kind == "credits", Order.placed_on == NOW.date())
        .order_by(Order.id)
    )
    return list(books.scalars(query))


def balance(books: Session) -> int:
    books.rollback()
    return wallet_row(books, account_named(books, ATELIER).id).balance


@pytest.fixture
def buyer(app: Flask, client: PortalClient) -> PortalClient:
    """Lotte, whose account has a card, an address and 100 credits."""
    with app.app_context():
        fill(100)
    client.sign_in(LOTTE)
    return client


def test_one_press_buys_a_pack_with_VAT_on_the_button(buyer: PortalClient, books: Session) -> None:
    fields = open_form(buyer)
    assert button(buyer) == "Buy 2,000 credits for €217.80"
    answer = buyer.post("/wallet/buy", fields)
    (order,) = new_orders(books)
    assert answer.headers["Location"] == f"/orders/{order.id}"
    buyer.follow(answer)
    assert (order.status, order.gross_minor) == ("done", 21_780)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.id)).one()
    assert (invoice.status, invoice.gross_minor, invoice.paid_minor) == ("paid", 21_780, 21_780)
    lines = books.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)).all()
    assert [(line.kind, line.net_minor, line.description) for line in lines] == [
        ("credits", 18_000, "2.000 credits")
    ]
    assert balance(books) == 2_100
    entry = books.scalars(select(CreditEntry).order_by(CreditEntry.id.desc()).limit(1)).one()
    assert (entry.change, entry.balance_after, entry.reason) == (2_000, 2_100, "purchase")
    assert books.get_one(Quote, order.quote_id).status == "accepted"


def test_without_javascript_another_pack_is_priced_first_and_never_charged_unseen(
    buyer: PortalClient, books: Session
) -> None:
    """The button says the price of the pack that was shown; another one chosen is shown again."""
    fields = open_form(buyer, "small")
    before = row_counts(books)
    buyer.post("/wallet/buy", {**fields, "pack": "large"}, 422)
    books.rollback()
    assert row_counts(books) == before
    assert button(buyer) == "Buy 10,000 credits for €968.00"
    buyer.post("/wallet/buy", {**fields, "pack": "large", "action": "preview"}, 200)
    books.rollback()
    assert row_counts(books) == before
    assert buyer.page is not None
    fields = {**buyer.page.fields(), "action": "pay"}
    assert fields["pack"] == "large"
    buyer.post("/wallet/buy", fields)
    assert balance(books) == 10_100


def test_htmx_gets_the_price_with_its_button_alone(buyer: PortalClient) -> None:
    fields = open_form(buyer, "small")
    answer = buyer.post("/wallet/buy", {**fields, "pack": "medium", "action": "preview"}, 200,
                        headers={"HX-Request": "true"})  # fmt: skip
    text = answer.get_data(as_text=True)
    assert "<html" not in text
    assert "Buy 2,000 credits for €217.80" in text
    assert "HX-Request" in answer.headers["Vary"]


def test_Q4_a_second_press_a_reload_and_a_tab_of_before_lead_to_the_one_order(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    fields, tab = open_form(buyer), open_form(buyer, "large")
    first = buyer.post("/wallet/buy", fields)
    for again in (fields, fields, tab):
        assert buyer.post("/wallet/buy", again).headers["Location"] == first.headers["Location"]
    assert len(new_orders(books)) == 1
    assert len(charges(books)) == 1
    assert balance(books) == 2_100
    # A form of now buys again.
    buyer.post("/wallet/buy", open_form(buyer))
    assert balance(books) == 4_100


def test_Q4_twelve_presses_at_once_make_one_order_and_one_charge(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    fields = open_form(buyer)
    fields.pop("csrf_token")
    clients = []
    for email in [LOTTE, PIETER, AN] * (CROWD // 3):
        each = PortalClient(app)
        each.sign_in(email)
        clients.append((each, each.csrf_token()))
    start, answers = threading.Barrier(CROWD), []

    def press(client: PortalClient, token: str) -> None:
        start.wait()
        answer = client.browser.post("/wallet/buy", data={**fields, "csrf_token": token})
        answers.append((answer.status_code, answer.headers.get("Location")))

    threads = [threading.Thread(target=press, args=each) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (order,) = new_orders(books)
    assert Counter(answers) == {(303, f"/orders/{order.id}"): CROWD}
    assert len(charges(books)) == 1
    assert balance(books) == 2_100
    open_quotes = select(func.count(Quote.id)).where(
        Quote.status == "open", Quote.account_id == order.account_id
    )
    assert books.scalar(open_quotes) == 0


def test_Q3_a_declined_card_brings_no_credits_and_its_quote_can_be_paid_otherwise(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, NO_MONEY)
    fields = open_form(buyer)
    answer = buyer.post("/wallet/buy", fields)
    buyer.follow(answer)
    (order,) = new_orders(books)
    assert order.status == "failed"
    assert balance(books) == 100
    # The same form again shows what became of it; it does not try the card again.
    assert buyer.post("/wallet/buy", fields).headers["Location"] == f"/orders/{order.id}"
    assert len(charges(books)) == 1
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, "4242424242424242")
    # A form of now names the quote that is open, and orders it.
    fields = open_form(buyer)
    assert fields["replaces"] == str(order.quote_id)
    buyer.post("/wallet/buy", fields)
    assert balance(books) == 2_100
    assert [each.status for each in new_orders(books)] == ["failed", "done"]


def test_Q1_while_the_bank_is_asked_nothing_more_is_bought(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, THREE_D_SECURE)
    buyer.post("/wallet/buy", open_form(buyer))
    (order,) = new_orders(books)
    assert order.status == "requires_action"
    buyer.post("/wallet/buy", open_form(buyer), 422)
    assert buyer.page is not None
    assert f"The payment of order {order.number} is not finished" in buyer.page.text()
    assert new_orders(books) == [order]
    assert balance(books) == 100


def test_a_debit_that_was_accepted_brings_credits_at_once(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, DEBIT)
    buyer.post("/wallet/buy", open_form(buyer))
    (order,) = new_orders(books)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.id)).one()
    assert (order.status, invoice.status) == ("done", "pending")
    assert balance(books) == 2_100


def test_a_billing_admin_buys_in_the_name_of_an_admin(client: PortalClient, books: Session) -> None:
    speak(client, AN, "en")
    client.sign_in(AN)
    client.post("/wallet/buy", open_form(client))
    (order,) = new_orders(books)
    assert order.contact["member_id"] == member_of(books, ATELIER, LOTTE).id


def test_without_a_method_it_goes_the_way_of_every_cart(
    client: PortalClient, books: Session
) -> None:
    client.sign_in(AMELIA)
    client.get("/wallet/buy")
    assert client.page is not None
    assert not client.page.all("button", value="pay")
    fields = client.page.fields()
    # Whoever sends the other button all the same gets no further.
    for action in ("save", "pay"):
        answer = client.post("/wallet/buy", {**fields, "action": action})
        assert answer.headers["Location"].startswith("/quotes/")
        client.follow(answer)
    assert "2,000 credits" in client.page.text()
    assert books.scalar(select(func.count(Order.id)).where(Order.account_id == 5)) == 0


def test_a_method_that_was_replaced_since_is_not_charged(
    app: Flask, buyer: PortalClient, books: Session
) -> None:
    fields = open_form(buyer)
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, NO_MONEY)
    buyer.post("/wallet/buy", fields, 422)
    assert new_orders(books) == []
    assert charges(books) == []


def test_an_expired_card_sends_one_through_the_payment_step(
    app: Flask, buyer: PortalClient
) -> None:
    with app.app_context(), transaction() as session:
        for method in session.scalars(select(PaymentMethod)):
            method.expires_year, method.expires_month = 2026, 9
    buyer.get("/wallet/buy")
    assert buyer.page is not None
    assert not buyer.page.all("button", value="pay")
    assert buyer.page.all("button", value="save")


@pytest.mark.parametrize("pack", ["", "huge", "\0", "small'"])
def test_a_pack_that_is_not_sold_is_refused(buyer: PortalClient, books: Session, pack: str) -> None:
    fields = open_form(buyer)
    before = row_counts(books)
    buyer.post("/wallet/buy", {**fields, "pack": pack}, 422)
    books.rollback()
    assert row_counts(books) == before


@pytest.mark.parametrize("name", ["shown", "last_order", "method"])
def test_what_the_form_showed_cannot_be_left_out(
    buyer: PortalClient, books: Session, name: str
) -> None:
    fields = open_form(buyer)
    answer = buyer.browser.post("/wallet/buy", data={**fields, name: "9" * 30})
    assert answer.status_code in {303, 422}
    assert new_orders(books) == []
    assert charges(books) == []


def test_M5_nothing_is_bought_while_access_is_suspended(
    app: Flask, buyer: PortalClient, parts: Parts, books: Session
) -> None:
    with app.app_context():
        unpaid_renewal(parts, books, NO_MONEY)
        for days in (2, 7, 14, 21, 22):
            work(parts, days_later(days))
    buyer.sign_in(LOTTE)
    fields = open_form(buyer)
    answer = buyer.post("/wallet/buy", fields)
    assert answer.headers["Location"] == "/billing/owed"
    assert new_orders(books) == []
    # Switching automatic top-up off stays possible.
    assert buyer.post("/wallet/auto-top-up/off").headers["Location"] == "/wallet"


def test_Q2_a_pack_that_is_too_small_to_be_charged_says_so_and_is_not_ordered(
    buyer: PortalClient, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = open_form(buyer)
    monkeypatch.setitem(_SMALLEST, "EUR", 10_000_000)
    buyer.post("/wallet/buy", form, status=422)
    assert buyer.page is not None
    sentence = "The smallest amount that can be paid this way is €100,000.00."
    assert sentence in buyer.page.text()
    assert buyer.page.fields()["pack"] == "medium"
    assert new_orders(books) == []
    buyer.get("/wallet/buy?pack=medium")
    assert sentence in buyer.page.text(), "also before anybody presses the button"
    assert buyer.page.all("button", value="pay") == []
