"""Add-ons: what is active, buying, another package now or later, ending one (C1, C4, S4)."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.models import Order
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    WebPurchase,
    plan_item,
    row_counts,
    speak,
)
from tests.support.changes import waiting
from tests.support.client import PortalClient
from tests.support.html import check_page
from tests.support.purchases import add_on_item

HTMX = {"HX-Request": "true"}


def add_ons_url(session: Session, account: str = ATELIER) -> str:
    return f"/licences/{plan_item(session, account).subscription_id}/add-ons"


@pytest.fixture
def lotte(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


@pytest.fixture
def katrin(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, KATRIN)


def test_the_overview_says_which_package_is_active_and_what_each_gives(
    lotte: WebPurchase, books: Session
) -> None:
    lotte.client.get(add_ons_url(books))
    for words in (
        "Customer appointments", "Beyond Your package", "€25.00 a quarter, per licence",
        "€11.00 a quarter, per licence", "A booking page for each person", "3 licences, 2 in use",
        "Data vault", "€135.00 a quarter", "for everyone",
    ):  # fmt: skip
        assert words in lotte.text
    links = lotte.page.links()
    base = add_ons_url(books)
    assert f"{base}/appointments/basic" in links
    assert f"{base}/appointments/remove" in links
    assert any("/remove?item=" in link for link in links)  # fewer licences of it


def test_a_flat_add_on_is_bought_at_one_price(katrin: WebPurchase, books: Session) -> None:
    url = add_ons_url(books, MUELLER) + "/data-vault/standard"
    katrin.client.get(url)
    assert "licence ×" not in katrin.text
    answer = katrin.client.post(url, {**katrin.page.fields("buy"), "action": "save"})
    katrin.quote_url = answer.headers["Location"]
    katrin.client.follow(answer)
    assert "Data vault" in katrin.text
    katrin.complete_payment()
    katrin.place()
    assert books.get_one(Order, katrin.order_id).status == "done"
    katrin.client.get(add_ons_url(books, MUELLER))
    assert "Data vaultActive" in katrin.text


def test_S2_a_per_seat_add_on_is_priced_while_typing_and_writes_nothing(
    lotte: WebPurchase, books: Session
) -> None:
    end_of(lotte, books, "appointments")
    url = add_ons_url(books) + "/appointments/basic"
    lotte.client.get(url)
    fields = {**lotte.page.fields("buy"), "quantity": "4", "action": "preview"}
    before = row_counts(books)
    answer = lotte.client.post(url, fields, status=200, headers=HTMX)
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    words = check_page(source, whole=False).text()
    assert "4 licences × €11.00 × 32 of 91 days" in words
    lotte.client.post(url, fields, status=200)
    assert "4 licences × €11.00 × 32 of 91 days" in lotte.text
    assert row_counts(books) == before
    for typed, sentence in (("0", "Enter at least 1."), ("x", "Enter a whole number in digits")):
        lotte.client.post(url, {**fields, "quantity": typed, "action": "save"}, status=422)
        assert sentence in lotte.text
        assert lotte.page.fields("buy")["quantity"] == typed
    assert row_counts(books) == before


def end_of(buyer: WebPurchase, books: Session, add_on: str) -> None:
    """The add-on is there no more."""
    with buyer.client.app.app_context(), transaction() as own:
        add_on_item(own, ATELIER, add_on).removed_at = NOW
    books.rollback()


def test_C1_a_bigger_package_is_bought_now(katrin: WebPurchase, books: Session) -> None:
    url = add_ons_url(books, MUELLER) + "/appointments/beyond"
    katrin.client.get(url)
    assert "Credit for the unused part of Customer appointments Basic" in katrin.text
    answer = katrin.client.post(url, {**katrin.page.fields("buy"), "action": "save"})
    katrin.client.follow(answer)
    assert "Credit for the unused part of Customer appointments Basic" in katrin.text


def test_S4_a_smaller_package_waits_for_the_renewal(lotte: WebPurchase, books: Session) -> None:
    url = add_ons_url(books) + "/appointments/basic"
    lotte.client.get(url)
    for words in ("Takes effect on30 November 2026", "€1,068.00", "instead of €1,110.00"):
        assert words in lotte.text
    lotte.client.follow(lotte.client.post(url, lotte.page.fields("ask")))
    assert "Comes at a renewal" in lotte.text
    assert [change.kind for change in waiting(books, ATELIER)] == ["add_on"]


def test_S4_ending_an_add_on_names_who_loses_it(lotte: WebPurchase, books: Session) -> None:
    url = add_ons_url(books) + "/appointments/remove"
    lotte.client.get(url)
    for words in ("2 people lose this licence", "Pieter Claes", "€1,035.00"):
        assert words in lotte.text
    lotte.client.post(url, {"shown": "nonsense"}, status=422)
    assert waiting(books, ATELIER) == []
    lotte.client.follow(lotte.client.post(url, lotte.page.fields("ask")))
    books.rollback()
    (change,) = waiting(books, ATELIER)
    assert change.target == {"remove": True}
    assert "without Customer appointments Beyond" in lotte.text


def test_who_pays_by_bank_transfer_is_told_who_does_it(
    client: PortalClient, books: Session
) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    url = add_ons_url(books, LUMIERE)
    for path in ("", "/appointments/basic"):
        client.get(url + path)
        assert client.page is not None
        assert "Your company pays by bank transfer" in client.page.text()
    before = row_counts(books)
    client.post(f"{url}/appointments/basic", {"quantity": "1", "action": "save"}, status=422)
    assert row_counts(books) == before


def test_what_is_not_there_is_404(lotte: WebPurchase, books: Session) -> None:
    base = add_ons_url(books)
    for path in (
        f"{base}/gone/basic", f"{base}/appointments/gone", f"{base}/gone/remove",
        add_ons_url(books, OFFICINE), f"{add_ons_url(books, OFFICINE)}/appointments/basic",
        f"{add_ons_url(books, OFFICINE)}/appointments/remove",
    ):  # fmt: skip
        lotte.client.get(path, 404)
