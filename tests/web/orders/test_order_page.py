"""An order's page, whatever the provider answers, and what the customer can do (Q1, Q3, M1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.worker import run_due
from portal.models import Entitlement, Order, OutboxMessage, Quote
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.services.entitlements import acknowledge_entitlement
from portal.web.orders.declines import decline_sentence
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    LOTTE,
    NO_MONEY,
    THREE_D_SECURE,
    WebPurchase,
    charges,
    outcome_of,
    plan_item,
    row_counts,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

pytestmark = pytest.mark.usefixtures("agreeing_books")

HTMX = {"HX-Request": "true"}


@pytest.fixture
def gateway(parts: Parts) -> Iterator[DemoGateway]:
    assert isinstance(parts.gateway, DemoGateway)
    yield parts.gateway
    parts.gateway.faults.clear()


def paying_with(app: Flask, client: PortalClient, number: str) -> WebPurchase:
    """Somebody who has ordered three seats with that card."""
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, number)
    buyer = WebPurchase(client, LOTTE)
    buyer.buy(3)
    return buyer


def progress(buyer: WebPurchase) -> str:
    """How far the order is, as its page says."""
    (steps,) = [each for each in buyer.page.all("ol") if each.get("class") == "progress"]
    return buyer.page.text(steps)


def nothing_granted(books: Session) -> bool:
    return plan_item(books, ATELIER).quantity == 12


def test_a_declined_card_says_why_and_loses_nothing(
    app: Flask, client: PortalClient, books: Session
) -> None:
    buyer = paying_with(app, client, NO_MONEY)
    assert "The payment did not go through" in buyer.text
    assert "There is not enough money on the card or account." in buyer.text
    assert "Nothing was charged and no licences were added." in buyer.text
    assert nothing_granted(books)
    assert buyer.payment_url in buyer.page.links()
    first = buyer.order_id

    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, CARD)
    client.get(buyer.payment_url)
    assert buyer.page.fields("payment")["company_name"] == ATELIER  # all is still there
    buyer.complete_payment()
    buyer.place()
    assert buyer.order_id != first
    assert "Your licences are ready" in buyer.text
    assert plan_item(books, ATELIER).quantity == 15
    assert [c.status for c in charges(books)] == ["declined", "succeeded"]
    client.get(f"/orders/{first}")
    assert "The payment did not go through" in buyer.text


@pytest.mark.parametrize("approve", [True, False])
def test_the_bank_asks_and_the_customer_answers(
    app: Flask, client: PortalClient, books: Session, approve: bool
) -> None:
    buyer = paying_with(app, client, THREE_D_SECURE)
    assert "Confirm the payment with your bank" in buyer.text
    assert "Confirm payment of €95.74" in buyer.text
    assert nothing_granted(books)
    (bank,) = [link for link in buyer.page.links() if link.startswith("/demo/pay/charges/")]
    client.get(bank)
    assert "€95.74" in buyer.text
    forms = [form for form in buyer.page.all("form") if form.get("action", "").startswith(bank)]
    buttons = [
        (form.get("action", ""), button.get("name") or "", button.get("value") or "")
        for form in forms
        for button in form.iter()
        if str(button.tag).endswith("}button")
    ]
    action, name, value = next(b for b in buttons if ("approve" in b[2]) is approve)
    back = client.post(action, {name: value}).headers["Location"]
    assert back.endswith(f"/orders/{buyer.order_id}/return")
    for _ in range(2):  # reload
        answer = client.get(back, 303)
        assert answer.headers["Location"] == buyer.order_url
        client.follow(answer)
    if approve:
        assert "Your licences are ready" in buyer.text
        assert plan_item(books, ATELIER).quantity == 15
    else:
        assert "The payment did not go through" in buyer.text
        assert "The payment was not confirmed with the bank." in buyer.text
        assert nothing_granted(books)
    assert len(charges(books)) == 1


def test_Q1_the_customer_cancels_the_payment(
    app: Flask, client: PortalClient, books: Session
) -> None:
    buyer = paying_with(app, client, THREE_D_SECURE)
    client.get("/licences")
    assert "is not finished" in buyer.text
    answer = client.post(f"{buyer.order_url}/abandon")
    client.follow(answer)
    assert "This order was cancelled" in buyer.text
    assert "Your quote is open again." in buyer.text
    assert charges(books)[0].status == "cancelled"
    assert nothing_granted(books)
    client.follow(client.post(f"{buyer.order_url}/abandon"))  # again: nothing more
    assert "This order was cancelled" in buyer.text
    assert books.get_one(Quote, buyer.quote_id).status == "open"
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, CARD)
    buyer.complete_payment()
    buyer.place()
    assert "Your licences are ready" in buyer.text


@pytest.mark.parametrize("fault", Fault)
def test_M1_an_unknown_outcome_is_being_checked_and_the_worker_settles_it(
    app: Flask, client: PortalClient, books: Session, parts: Parts, gateway: DemoGateway,
    fault: Fault,
) -> None:  # fmt: skip
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    buyer.complete_payment()
    gateway.faults.append(fault)
    buyer.place()
    assert "Your payment is being checked" in buyer.text
    assert nothing_granted(books)
    assert "every 3s" in buyer.page.source

    gateway.faults.append(Fault.BEFORE)  # asking by hand meets the same silence
    client.follow(client.post(f"{buyer.order_url}/check"))
    assert "The payment is still being checked. Nothing is charged twice." in buyer.text

    with app.app_context():
        clock.fix(NOW + timedelta(minutes=1))
        run_due(parts, clock.now(), periodic=False)
    answer = client.get(buyer.order_url, headers=HTMX)  # the page goes on by itself
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "every 3s" not in source
    assert "Your licences are ready" in check_page(source, whole=False).text()
    assert len(charges(books)) == 1
    assert outcome_of(books, buyer.order_id).seats == 15


def test_M1_asking_again_settles_it_at_once(
    client: PortalClient, books: Session, gateway: DemoGateway
) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    buyer.complete_payment()
    gateway.faults.append(Fault.AFTER)
    buyer.place()
    client.follow(client.post(f"{buyer.order_url}/check"))
    assert "Your licences are ready" in buyer.text
    before = row_counts(books)
    client.follow(client.post(f"{buyer.order_url}/check"))
    client.get(f"{buyer.order_url}/return", 303)
    assert row_counts(books) == before
    assert len(charges(books)) == 1


def test_Q3_a_debit_is_granted_when_accepted_and_says_that_it_is_on_its_way(
    app: Flask, client: PortalClient, books: Session
) -> None:
    buyer = paying_with(app, client, DEBIT)
    assert "The SEPA debit of €95.74 is on its way" in buyer.text
    (listed,) = [each for each in buyer.page.all("ol") if each.get("class") == "progress"]
    steps = ["".join(step.itertext()) for step in listed]
    assert steps[1].strip().startswith("Payment accepted")
    assert plan_item(books, ATELIER).quantity == 15


def test_Q6_an_order_that_the_product_prepares_says_so_until_it_is_done(
    app: Flask, client: PortalClient, books: Session, parts: Parts
) -> None:
    products = tuple(
        replace(p, entitlement_url="https://crm.kanto.example/x") if p.key == "crm" else p
        for p in parts.catalogue.products
    )
    app.extensions["portal"] = replace(parts, catalogue=replace(parts.catalogue, products=products))
    try:
        buyer = WebPurchase(client, LOTTE)
        buyer.buy(3)
        assert "Paid. Your licences are being prepared" in buyer.text
        assert "at the latest 24 hours" in buyer.text
        assert "Being prepared within 24 hours" in progress(buyer)
        assert books.get_one(Order, buyer.order_id).status == "paid"
        subscription_id = plan_item(books, ATELIER).subscription_id
        with app.app_context(), transaction() as session:
            row = session.scalars(
                select(Entitlement).where(Entitlement.subscription_id == subscription_id)
            ).one()
            acknowledge_entitlement(session, subscription_id, row.version, NOW)
            session.get_one(Order, buyer.order_id).provisioned_at = NOW + timedelta(hours=2)
        client.get(buyer.order_url)
        assert "Your licences are ready" in buyer.text
        assert "Being prepared" in progress(buyer)
        assert "within" not in progress(buyer)
    finally:
        app.extensions["portal"] = parts


def test_Q6_what_was_done_at_once_is_not_said_to_be_prepared(client: PortalClient) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.buy(1)
    assert "It works now" in progress(buyer)
    assert "Being prepared" not in progress(buyer)


def test_htmx_gets_the_progress_alone(client: PortalClient) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.buy(1)
    answer = client.get(buyer.order_url, headers=HTMX)
    assert "HX-Request" in answer.headers["Vary"]
    assert "<html" not in answer.get_data(as_text=True)


def test_the_mail_about_a_payment_that_failed_behind_ones_back(
    app: Flask, client: PortalClient, books: Session, parts: Parts, gateway: DemoGateway
) -> None:
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, NO_MONEY)
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    buyer.complete_payment()
    gateway.faults.append(Fault.BEFORE)
    buyer.place()
    with app.app_context():
        clock.fix(NOW + timedelta(minutes=1))
        run_due(parts, clock.now(), periodic=False)
    mail = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "order_failed")).one()
    assert mail.recipient == LOTTE
    client.get(buyer.order_url)
    assert "There is not enough money" in buyer.text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("amount_too_small", "The amount is too small to be charged to a card or bank account."),
        ("amount_not_exact", "Our payment provider cannot charge exactly this amount."),
        ("sepa_limit", "One SEPA debit can be at most €10,000."),
        ("sepa_currency", "A SEPA debit is in euros."),
        ("method_incompatible", "This payment method does not fit the amount."),
    ],
)
def test_an_amount_that_the_provider_refuses_is_not_the_banks_doing(
    app: Flask, code: str, says: str
) -> None:
    with app.test_request_context("/"):
        told = decline_sentence({"code": code})
    assert says in told
    assert "gave no reason" not in told
