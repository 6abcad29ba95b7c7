"""Credits and services on the way to an order: what the pages say of them, and do not (Q1, W2)."""

from __future__ import annotations

import pytest

from portal.db import transaction
from portal.domain.wishes import Credits, Seats, Service, Wish
from portal.parts import Parts
from tests.support.buying import ATELIER, LOTTE, WebPurchase, plan_item
from tests.support.client import PortalClient
from tests.support.purchases import quoted_wishes


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


def review(buyer: WebPurchase, *wishes: Wish) -> None:
    parts: Parts = buyer.client.app.extensions["portal"]
    with buyer.client.app.app_context():
        buyer.quote_url = f"/quotes/{quoted_wishes(parts, *wishes)}"
    buyer.client.get(buyer.quote_url)


def order(buyer: WebPurchase, *wishes: Wish) -> None:
    review(buyer, *wishes)
    buyer.complete_payment()
    buyer.place()


def test_a_quote_of_credits_names_them_and_no_licences(buyer: WebPurchase) -> None:
    review(buyer, Credits("medium"))
    for words in ("2,000 credits", "paid once", "€180.00", "€217.80", "Continue to payment"):
        assert words in buyer.text
    assert "licence " not in buyer.text
    buyer.client.get("/quotes")
    assert "Credits" in buyer.text


def test_W2_the_service_order_says_when_credits_arrive(buyer: WebPurchase) -> None:
    review(buyer, Credits("medium"))
    buyer.client.get(buyer.payment_url)
    assert "gets a licence" not in buyer.text
    buyer.complete_payment()
    assert "in your wallet as soon as the payment is accepted" in buyer.text
    assert "Licences are ready" not in buyer.text
    assert "pay €217.80" in buyer.text


def test_an_order_of_credits_leads_to_the_wallet(buyer: WebPurchase) -> None:
    order(buyer, Credits("medium"))
    assert "The credits are in your wallet" in buyer.text
    assert "/wallet" in buyer.page.links()
    buyer.client.get("/activity")
    assert "bought credits with order" in buyer.text


def test_an_order_of_a_service_says_that_somebody_gets_in_touch(buyer: WebPurchase) -> None:
    review(buyer, Service("together"))
    assert "Onboarding: Together" in buyer.text
    buyer.complete_payment()
    assert "we get in touch with you about the next step" in buyer.text
    buyer.place()
    assert "Thank you: we get in touch with you" in buyer.text
    assert "/support" in buyer.page.links()


def test_both_beside_licences_are_told_apart(buyer: WebPurchase) -> None:
    with buyer.client.app.app_context(), transaction() as own:
        item = plan_item(own, ATELIER)
        wish = Seats(item.id, item.quantity + 1)
    review(buyer, wish, Credits("small"))
    buyer.complete_payment()
    assert "Licences are ready" in buyer.text
    assert "in your wallet as soon as" in buyer.text
    buyer.place()
    assert "Your licences are ready" in buyer.text


@pytest.mark.parametrize(
    ("wish", "label", "link"),
    [
        (Credits("medium"), "2,000 credits", "/wallet/buy"),
        (Service("together"), "Onboarding: Together", "/support"),
    ],
)
def test_the_cart_shows_them_with_the_way_back(
    buyer: WebPurchase, wish: Wish, label: str, link: str
) -> None:
    review(buyer, wish)
    buyer.client.get("/cart")
    assert label in buyer.text
    assert link in buyer.page.links()
