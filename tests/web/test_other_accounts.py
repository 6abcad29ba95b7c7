"""Another account's ids, and ids of nothing, answer as an absent page on every route of buying."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.support.buying import KATRIN, LOTTE, WebPurchase, plan_item, row_counts, speak
from tests.support.client import PortalClient

ROUTES = [
    ("GET", "/licences/{subscription}"),
    ("GET", "/licences/{subscription}/add"),
    ("POST", "/licences/{subscription}/add"),
    ("GET", "/quotes/{quote}"),
    ("POST", "/quotes/{quote}/decline"),
    ("GET", "/checkout/{quote}"),
    ("GET", "/checkout/{quote}/payment"),
    ("POST", "/checkout/{quote}/payment"),
    ("GET", "/checkout/{quote}/service-order"),
    ("POST", "/checkout/{quote}/service-order"),
    ("GET", "/orders/{order}"),
    ("GET", "/orders/{order}/return"),
    ("POST", "/orders/{order}/check"),
    ("POST", "/orders/{order}/abandon"),
]
NOTHING = [0, 999_999_999, 2**63 - 1, 2**63, 10**30]


@pytest.fixture
def theirs(app: Flask, books: Session) -> dict[str, int]:
    """What another customer has: a subscription, an open quote, an order."""
    buyer = WebPurchase(PortalClient(app), LOTTE)
    buyer.buy(1)
    order = buyer.order_id
    buyer.save_cart(2)
    subscription = plan_item(books, "Atelier Noordzee BV").subscription_id
    return {"subscription": subscription, "quote": buyer.quote_id, "order": order}


def test_every_route_of_another_account_is_an_absent_page(
    client: PortalClient, books: Session, theirs: dict[str, int]
) -> None:
    speak(client, KATRIN, "en")
    client.sign_in(KATRIN)
    client.get("/licences")
    before = row_counts(books)
    absent = [dict.fromkeys(theirs, number) for number in NOTHING]
    for method, route in ROUTES:
        for ids in [theirs, *absent]:
            path = route.format(**ids)
            if method == "GET":
                client.get(path, 404)
            else:
                form = {"action": "save", "shown": "", "contact": "new", "reason": ""}
                client.post(path, form, status=404)
            assert client.page is not None
            assert "There is no such page" in client.page.text()
            assert "Noordzee" not in client.page.text()
    assert row_counts(books) == before


@pytest.mark.parametrize("path", ["/licences/-1", "/quotes/abc", "/orders/1.5", "/checkout/%00"])
def test_what_is_no_id_is_an_absent_page(client: PortalClient, path: str) -> None:
    client.sign_in(LOTTE)
    client.get(path, 404)


def test_an_item_of_another_subscription_is_an_absent_page(
    client: PortalClient, books: Session
) -> None:
    client.sign_in(KATRIN)
    own = plan_item(books, "Müller & Söhne Werkzeugbau GmbH")
    other = plan_item(books, "Atelier Noordzee BV")
    client.get(f"/licences/{own.subscription_id}?item={own.id}")
    for item in (other.id, 0, -1, 10**30):
        client.get(f"/licences/{own.subscription_id}?item={item}", 404)


def test_somebody_who_is_not_signed_in_is_asked_to(
    client: PortalClient, books: Session, theirs: dict[str, int]
) -> None:
    before = row_counts(books)
    client.get("/languages")
    for method, route in ROUTES:
        path = route.format(**theirs)
        answer = client.get(path, 303) if method == "GET" else client.post(path, {}, status=303)
        assert answer.headers["Location"].startswith("/sign-in")
    assert row_counts(books) == before
