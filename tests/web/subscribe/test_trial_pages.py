"""Buying what one tries: plans compared, the price as it changes, and what the screens say (C5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.catalogue import TrialPaidStart
from portal.models import Order, Subscription
from tests.support.buying import (
    AMELIA,
    BRIGHTWATER,
    CARD,
    WebPurchase,
    plan_item,
    row_counts,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.html import check_page
from tests.support.purchases import state_of_product

HTMX = {"HX-Request": "true"}
CRM = "/subscribe/crm"


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    with client.app.app_context(), transaction() as own:
        use_method(own, BRIGHTWATER, CARD)
    return WebPurchase(client, AMELIA)


def typed(buyer: WebPurchase, **changed: Any) -> dict[str, Any]:
    buyer.client.get(CRM)
    return {**buyer.page.fields("buy"), "action": "save", **changed}


def quoted(buyer: WebPurchase, **changed: Any) -> None:
    answer = buyer.client.post(CRM, typed(buyer, **changed))
    buyer.quote_url = answer.headers["Location"]
    buyer.client.follow(answer)


def test_C5_what_is_tried_comes_first_among_what_can_be_bought(buyer: WebPurchase) -> None:
    buyer.client.get("/subscribe")
    assert CRM in buyer.page.links()
    assert buyer.text.index("Kanto CRM") < buyer.text.index("Kanto Sign")
    assert "Buy now" in buyer.text


def test_the_plans_are_compared_and_everybody_who_works_with_it_is_counted(
    buyer: WebPurchase,
) -> None:
    buyer.client.get(CRM)
    for words in ("Start", "Pro", "Enterprise", "(your trial)", "£23.50 a month", "£65.00 a quarter",
                  "4 people work with it now.", "It is free in the trial."):  # fmt: skip
        assert words in buyer.text
    fields = buyer.page.fields("buy")
    assert (fields["plan"], fields["interval"], fields["quantity"]) == ("pro", "month", "4")
    assert fields["add_on_appointments"] == ""  # a free add-on is bought only if it is chosen (C5)


def test_the_price_follows_the_choice_and_nothing_is_written(
    buyer: WebPurchase, books: Session
) -> None:
    fields = typed(buyer, plan="enterprise", interval="year", quantity="6", action="preview")
    before = row_counts(books)
    buyer.client.post(CRM, fields, status=200)
    for words in ("6 licences Kanto CRM Enterprise", "6 × £447.00", "5 Nov 2026 – 4 Nov 2027"):
        assert words in buyer.text
    answer = buyer.client.post(CRM, fields, status=200, headers=HTMX)
    assert "£2,682.00" in check_page(answer.get_data(as_text=True), whole=False).text()
    assert row_counts(books) == before


def test_C5_the_screens_say_when_the_paid_period_begins(buyer: WebPurchase) -> None:
    sentence = "begins when the trial ends, on 5 November 2026."
    quoted(buyer)
    assert sentence in buyer.text
    assert "5 Nov – 4 Dec 2026" in buyer.text
    buyer.complete_payment()
    assert sentence in buyer.text
    assert "5 Nov – 4 Dec 2026" in buyer.text


def test_C5_they_say_so_where_it_begins_at_once(buyer: WebPurchase) -> None:
    parts = buyer.client.app.extensions["portal"]
    policy = replace(parts.catalogue.policy, trial_paid_start=TrialPaidStart.AT_ONCE)
    changed = replace(parts, catalogue=replace(parts.catalogue, policy=policy))
    buyer.client.app.extensions["portal"] = changed
    try:
        quoted(buyer)
        assert "begins when you pay, and takes the place of the trial" in buyer.text
        assert "29 Oct – 28 Nov 2026" in buyer.text
    finally:
        buyer.client.app.extensions["portal"] = parts


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"quantity": "3"}, "Enter at least 4."),
        ({"quantity": ""}, "Enter a number."),
        ({"add_on_appointments": "basic", "add_on_appointments_number": "0"}, "Enter at least 1."),
        ({"plan": "gone"}, "Choose one of the options."),
    ],
)
def test_C5_what_cannot_be_is_said_and_kept(
    buyer: WebPurchase, books: Session, changed: dict[str, str], sentence: str
) -> None:
    fields = typed(buyer, **changed)
    before = row_counts(books)
    buyer.client.post(CRM, fields, status=422)
    assert sentence in buyer.text
    assert row_counts(books) == before


def test_C5_a_trial_is_bought_through_the_pages(buyer: WebPurchase, books: Session) -> None:
    quoted(buyer, plan="start", interval="quarter", quantity="5")
    buyer.complete_payment(vat_number="GB987400004")
    assert "Place service order and pay" in buyer.text
    buyer.place()
    books.rollback()
    assert books.get_one(Order, buyer.order_id).status in ("paid", "done")
    state = state_of_product(books, BRIGHTWATER)
    assert (state.status, state.plan_item.plan_key, state.plan_item.quantity) == (
        "active", "start", 5,
    )  # fmt: skip
    assert "the paid period begins on 5 November 2026" in buyer.text
    buyer.client.get("/activity")
    assert "the trial became a paid subscription" in buyer.text


def test_what_is_in_the_cart_is_shown_and_leads_back(buyer: WebPurchase) -> None:
    quoted(buyer, quantity="5")
    buyer.client.get("/cart")
    assert "Kanto CRM Pro" in buyer.text
    assert CRM in buyer.page.links()
    buyer.client.get(CRM)
    assert buyer.page.fields("buy")["quantity"] == "5"


def test_C5_a_trial_that_is_over_can_still_be_bought(buyer: WebPurchase, books: Session) -> None:
    with buyer.client.app.app_context(), transaction() as own:
        row = own.get_one(Subscription, plan_item(own, BRIGHTWATER).subscription_id)
        row.status, row.read_only_from = "read_only", row.trial_ends_on
    quoted(buyer)
    buyer.complete_payment()
    buyer.place()
    assert "the paid period begins on" not in buyer.text
    assert state_of_product(books, BRIGHTWATER).status == "active"
