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
    str(10**30): "Enter a whole number in digits",
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
    "\ud83d\ude00": "Enter a whole number in digits",
}
IDS = [repr(typed[:12]) for typed in QUANTITIES]


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


@pytest.mark.parametrize("action", ["preview", "save"])
@pytest.mark.parametrize("typed", QUANTITIES, ids=IDS)
def test_a_quantity_that_is_none(
    buyer: WebPurchase, books: Session, typed: str, action: str
) -> None:
    typed = typed.encode("utf-16", "surrogatepass").decode("utf-16")
    words = QUANTITIES.get(typed, "Enter a whole number in digits")
    fields = buyer.open_form()
    before = row_counts(books)
    buyer.client.post(buyer.add_url, {**fields, "item_6": typed, "action": action}, status=422)
    assert row_counts(books) == before
    assert words in buyer.text
    kept = buyer.page.fields("seats")["item_6"]
    if "\0" not in typed and "\x07" not in typed:
        assert kept == typed.strip()
    assert "<script>alert" not in buyer.page.source
    fragment = buyer.client.post(
        buyer.add_url, {**fields, "item_6": typed, "action": action}, status=422,
        headers={"HX-Request": "true"},
    )  # fmt: skip
    assert "<html" not in fragment.get_data(as_text=True)


@pytest.mark.parametrize("locale", ["nl", "fr", "it", "de"])
def test_the_answer_is_in_the_persons_language(
    buyer: WebPurchase, books: Session, locale: str
) -> None:
    fields = buyer.open_form()
    speak(buyer.client, LOTTE, locale)
    before = row_counts(books)
    buyer.client.post(buyer.add_url, {**fields, "item_6": "abc", "action": "save"}, status=422)
    (html,) = [e for e in buyer.page.root.iter() if str(e.tag).endswith("}html")]
    assert html.get("lang") == locale
    assert "Enter a whole number" not in buyer.text
    assert buyer.page.fields("seats")["item_6"] == "abc"
    assert row_counts(books) == before


@pytest.mark.parametrize(
    "name", ["item_999999", "item_-1", "item_", "item_6\0", "item_6.5", "x" * 500]
)
def test_an_unknown_item_is_no_item(buyer: WebPurchase, books: Session, name: str) -> None:
    fields = buyer.open_form()
    before = row_counts(books)
    buyer.client.post(buyer.add_url, {**fields, name: "99", "action": "save"}, status=422)
    assert row_counts(books) == before


@pytest.mark.parametrize(
    "data", [{}, {"action": ""}, {"action": "save"}, {"action": "nonsense"}, {"item_7": "3"}]
)
def test_a_form_with_nothing_in_it(
    buyer: WebPurchase, books: Session, data: dict[str, str]
) -> None:
    buyer.open_form()
    before = row_counts(books)
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


@pytest.mark.parametrize("token", [None, "", "nonsense", "\0", "x" * 5000])
def test_a_form_without_its_csrf_token_is_refused(
    buyer: WebPurchase, books: Session, forms: list[str], token: str | None
) -> None:
    before = row_counts(books)
    for path in forms:
        data = {"action": "save"} if token is None else {"action": "save", "csrf_token": token}
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


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data", "multipart/x", ""]
)
def test_a_body_that_is_no_form_is_a_form_with_nothing_in_it(
    buyer: WebPurchase, forms: list[str], content_type: str
) -> None:
    token = buyer.client.csrf_token()
    for path in forms:
        answer = buyer.client.browser.post(
            path, data=b"\xff\xfe{\0", content_type=content_type, headers={"X-CSRFToken": token}
        )
        assert answer.status_code in {303, 400, 415, 422}, path


@pytest.mark.parametrize(
    ("page", "status"),
    [("0", 404), ("-1", 404), ("10001", 404), (str(10**30), 404), ("999", 404), ("%00", 404),
     ("1.5", 200), ("abc", 200), ("", 200)],
)  # fmt: skip
def test_absurd_page_numbers(buyer: WebPurchase, page: str, status: int) -> None:
    subscription = buyer.add_url.split("/")[2]
    for path in ("/quotes", f"/licences/{subscription}"):
        buyer.client.get(f"{path}?page={page}", status)


@pytest.mark.parametrize("locale", ["xx", "EN", "en-GB", "e" * 500, "%00", "..", "klingon"])
def test_an_unknown_language_is_an_absent_page(
    buyer: WebPurchase, books: Session, locale: str
) -> None:
    before = row_counts(books)
    buyer.client.post(f"/languages/{locale}", {}, status=404)
    assert row_counts(books) == before


def test_a_wrong_method_is_said(app: Flask, buyer: WebPurchase) -> None:
    for path in ("/cart/empty", "/quotes/1/decline", "/orders/1/check", "/orders/1/abandon"):
        buyer.client.get(path, 405)
    buyer.client.post("/quotes", {}, status=405)
    buyer.client.post("/cart", {}, status=405)
