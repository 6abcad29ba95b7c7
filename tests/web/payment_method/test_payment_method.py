"""Saving a payment method without JavaScript: the page, the provider's page, and back (M1, M3)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import transaction
from portal.models import GatewayEvent, MethodSetup, PaymentMethod, Person
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from tests.support.client import PortalClient

CARD_CUSTOMER = "lotte.verbeke@atelier-noordzee.example"
OTHER_CUSTOMER = "katrin.mueller@mueller-soehne.example"
TRANSFERS = "camille.roussel@lumiere-conseil.example"
MEMBER = "jonas.wittevrongel@atelier-noordzee.example"
PAGE = "/billing/payment-method"
CARD = {"kind": "card", "expiry": "12/34", "cvc": "123"}


@pytest.fixture
def gateway(parts: Parts) -> Iterator[DemoGateway]:
    assert isinstance(parts.gateway, DemoGateway)
    yield parts.gateway
    parts.gateway.faults.clear()


@pytest.fixture
def customer(client: PortalClient, gateway: DemoGateway) -> PortalClient:
    client.sign_in(CARD_CUSTOMER)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def to_provider(client: PortalClient) -> tuple[str, str]:
    """Start on the portal's page: the address of our own page on the way, and the provider's."""
    client.get(PAGE)
    ours = client.post(f"{PAGE}/setups").headers["Location"]
    on_the_way = client.get(ours)
    assert client.page is not None
    (theirs,) = [link for link in client.page.links() if link.startswith("/demo/pay/")]
    assert on_the_way.headers["Refresh"] == f"0; url={theirs}"
    client.get(theirs)
    return ours, theirs


def pay_page(client: PortalClient, theirs: str, number: str, **fields: str) -> str:
    """Type a card on the provider's page: where the browser is sent."""
    back = client.post(theirs, {**CARD, "number": number, **fields}).headers["Location"]
    assert urlsplit(back).netloc == ""
    return back


def defaults(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        query = select(PaymentMethod.last4).where(PaymentMethod.is_default)
        return sorted(session.scalars(query))


def count(app: Flask, table: type) -> int:
    with app.app_context(), transaction() as session:
        return int(session.scalars(select(func.count()).select_from(table)).one())


def test_M3_a_card_replaces_the_old_one_once_it_is_confirmed(
    app: Flask, customer: PortalClient
) -> None:
    before = count(app, PaymentMethod)
    _, theirs = to_provider(customer)
    assert count(app, PaymentMethod) == before

    back = pay_page(customer, theirs, "4000 0566 5566 5556")
    response = customer.get(back, 303)
    assert response.headers["Location"] == PAGE
    customer.follow(response)

    assert "Your payment method is saved" in text(customer)
    assert "Visa ending 5556" in text(customer)
    assert "expires 12/2034" in text(customer)
    assert "5556" in defaults(app)
    assert count(app, GatewayEvent) == 1


def test_a_direct_debit_replaces_the_card(customer: PortalClient) -> None:
    _, theirs = to_provider(customer)
    customer.get(f"{theirs}?kind=sepa_debit")
    back = customer.post(theirs, {"kind": "sepa_debit", "number": "AT61 1904 3002 3457 3201"})
    customer.follow(customer.get(back.headers["Location"], 303))
    assert "SEPA direct debit from the account ending 3201" in text(customer)
    assert "mandate DEMO-" in text(customer)


def test_a_test_number_fills_the_form_by_a_plain_link(customer: PortalClient) -> None:
    _, theirs = to_provider(customer)
    assert customer.page is not None
    assert "?number=4242424242424242" in customer.page.links()
    customer.get(f"{theirs}?number=AT611904300234573201")
    assert customer.page.fields("payment-form")["kind"] == "sepa_debit"
    customer.get(f"{theirs}?number=4242424242424242")
    fields = customer.page.fields("payment-form")
    assert (fields["number"], fields["expiry"]) == ("4242 4242 4242 4242", "12/34")
    customer.follow(customer.get(customer.post(theirs, fields).headers["Location"], 303))
    assert "Visa ending 4242" in text(customer)


def test_M3_a_prepaid_card_is_refused_with_the_reason(app: Flask, customer: PortalClient) -> None:
    before = defaults(app)
    ours, theirs = to_provider(customer)
    back = pay_page(customer, theirs, "5105105105105100")
    customer.follow(customer.get(back, 303))
    assert "Prepaid cards are not accepted. Use a credit card" in text(customer)
    assert defaults(app) == before
    customer.get(ours)
    assert "This payment method was not accepted" in text(customer)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"number": ""}, "Enter the card number or IBAN."),
        ({"number": "1234 5678"}, "This number is not right."),
        ({"number": "4111111111111111"}, "use one of the test numbers"),
        ({"number": "4000000000000002"}, "The card was declined."),
        ({"number": "4242424242424242", "expiry": "13/34"}, "Enter month and year"),
        ({"number": "4242424242424242", "expiry": "01/20"}, "This date has passed."),
        ({"number": "4242424242424242", "cvc": "12"}, "three or four digits"),
        ({"number": "4242" * 50}, "too long"),
        ({"number": "4242\x004242"}, "cannot be read"),
        ({"kind": "sepa_debit", "number": "AT99"}, "This number is not right."),
    ],
)
def test_bad_input_is_answered_and_kept(
    app: Flask, customer: PortalClient, fields: dict[str, str], sentence: str
) -> None:
    before = defaults(app)
    _, theirs = to_provider(customer)
    customer.post(theirs, {**CARD, **fields}, 422)
    assert sentence in text(customer)
    if "\x00" not in fields["number"]:
        assert customer.page is not None
        assert customer.page.fields("payment-form")["number"] == fields["number"]
    assert defaults(app) == before


def test_cancelling_changes_nothing(app: Flask, customer: PortalClient) -> None:
    before = defaults(app)
    _, theirs = to_provider(customer)
    assert customer.page is not None
    (cancel,) = [link for link in customer.page.links() if link.endswith("/cancelled")]
    customer.follow(customer.get(cancel, 303))
    assert "No payment method was saved. Nothing was changed." in text(customer)
    assert defaults(app) == before
    # The visit was the customer's to leave; the provider's page still works.
    customer.get(theirs)
    customer.get(pay_page(customer, theirs, "4000056655665556"), 303)
    assert "5556" in defaults(app)


def test_coming_back_early_changes_nothing(app: Flask, customer: PortalClient) -> None:
    before = defaults(app)
    ours, _ = to_provider(customer)
    customer.follow(customer.get(f"{ours}/return?status=completed", 303))
    assert "Nothing was changed." in text(customer)
    assert defaults(app) == before


def test_M2_coming_back_twice_adds_one_method(app: Flask, customer: PortalClient) -> None:
    _, theirs = to_provider(customer)
    back = pay_page(customer, theirs, "4000056655665556")
    after_webhook = count(app, PaymentMethod)
    for _ in range(3):
        customer.get(back, 303)
    assert count(app, PaymentMethod) == after_webhook
    customer.get(theirs)
    assert "This payment page is closed." in text(customer)


def test_M2_the_return_address_alone_is_enough(
    app: Flask, customer: PortalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.demo.payment_page._announce", lambda ref: None)
    _, theirs = to_provider(customer)
    back = pay_page(customer, theirs, "4000056655665556")
    assert "5556" not in defaults(app)
    customer.get(back, 303)
    assert "5556" in defaults(app)


def test_M1_without_an_answer_the_customer_can_try_again(
    app: Flask, customer: PortalClient, gateway: DemoGateway
) -> None:
    customer.get(PAGE)
    gateway.faults.append(Fault.AFTER)
    ours = customer.post(f"{PAGE}/setups").headers["Location"]
    customer.get(ours)
    assert "The payment page did not answer" in text(customer)
    customer.follow(customer.post(f"{ours}/open"))
    assert "Continue to the payment page" in text(customer)
    assert count(app, MethodSetup) == 1


def test_M1_while_the_provider_is_silent_the_page_says_so_and_looks_again(
    app: Flask, customer: PortalClient, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.demo.payment_page._announce", lambda ref: None)
    _, theirs = to_provider(customer)
    back = pay_page(customer, theirs, "4000056655665556")
    gateway.faults.append(Fault.BEFORE)
    silent = customer.get(back)
    assert "We are checking your payment method" in text(customer)
    assert silent.headers["Refresh"] == "5"
    customer.get(back, 303)
    assert "5556" in defaults(app)


def test_another_accounts_visit_answers_as_an_absent_one(
    app: Flask, customer: PortalClient
) -> None:
    ours, theirs = to_provider(customer)
    pay_page(customer, theirs, "4000056655665556")
    other = PortalClient(app)
    other.sign_in(OTHER_CUSTOMER)
    for path in (ours, f"{ours}/return", f"{ours}/cancelled", f"{PAGE}/setups/999999"):
        other.get(path, 404)
    other.get(PAGE)
    other.post(f"{ours}/open", status=404)


def test_a_customer_that_transfers_sees_why_there_is_no_method(
    app: Flask, client: PortalClient
) -> None:
    client.sign_in(TRANSFERS)
    client.get(PAGE)
    assert client.page is not None
    assert not client.page.all("form", action=f"{PAGE}/setups")
    before = count(app, MethodSetup)
    client.post(f"{PAGE}/setups", status=422)
    assert count(app, MethodSetup) == before


def test_a_member_may_not_see_or_change_it(client: PortalClient) -> None:
    client.sign_in(MEMBER)
    client.get(PAGE, 403)
    client.get("/languages")
    client.post(f"{PAGE}/setups", status=403)


def test_a_form_without_its_token_is_refused(app: Flask, customer: PortalClient) -> None:
    customer.get(PAGE)
    before = count(app, MethodSetup)
    response = customer.browser.post(f"{PAGE}/setups")
    assert response.status_code in {400, 403, 422}
    assert count(app, MethodSetup) == before


def test_with_htmx_the_browser_is_told_where_to_go(customer: PortalClient) -> None:
    customer.get(PAGE)
    response = customer.post(f"{PAGE}/setups", status=200, headers={"HX-Request": "true"})
    assert response.headers["HX-Redirect"].startswith(f"{PAGE}/setups/")


def test_the_providers_pages_know_only_their_own(client: PortalClient) -> None:
    for path in ("/demo/pay/setups/nothing", "/demo/pay/charges/nothing"):
        client.get(path, 404)


@pytest.mark.parametrize("locale", ["nl", "fr", "it", "de"])
def test_the_pages_render_in_every_language(
    app: Flask, customer: PortalClient, locale: str
) -> None:
    with app.app_context(), transaction() as session:
        person = session.scalars(select(Person).where(Person.email == CARD_CUSTOMER)).one()
        person.locale = locale
    _, theirs = to_provider(customer)
    assert customer.page is not None
    assert next(customer.page.root.iter()).get("lang") == locale
    customer.post(theirs, {**CARD, "number": "1"}, 422)
