"""Adding seats on the page: preview, cart, review; what cannot be done says why (S1, S2, Q1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Cart, CartLine, Order, Quote
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    AN,
    ATELIER,
    CAMILLE,
    GIULIA,
    JONAS,
    KAREL,
    KATRIN,
    LOTTE,
    OFFICINE,
    PIETER,
    WebPurchase,
    collected,
    order_ready_to_pay,
    plan_item,
    quoted,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

HTMX = {"HX-Request": "true"}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


def filled(buyer: WebPurchase, total: object, action: str = "preview") -> dict[str, str]:
    """The form with `total` typed for the CRM plan."""
    fields = buyer.open_form()
    first = next(name for name in fields if name.startswith("item_"))
    return {**fields, first: str(total), "action": action}


# --- the licences page ---------------------------------------------------------------------------


def test_the_licences_page_says_what_there_is_and_what_comes_next(buyer: WebPurchase) -> None:
    for words in ("Kanto CRM", "10 of 12", "€75.00 a quarter", "30 November 2026", "€1,343.10"):
        assert words in buyer.text
    assert buyer.add_url


def test_a_member_sees_licences_and_no_money(client: PortalClient) -> None:
    member = WebPurchase(client, JONAS)
    assert "10 of 12" in member.text
    assert "Next invoice" not in member.text
    assert "1,343.10" not in member.text
    assert member.add_url == ""


# --- the preview ---------------------------------------------------------------------------------


def test_S2_the_button_shows_the_price_without_javascript_and_writes_nothing(
    buyer: WebPurchase, books: Session
) -> None:
    fields = filled(buyer, 15)
    before = row_counts(books)
    buyer.client.post(buyer.add_url, fields, status=200)
    assert row_counts(books) == before
    for words in (
        "€95.74", "€79.12 plus €16.62 VAT", "3 licences × €75.00 × 32 of 91 days = €79.12",
        "From 30 November 2026", "15 × €75.00 = €1,125.00", "instead of €900.00",
    ):  # fmt: skip
        assert words in buyer.text
    assert buyer.page.fields("seats")["item_6"] == "15"


def test_S2_htmx_gets_the_price_alone(buyer: WebPurchase) -> None:
    fields = filled(buyer, 15)
    answer = buyer.client.post(buyer.add_url, fields, status=200, headers=HTMX)
    assert "HX-Request" in answer.headers["Vary"]
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "<form" not in source
    assert "€95.74" in check_page(source, whole=False).text()


def test_htmx_hears_of_a_mistake_in_the_fragment(buyer: WebPurchase) -> None:
    answer = buyer.client.post(buyer.add_url, filled(buyer, "abc"), status=422, headers=HTMX)
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "Enter a whole number in digits" in source


def test_a_total_left_as_it_is_is_no_mistake_in_a_preview(buyer: WebPurchase) -> None:
    buyer.client.post(buyer.add_url, filled(buyer, 12), status=200)
    assert "There is a problem" not in buyer.text
    buyer.client.post(buyer.add_url, filled(buyer, 12, "save"), status=422)
    assert "Enter a higher number for at least one product." in buyer.text


def test_S2_several_products_are_priced_each_on_its_own_period(client: PortalClient) -> None:
    buyer = WebPurchase(client, GIULIA)
    fields = buyer.open_form()
    items = [name for name in fields if name.startswith("item_")]
    assert len(items) == 5  # CRM, its add-on, Desk, Forms, Sign; Insights needs help
    for name in items[:3]:
        fields[name] = str(int(fields[name]) + 1)
    client.post(buyer.add_url, {**fields, "action": "preview"}, status=200)
    assert buyer.text.count(" × ") >= 6


# --- saving --------------------------------------------------------------------------------------


def test_saving_makes_a_quote_and_keeps_the_cart(buyer: WebPurchase, books: Session) -> None:
    buyer.save_cart(3)
    quote = books.get_one(Quote, buyer.quote_id)
    assert quote.status == "open"
    assert f"Quote {quote.number}" in buyer.text
    assert "€95.74" in buyer.text
    assert "28 November 2026" in buyer.text
    buyer.client.get("/cart")
    assert "from 12 to 15 licences" in buyer.text
    assert buyer.open_form()["item_6"] == "15"  # going back keeps it
    assert "€95.74" in buyer.text


def test_the_cart_is_emptied(buyer: WebPurchase, books: Session) -> None:
    buyer.save_cart(3)
    buyer.client.get("/cart")
    buyer.client.follow(buyer.client.post("/cart/empty"))
    assert "Your cart is empty" in buyer.text
    assert books.scalars(select(Cart.status).order_by(Cart.id.desc())).first() == "emptied"
    assert buyer.open_form()["item_6"] == "12"


def test_Q1_the_customer_is_warned_before_a_quote_is_replaced(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.save_cart(3)
    first = buyer.quote_id
    fields = filled(buyer, 16, "save")
    assert f"This replaces quote {books.get_one(Quote, first).number}" in buyer.text
    assert fields["replaces"] == str(first)
    answer = buyer.client.post(buyer.add_url, fields)
    assert answer.headers["Location"] != f"/quotes/{first}"
    books.expire_all()
    assert books.get_one(Quote, first).status == "superseded"


def test_Q1_a_quote_that_came_while_the_page_was_open_is_shown_before_it_is_replaced(
    app: Flask, buyer: WebPurchase, books: Session
) -> None:
    fields = filled(buyer, 15, "save")
    other = WebPurchase(PortalClient(app), PIETER)
    other.save_cart(1)
    before = row_counts(books)

    buyer.client.post(buyer.add_url, fields, status=422)
    assert row_counts(books) == before
    assert "Another quote is open for the same products" in buyer.text
    assert f"This replaces quote {books.get_one(Quote, other.quote_id).number}" in buyer.text
    kept = buyer.page.fields("seats")
    assert (kept["item_6"], kept["replaces"]) == ("15", str(other.quote_id))
    buyer.client.post(buyer.add_url, {**kept, "action": "save"})
    books.expire_all()
    assert books.get_one(Quote, other.quote_id).status == "superseded"


def test_nonsense_in_the_hidden_field_confirms_nothing(buyer: WebPurchase) -> None:
    buyer.save_cart(3)
    fields = filled(buyer, 16, "save")
    for replaces in ("x", "-1", "9" * 5000, "٣", "1.5", "\0"):
        buyer.client.post(buyer.add_url, {**fields, "replaces": replaces}, status=422)


def test_S1_somebody_else_has_bought_meanwhile(
    app: Flask, parts: Parts, buyer: WebPurchase, books: Session
) -> None:
    buyer.save_cart(3)  # to 15
    typed = filled(buyer, 14, "save")
    with app.app_context():
        order = order_ready_to_pay(parts, email=PIETER, added=8, replaces=[buyer.quote_id])
        collected(parts, order.attempt_id)
    assert plan_item(books, ATELIER).quantity == 20
    buyer.client.post(buyer.add_url, typed, status=422)
    assert "Enter at least 20" in buyer.text
    assert buyer.open_form()["item_6"] == "20"  # the old cart is no mistake of theirs
    assert "There is a problem" not in buyer.text


def test_P3_on_the_renewal_day_the_page_works_before_the_worker_has_run(
    buyer: WebPurchase, books: Session
) -> None:
    clock.fix(NOW + timedelta(days=32))
    buyer = WebPurchase(buyer.client, LOTTE)
    assert "30 Nov 2026 – 27 Feb 2027" in buyer.text
    before = row_counts(books)
    buyer.client.post(buyer.add_url, filled(buyer, 13), status=200)
    assert "1 licence × €75.00 × 90 of 90 days = €75.00" in buyer.text
    assert row_counts(books) == before
    buyer.buy(1)
    assert "Your licences are ready" in buyer.text
    assert plan_item(books, ATELIER).quantity == 13


# --- who cannot, and why -------------------------------------------------------------------------


def test_a_billing_admin_may_add_seats(client: PortalClient) -> None:
    WebPurchase(client, AN).save_cart(1)


@pytest.mark.parametrize("email", [JONAS, KAREL])
def test_a_member_or_deactivated_person_gets_the_403_page_with_whom_to_ask(
    app: Flask, client: PortalClient, books: Session, email: str
) -> None:
    url = WebPurchase(PortalClient(app), LOTTE).add_url
    speak(client, email, "en")
    client.sign_in(email)
    client.get("/licences")
    before = row_counts(books)
    client.get(url, 403)
    assert client.page is not None
    assert "Lotte Verbeke" in client.page.text()
    assert LOTTE in client.page.text()
    client.post(url, {"item_6": "15", "action": "save"}, status=403)
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("email", "subscription", "words"),
    [
        (CAMILLE, "crm", ["Hugo Peeters", "hugo.peeters@kanto.example"]),
        (GIULIA, "insights", ["Insights richiede un’assistenza aggiuntiva"]),
        (AMELIA, "crm", ["This is a trial"]),
    ],
)
def test_what_cannot_be_added_alone_says_why_and_whom_to_ask(
    client: PortalClient, books: Session, email: str, subscription: str, words: list[str]
) -> None:
    accounts = {CAMILLE: "Lumière Conseil SAS", GIULIA: OFFICINE, AMELIA: "Brightwater Studio Ltd"}
    item = plan_item(books, accounts[email], subscription)
    url = f"/licences/{item.subscription_id}/add"
    speak(client, email, "it" if email == GIULIA else "en")
    client.sign_in(email)
    client.get("/licences")
    assert client.page is not None
    assert url not in client.page.links()
    client.get(url)
    for text in words:
        assert text in client.page.text()
    before = row_counts(books)
    client.post(url, {f"item_{item.id}": "99", "action": "save"}, status=422)
    assert row_counts(books) == before


def test_an_item_that_needs_help_cannot_be_smuggled_into_a_cart(
    client: PortalClient, books: Session
) -> None:
    buyer = WebPurchase(client, GIULIA)
    insights = plan_item(books, OFFICINE, "insights")
    fields = {**buyer.open_form(), f"item_{insights.id}": "99", "action": "save"}
    before = row_counts(books)
    client.post(buyer.add_url, fields, status=422)
    assert row_counts(books) == before


def test_a_foreign_item_cannot_be_smuggled_into_a_cart(
    app: Flask, client: PortalClient, parts: Parts, books: Session
) -> None:
    buyer = WebPurchase(client, KATRIN)
    foreign = plan_item(books, ATELIER).id
    fields = buyer.open_form()
    own = next(name for name in fields if name.startswith("item_"))
    fields = {**fields, own: "13", f"item_{foreign}": "99", "action": "save"}
    client.post(buyer.add_url, fields)
    cart = select(func.max(CartLine.cart_id)).scalar_subquery()
    items = books.scalars(select(CartLine.item_id).where(CartLine.cart_id == cart)).all()
    assert foreign not in items
    with app.app_context(), transaction() as own_session:
        assert plan_item(own_session, ATELIER).quantity == 12


def test_a_payment_that_is_not_finished_is_said_on_the_form(
    app: Flask, parts: Parts, buyer: WebPurchase, books: Session
) -> None:
    with app.app_context():
        order_id = order_ready_to_pay(parts).order_id
    buyer.open_form()
    number = books.get_one(Order, order_id).number
    assert f"The payment of order {number} is not finished" in buyer.text
    buyer.client.post(buyer.add_url, filled(buyer, 13, "save"), status=422)
    assert f"The payment of order {number} is not finished" in buyer.text
    with app.app_context(), pytest.raises(Exception, match="payment_unresolved"):
        quoted(parts)
