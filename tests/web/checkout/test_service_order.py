"""The service order: all on one page, and the button charges what it says (Q2, Q4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Order
from tests.conftest import NOW
from tests.support.buying import (
    AN,
    ATELIER,
    GIULIA,
    LOTTE,
    OFFICINE,
    WebPurchase,
    account_named,
    charges,
    plan_item,
    row_counts,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

pytestmark = pytest.mark.usefixtures("agreeing_books")

HTMX = {"HX-Request": "true"}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    """Somebody who looks at the service order."""
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    buyer.complete_payment()
    return buyer


def test_it_shows_all_of_it_and_the_button_says_the_amount(buyer: WebPurchase) -> None:
    for words in (
        "Lotte Verbeke", "4242", "Zeedijk 114, 8400 Oostende, Belgium",
        "VAT BE0940180319 · confirmed", "boekhouding@atelier-noordzee.example",
        "3 licences × €75.00 × 32 of 91 days", "€79.12", "€16.62",
        "From 30 November 2026 your quarterly invoice for Kanto CRM is €1,615.35 incl. VAT.",
        "Place service order and pay €95.74",
    ):  # fmt: skip
        assert words in buyer.text


def test_the_whole_purchase_without_javascript(buyer: WebPurchase, books: Session) -> None:
    buyer.place()
    for words in ("Your licences are ready", "€95.74 is paid", "Placed", "Paid", "It works now"):
        assert words in buyer.text
    order = books.get_one(Order, buyer.order_id)
    assert (order.status, order.gross_minor) == ("done", 9574)
    buyer.client.get("/licences")
    assert "10 of 15" in buyer.text
    assert "€1,615.35" in buyer.text  # the next invoice
    buyer.client.get("/invoices")
    invoice = next(
        link for link in buyer.page.links() if link.startswith("/invoices/KAN-2026-")
    ).removesuffix(".pdf")
    buyer.client.get(invoice)
    assert "€95.74" in buyer.text
    pdf = buyer.client.browser.get(f"{invoice}.pdf")
    assert (pdf.status_code, pdf.data[:5]) == (200, b"%PDF-")
    buyer.client.get("/activity")
    assert order.number in buyer.text


def test_a_billing_admin_buys(client: PortalClient) -> None:
    buyer = WebPurchase(client, AN)
    buyer.buy(1)
    assert "Your licences are ready" in buyer.text


def test_several_products_in_one_order(client: PortalClient, books: Session) -> None:
    buyer = WebPurchase(client, GIULIA)
    fields = buyer.open_form()
    for name in [name for name in fields if name.startswith("item_")]:
        fields[name] = str(int(fields[name]) + 1)
    answer = client.post(buyer.add_url, {**fields, "action": "save"})
    buyer.quote_url = answer.headers["Location"]
    buyer.complete_payment()
    buyer.place()
    assert "Your licences are ready" in buyer.text
    for product, seats in (("crm", 46), ("desk", 19), ("forms", 61), ("sign", 13)):
        assert plan_item(books, OFFICINE, product).quantity == seats
    assert plan_item(books, OFFICINE, "insights").quantity == 6


def test_Q2_a_new_day_shows_the_new_amount_before_payment(
    buyer: WebPurchase, books: Session
) -> None:
    shown = buyer.terms()
    clock.fix(NOW + timedelta(hours=16))  # the 30th in Brussels
    buyer.client.sign_in(LOTTE)
    before = row_counts(books)
    buyer.client.post(buyer.service_order_url, {"shown": shown}, status=422)
    assert row_counts(books) == before
    assert "The amount has changed since this page was shown." in buyer.text
    assert "Place service order and pay €92.75" in buyer.text
    buyer.place()
    assert [c.data["amount_minor"] for c in charges(books)] == [9275]


def test_Q2_nothing_is_charged_for_terms_that_were_not_shown(
    buyer: WebPurchase, books: Session
) -> None:
    before = row_counts(books)
    for shown in ("", "0" * 24, "\0", "x" * 10_000, "ü" * 24):
        buyer.client.post(buyer.service_order_url, {"shown": shown}, status=422)
        assert "Place service order and pay €95.74" in buyer.text
    assert row_counts(books) == before


def test_Q2_another_vat_situation_shows_the_new_amount(app: Flask, buyer: WebPurchase) -> None:
    shown = buyer.terms()
    with app.app_context(), transaction() as session:
        account = account_named(session, ATELIER)
        account.country, account.vat_number = "DE", "DE299180232"
    buyer.client.post(buyer.service_order_url, {"shown": shown}, status=422)
    assert "Place service order and pay €79.12" in buyer.text  # reverse charge


def test_htmx_gets_the_service_order_alone_and_is_sent_on(buyer: WebPurchase) -> None:
    answer = buyer.client.get(buyer.service_order_url, headers=HTMX)
    assert "HX-Request" in answer.headers["Vary"]
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "€95.74" in check_page(source, whole=False).text()
    answer = buyer.client.post(buyer.service_order_url, {"shown": "old"}, status=422, headers=HTMX)
    assert "<html" not in answer.get_data(as_text=True)
    answer = buyer.client.post(
        buyer.service_order_url, {"shown": buyer.terms()}, status=200, headers=HTMX
    )
    assert answer.headers["HX-Redirect"].startswith("/orders/")


def test_Q4_reload_and_back_after_the_order_lead_to_the_order(
    buyer: WebPurchase, books: Session
) -> None:
    shown = buyer.terms()
    buyer.place()
    before = row_counts(books)
    for _ in range(3):
        answer = buyer.client.post(buyer.service_order_url, {"shown": shown})
        assert answer.headers["Location"] == buyer.order_url
    assert row_counts(books) == before
    orders = books.scalars(select(Order.id).where(Order.quote_id == buyer.quote_id)).all()
    assert list(orders) == [buyer.order_id]
