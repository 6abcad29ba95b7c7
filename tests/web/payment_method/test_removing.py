"""Removing the payment method, and the banner of a card that expires too soon (M3)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import BillingPeriod, PaymentMethod, Subscription
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway
from portal.payments.gateway import GatewayUnknown
from portal.services.scheduling import undo_change
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    CARD,
    JONAS,
    LOTTE,
    MUELLER,
    account_named,
    actor_of,
    order_ready_to_pay,
    use_method,
)
from tests.support.cancelling import cancelled
from tests.support.client import PortalClient

PAGE = "/billing/payment-method"
REMOVE = f"{PAGE}/remove"


@pytest.fixture
def customer(client: PortalClient) -> PortalClient:
    client.sign_in(LOTTE)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def write(app: Flask, work: Callable[..., None]) -> None:
    with app.app_context(), transaction() as session:
        work(session, account_named(session, ATELIER).id)


def nothing_renews(app: Flask) -> None:
    def end(session: Session, account_id: int) -> None:
        session.execute(
            update(Subscription)
            .where(Subscription.account_id == account_id)
            .values(status="ended", ended_on=date(2026, 10, 20))
        )

    write(app, end)


def expires(app: Flask, year: int, month: int) -> None:
    def change(session: Session, account_id: int) -> None:
        method = session.get_one(PaymentMethod, use_method(session, ATELIER, CARD))
        method.expires_year, method.expires_month = year, month

    write(app, change)


def in_use(app: Flask, account: str = ATELIER) -> list[int]:
    with app.app_context(), transaction() as session:
        query = select(PaymentMethod.id).where(
            PaymentMethod.account_id == account_named(session, account).id,
            PaymentMethod.removed_at.is_(None),
        )
        return list(session.scalars(query))


def test_M3_a_renewal_keeps_it_and_the_page_says_what_to_do(
    app: Flask, customer: PortalClient
) -> None:
    customer.get(PAGE)
    assert customer.page is not None
    assert REMOVE in customer.page.links()
    customer.get(REMOVE)
    assert "It cannot be removed yet" in text(customer)
    assert "Kanto CRM renews on 30 November 2026." in text(customer)
    assert any(link.endswith("/cancel") for link in customer.page.links())
    (method,) = in_use(app)
    customer.post(REMOVE, {"method": str(method)}, 422)
    assert "Something will still be charged, so the payment method stays." in text(customer)
    assert in_use(app) == [method]


def test_M3_once_nothing_is_charged_it_goes_with_one_button(
    app: Flask, customer: PortalClient
) -> None:
    nothing_renews(app)
    customer.get(REMOVE)
    assert "Nothing more is charged" in text(customer)
    assert customer.page is not None
    fields = {"method": str(in_use(app)[0])}
    customer.follow(customer.post(REMOVE, fields))
    assert "Your payment method is removed." in text(customer)
    assert "No payment method is saved yet." in text(customer)
    assert in_use(app) == []
    customer.follow(customer.post(REMOVE, fields))  # back, and pressed again
    assert "not in use any more" in text(customer)
    customer.follow(customer.get(REMOVE, 303))
    customer.get("/activity")
    assert "removed a payment method" in text(customer)


def test_M3_an_order_and_an_open_invoice_are_named(
    app: Flask, customer: PortalClient, parts: Parts
) -> None:
    with app.app_context():
        order = order_ready_to_pay(parts)
    nothing_renews(app)
    customer.get(REMOVE)
    assert customer.page is not None
    assert f"/orders/{order.order_id}" in customer.page.links()
    assert "is not finished." in text(customer)


@pytest.mark.parametrize("value", ["", "x", "0", "987654321", "1 OR 1", "-4", "9" * 30])
def test_a_method_that_was_not_shown_is_never_removed(
    app: Flask, customer: PortalClient, value: str
) -> None:
    nothing_renews(app)
    before = in_use(app)
    customer.get(REMOVE)
    customer.post(REMOVE, {"method": value}, 422)
    assert in_use(app) == before


def test_another_accounts_method_is_unknown(app: Flask, customer: PortalClient) -> None:
    nothing_renews(app)
    others = in_use(app, MUELLER)
    customer.get(REMOVE)
    customer.post(REMOVE, {"method": str(others[0])}, 422)
    assert in_use(app, MUELLER) == others


def test_who_may_not_manage_billing_sees_nothing_of_it(client: PortalClient) -> None:
    client.sign_in(JONAS)
    assert client.browser.get(REMOVE).status_code == 403


def test_I3_the_page_says_whose_choice_the_terms_are(
    client: PortalClient, customer: PortalClient
) -> None:
    customer.get(PAGE)
    assert "You pay automatically" in text(customer)
    assert "is agreed with Kanto" in text(customer)
    client.sign_in(CAMILLE)
    client.get(PAGE)
    assert "Kanto" in text(client)


# --- a card that expires before the next renewal ---------------------------------------

PAGES = (PAGE, "/billing", "/licences")
BANNER = "Your card expires before the renewal on 30 November 2026"


@pytest.mark.parametrize(
    ("year", "month", "told"),
    [(2026, 10, True), (2026, 11, False), (2026, 12, False), (2034, 12, False)],
)
def test_M3_a_card_that_does_not_reach_the_renewal_is_announced(
    app: Flask, customer: PortalClient, year: int, month: int, told: bool
) -> None:
    expires(app, year, month)
    for page in PAGES:
        customer.get(page)
        assert (BANNER in text(customer)) is told, page
        assert "good through 10/2026" in text(customer) or not told


def test_M3_a_card_that_has_expired_is_said_to_have(app: Flask, customer: PortalClient) -> None:
    expires(app, 2026, 9)
    for page in (PAGE, "/billing"):
        customer.get(page)
        assert "This card has expired." in text(customer)
        assert BANNER not in text(customer)


def test_M3_members_are_not_told_of_the_card(app: Flask, client: PortalClient) -> None:
    expires(app, 2026, 10)
    client.sign_in(JONAS)
    client.get("/licences")
    assert "Your card expires" not in text(client)


def test_M3_after_the_last_renewal_there_is_no_banner(app: Flask, customer: PortalClient) -> None:
    expires(app, 2026, 10)
    nothing_renews(app)
    customer.get(PAGE)
    assert "Your card expires" not in text(customer)


# --- the provider is down ----------------------------------------------------------------


def test_M1_while_the_provider_is_down_every_state_of_the_page_answers(
    app: Flask, customer: PortalClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing hangs and nothing is lost: the page, removing, starting, coming back."""
    assert isinstance(parts.gateway, DemoGateway)

    def down(*_: object, **__: object) -> None:
        raise GatewayUnknown("down")

    customer.get(PAGE)
    ours = customer.post(f"{PAGE}/setups").headers["Location"]
    for name in ("ensure_customer", "open_setup", "get_setup", "detach_method", "get_method"):
        monkeypatch.setattr(parts.gateway, name, down)
    begun = time.monotonic()
    customer.get(PAGE)
    customer.get(f"{ours}/return")
    assert "We are checking your payment method" in text(customer)
    waiting = customer.post(f"{PAGE}/setups").headers["Location"]
    customer.get(waiting)
    assert "The payment page did not answer" in text(customer)
    nothing_renews(app)
    customer.get(REMOVE)
    customer.follow(customer.post(REMOVE, {"method": str(in_use(app)[0])}))
    assert "Your payment method is removed." in text(customer)
    assert time.monotonic() - begun < 5


def test_the_renewal_of_the_demo_is_where_these_tests_think(app: Flask) -> None:
    def look(session: Session, account_id: int) -> None:
        query = (
            select(BillingPeriod.ends_on)
            .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
            .where(Subscription.account_id == account_id, BillingPeriod.is_current)
        )
        assert min(session.scalars(query)) == date(2026, 11, 30)

    write(app, look)


@pytest.mark.parametrize("page", ["/licences", "/billing", PAGE])
def test_M3_a_method_that_is_missing_after_an_undone_cancellation_is_asked_for(
    app: Flask, customer: PortalClient, parts: Parts, page: str
) -> None:
    asked = "A payment method is needed for the renewal on 30 November 2026"
    with app.app_context():
        change_id = cancelled(parts)
    customer.get(REMOVE)
    customer.post(REMOVE, {"method": str(in_use(app)[0])})
    customer.get(page)
    assert asked not in text(customer)
    with app.app_context(), transaction() as session:
        undo_change(
            session, account_named(session, ATELIER).id, change_id, catalogue=parts.catalogue,
            actor=actor_of(session, LOTTE), now=NOW,
        )  # fmt: skip
    customer.get(page)
    assert asked in text(customer)
    assert "None is saved. Add one in time" in text(customer)
