"""Bad input gets a clear answer in the person's language, and nothing is changed; never a 5xx."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.support.buying import LOTTE, WebPurchase, row_counts, speak
from tests.support.client import PortalClient

QUANTITIES = {
    "": "Enter a number.",
    "   ": "Enter a number.",
    "0": "Enter at least 12",
    "-3": "Enter a number that is not negative.",
    "−3": "Enter a number that is not negative.",
    "11": "Enter at least 12",
    "1.5": "without a point or comma",
    "1,5": "without a point or comma",
    "1.000": "without a point or comma",
    "100001": "Enter at most 100,000.",
    "9" * 18: "Enter at most 100,000.",
    str(10**30): "Enter at most 100,000.",
    "9" * 5000: "",
    "1e3": "Enter a whole number in digits",
    "0x10": "Enter a whole number in digits",
    "١٥": "Enter a whole number in digits",
    "１５": "Enter a whole number in digits",
    "twelve": "Enter a whole number in digits",
    "15\0": "characters that cannot be read",
    "\0": "characters that cannot be read",
    "15\x07": "characters that cannot be read",
    "<script>alert(1)</script>": "Enter a whole number in digits",
    "'; DROP TABLE account; --": "Enter a whole number in digits",
    "NaN": "Enter a whole number in digits",
    "\N{GRINNING FACE}": "Enter a whole number in digits",
}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


@pytest.mark.parametrize("action", ["preview", "save"])
def test_a_quantity_that_is_none_is_said_at_its_field_and_kept(
    buyer: WebPurchase, books: Session, action: str
) -> None:
    fields = buyer.open_form()
    before = row_counts(books)
    for typed, words in QUANTITIES.items():
        sent = {**fields, "item_6": typed, "action": action}
        buyer.client.post(buyer.add_url, sent, status=422)
        assert words in buyer.text, typed
        (field,) = buyer.page.all("input", name="item_6")
        assert field.get("aria-invalid") == "true", typed
        if typed.isprintable():
            assert field.get("value") == typed.strip()
        assert "<script>alert" not in buyer.page.source
        fragment = buyer.client.post(
            buyer.add_url, sent, status=422, headers={"HX-Request": "true"}
        )
        assert "<html" not in fragment.get_data(as_text=True)
    assert row_counts(books) == before


def test_the_answer_is_in_the_persons_language(buyer: WebPurchase, books: Session) -> None:
    for locale in ("nl", "fr", "it", "de"):
        _answers_in(buyer, books, locale)


def _answers_in(buyer: WebPurchase, books: Session, locale: str) -> None:
    fields = buyer.open_form()
    speak(buyer.client, LOTTE, locale)
    before = row_counts(books)
    buyer.client.post(buyer.add_url, {**fields, "item_6": "abc", "action": "save"}, status=422)
    (html,) = [e for e in buyer.page.root.iter() if str(e.tag).endswith("}html")]
    assert html.get("lang") == locale
    assert "Enter a whole number" not in buyer.text
    assert buyer.page.fields("seats")["item_6"] == "abc"
    assert row_counts(books) == before


def test_an_unknown_item_is_no_item(buyer: WebPurchase, books: Session) -> None:
    fields = buyer.open_form()
    before = row_counts(books)
    for name in ("item_999999", "item_-1", "item_", "item_6\0", "item_6.5", "x" * 500):
        buyer.client.post(buyer.add_url, {**fields, name: "99", "action": "save"}, status=422)
    assert row_counts(books) == before


def test_a_form_with_nothing_in_it(buyer: WebPurchase, books: Session) -> None:
    buyer.open_form()
    before = row_counts(books)
    for data in ({}, {"action": ""}, {"action": "save"}, {"action": "nonsense"}, {"item_7": "3"}):
        buyer.client.post(buyer.add_url, data, status=422)
    assert row_counts(books) == before


# --- every form of buying ------------------------------------------------------------------------


@pytest.fixture
def forms(buyer: WebPurchase) -> list[str]:
    """The addresses that take a POST on the way to an order."""
    buyer.buy(1)
    order = buyer.order_url
    buyer.save_cart(2)
    buyer.complete_payment()
    return [
        buyer.add_url, "/cart/empty", f"{buyer.quote_url}/decline", buyer.payment_url,
        buyer.service_order_url, f"{order}/check", f"{order}/abandon",
    ]  # fmt: skip


def test_a_form_without_its_csrf_token_is_refused(
    buyer: WebPurchase, books: Session, forms: list[str]
) -> None:
    before = row_counts(books)
    for token in (None, "", "nonsense", "\0", "x" * 5000):
        data = {"action": "save"} if token is None else {"action": "save", "csrf_token": token}
        for path in forms:
            buyer.client.post(path, data, status=403, csrf=False)
            assert "This form is no longer valid" in buyer.text
    assert row_counts(books) == before


def test_a_body_of_ten_megabytes_is_refused(
    buyer: WebPurchase, books: Session, forms: list[str]
) -> None:
    before = row_counts(books)
    token = buyer.client.csrf_token()
    for path in forms:
        for data in ({"csrf_token": token, "x": "x" * 10_000_000}, {"x": "x" * 10_000_000}):
            buyer.client.post(path, data, status=413, csrf=False)
            assert "That is too much at once" in buyer.text
    assert row_counts(books) == before


def test_a_body_that_is_no_form_is_a_form_with_nothing_in_it(
    buyer: WebPurchase, forms: list[str]
) -> None:
    token = buyer.client.csrf_token()
    for kind in ("application/json", "text/plain", "multipart/form-data", "multipart/x", ""):
        for path in forms:
            answer = buyer.client.browser.post(
                path, data=b"\xff\xfe{\0", content_type=kind, headers={"X-CSRFToken": token}
            )
            assert answer.status_code in {303, 400, 415, 422}, (path, kind)


def test_absurd_page_numbers(buyer: WebPurchase) -> None:
    subscription = buyer.add_url.split("/")[2]
    for path in ("/quotes", f"/licences/{subscription}"):
        for page in ("0", "-1", "999", "10001", str(10**30), "%00"):
            buyer.client.get(f"{path}?page={page}", 404)
        for page in ("1.5", "abc", ""):  # as if none were given
            buyer.client.get(f"{path}?page={page}")


def test_an_unknown_language_is_an_absent_page(buyer: WebPurchase, books: Session) -> None:
    before = row_counts(books)
    for locale in ("xx", "EN", "en-GB", "e" * 500, "%00", "..", "klingon"):
        buyer.client.post(f"/languages/{locale}", {}, status=404)
    assert row_counts(books) == before


def test_a_wrong_method_is_said(app: Flask, buyer: WebPurchase) -> None:
    for path in ("/cart/empty", "/quotes/1/decline", "/orders/1/check", "/orders/1/abandon"):
        buyer.client.get(path, 405)
    buyer.client.post("/quotes", {}, status=405)
    buyer.client.post("/cart", {}, status=405)
