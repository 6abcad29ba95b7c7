"""Beginning a subscription, also again after an end: the pages (C3, P1, Q1)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import Order, Subscription
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    GIULIA,
    JONAS,
    LOTTE,
    WebPurchase,
    plan_item,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import check_page
from tests.support.purchases import state_of_product

HTMX = {"HX-Request": "true"}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


def ended(buyer: WebPurchase, books: Session) -> None:
    """The CRM has ended; the company has nothing."""
    with buyer.client.app.app_context(), transaction() as own:
        key = plan_item(own, ATELIER).subscription_id
        own.get_one(Subscription, key).status = "ended"
    books.rollback()


def typed(buyer: WebPurchase, product: str = "sign", **changed: Any) -> dict[str, Any]:
    buyer.client.get(f"/subscribe/{product}")
    return {**buyer.page.fields("buy"), "action": "save", **changed}


def test_the_products_without_a_subscription_are_offered(buyer: WebPurchase) -> None:
    buyer.client.get("/subscribe")
    assert "Kanto Sign" in buyer.text
    assert "from €9.00 a month" in buyer.text
    links = buyer.page.links()
    assert "/subscribe/sign" in links
    assert "/subscribe/crm" not in links


def test_what_one_has_already_leads_to_the_licences(buyer: WebPurchase) -> None:
    assert buyer.client.get("/subscribe/crm", 303).headers["Location"] == "/licences"
    buyer.client.get("/subscribe/gone", 404)


def test_the_price_follows_the_choice_and_nothing_is_written(
    buyer: WebPurchase, books: Session
) -> None:
    fields = typed(buyer, plan="professional", quantity="5", interval="year", action="preview")
    before = row_counts(books)
    buyer.client.post("/subscribe/sign", fields, status=200)
    for words in (
        "€1,452.00", "5 licences Kanto Sign Professional", "5 × €240.00", "From 29 October 2027",
        "€110.00", "saves",
    ):  # fmt: skip
        assert words in buyer.text
    answer = buyer.client.post("/subscribe/sign", fields, status=200, headers=HTMX)
    assert "€1,452.00" in check_page(answer.get_data(as_text=True), whole=False).text()
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"quantity": ""}, "Enter a number."),
        ({"quantity": "0"}, "Enter at least 1."),
        ({"quantity": "1.5"}, "Enter a whole number, without a point or comma."),
        ({"plan": "gone"}, "Choose one of the options."),
        ({"interval": "week"}, "Choose one of the options."),
    ],
)
def test_what_cannot_be_understood_is_said_at_its_field_and_kept(
    buyer: WebPurchase, books: Session, changed: dict[str, str], sentence: str
) -> None:
    fields = typed(buyer, **changed)
    before = row_counts(books)
    buyer.client.post("/subscribe/sign", fields, status=422)
    assert "There is a problem" in buyer.text
    if "quantity" in changed:
        assert sentence in buyer.text
        assert buyer.page.fields("buy")["quantity"] == changed["quantity"]
    assert row_counts(books) == before


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"interval": "x"}, "Kies een van de factureringsperioden."),
        ({"interval": "", "quantity": "x"}, "Kies een van de factureringsperioden."),
        ({"plan": "gone"}, ""),
    ],
)
def test_what_comes_back_after_the_language_was_switched_may_be_anything(
    buyer: WebPurchase, changed: dict[str, str], sentence: str
) -> None:
    fields = typed(buyer, **changed)
    buyer.client.follow(buyer.client.post("/languages/nl?next=/subscribe/sign", fields))
    assert sentence in buyer.text
    assert buyer.page.fields("buy")["quantity"] == fields["quantity"], "what was typed is kept"


def test_a_subscription_is_started_without_javascript(buyer: WebPurchase, books: Session) -> None:
    answer = buyer.client.post("/subscribe/sign", typed(buyer, quantity="5"))
    buyer.quote_url = answer.headers["Location"]
    buyer.client.follow(answer)
    for words in ("5 licences Kanto Sign Essential", "5 × €9.00", "€54.45"):
        assert words in buyer.text
    buyer.client.get("/cart")
    assert "Kanto Sign Essential" in buyer.text
    buyer.client.get("/subscribe/sign")
    assert buyer.page.fields("buy")["quantity"] == "5"  # going back keeps it
    buyer.client.get("/quotes")
    assert "A new subscription" in buyer.text
    buyer.complete_payment()
    buyer.place()
    assert "5 licences Kanto Sign Essential" in buyer.text
    assert books.get_one(Order, buyer.order_id).status == "done"
    buyer.client.get("/licences")
    assert "Kanto Sign" in buyer.text
    buyer.client.get("/activity")
    assert "The subscription to Kanto Sign began." in buyer.text
    (invoice,) = {link for link in order_links(buyer) if link.startswith("/invoices/")}
    buyer.client.get(invoice)
    assert "Kanto Sign Essential" in buyer.text


def order_links(buyer: WebPurchase) -> list[str]:
    buyer.client.get(buyer.order_url)
    return buyer.page.links()


def test_C3_after_the_end_one_can_subscribe_again_with_add_ons(
    buyer: WebPurchase, books: Session
) -> None:
    ended(buyer, books)
    buyer.client.get("/subscribe")
    assert "/subscribe/crm" in buyer.page.links()
    fields = typed(
        buyer, "crm", plan="pro", interval="quarter", quantity="3",
        **{"add_on_appointments": "basic", "add_on_appointments_number": "2",
           "add_on_data-vault": "standard"},
    )  # fmt: skip
    answer = buyer.client.post("/subscribe/crm", fields)
    buyer.quote_url = answer.headers["Location"]
    buyer.client.follow(answer)
    for words in (
        "3 licences Kanto CRM Pro",
        "2 licences Customer appointments Basic",
        "Data vault",
    ):
        assert words in buyer.text
    buyer.complete_payment()
    buyer.place()
    state = state_of_product(books, ATELIER)
    assert [(item.quantity, item.per_seat) for item in state.items] == [
        (3, True), (2, True), (1, False),
    ]  # fmt: skip


def test_Q1_a_second_start_of_the_product_names_the_quote_it_replaces(buyer: WebPurchase) -> None:
    buyer.client.post("/subscribe/sign", typed(buyer, quantity="5"))
    fields = typed(buyer, quantity="6")
    assert "This replaces quote" in buyer.text
    kept = fields.pop("replaces")
    buyer.client.post("/subscribe/sign", fields, status=422)
    assert "Another quote is open" in buyer.text
    buyer.client.post("/subscribe/sign", {**fields, "replaces": kept})


def test_who_pays_by_bank_transfer_is_told_who_does_it(
    client: PortalClient, books: Session
) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/subscribe")
    assert client.page is not None
    assert "Your company pays by bank transfer" in client.page.text()
    client.get("/subscribe/desk")
    assert "Your company pays by bank transfer" in client.page.text()
    before = row_counts(books)
    client.post("/subscribe/desk", {"quantity": "1", "action": "save"}, status=422)
    assert row_counts(books) == before


def test_a_product_that_needs_help_says_why_in_the_vendors_words(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.client.get("/subscribe/insights")
    assert "We do this together with you" in buyer.text
    before = row_counts(books)
    buyer.client.post("/subscribe/insights", {"quantity": "1", "action": "save"}, status=422)
    assert row_counts(books) == before


def test_without_a_subscription_the_licences_page_leads_to_the_products(
    buyer: WebPurchase, books: Session
) -> None:
    ended(buyer, books)
    buyer.client.get("/licences")
    assert "/subscribe" in buyer.page.links()


def test_who_has_everything_is_told_so(client: PortalClient) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    client.get("/subscribe")
    assert client.page is not None
    assert "You have everything" in client.page.text()


def test_a_member_subscribes_to_nothing(client: PortalClient) -> None:
    client.sign_in(JONAS)
    client.get("/subscribe", 403)
    client.get("/subscribe/sign", 403)
