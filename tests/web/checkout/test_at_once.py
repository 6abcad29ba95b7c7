"""Many clicks at the same moment have one effect (Q1, Q4, S9): through the app, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.models import (
    Assignment,
    Cart,
    Invoice,
    Order,
    OrderLine,
    OutboxMessage,
    Payment,
    Quote,
    SeatEntry,
)
from tests.support.buying import (
    AN,
    ATELIER,
    LOTTE,
    PIETER,
    Outcome,
    WebPurchase,
    charges,
    outcome_of,
    plan_item,
)
from tests.support.client import PortalClient

pytestmark = pytest.mark.usefixtures("agreeing_books")

CROWD = 20


def at_once(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each action returned, all begun at the same moment."""
    start = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(place: int) -> None:
        start.wait()
        try:
            results[place] = actions[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def clicker(client: PortalClient, path: str, fields: dict[str, Any]) -> Callable[[], Any]:
    """A click that will send the form: status and where it leads."""
    sent = {"csrf_token": client.csrf_token(), **fields}

    def click() -> tuple[int, str]:
        answer = client.browser.post(path, data=sent)
        return answer.status_code, answer.headers.get("Location", "")

    return click


def crowd(app: Flask, emails: Sequence[str]) -> list[PortalClient]:
    clients = []
    for email in emails:
        client = PortalClient(app)
        client.sign_in(email)
        clients.append(client)
    return clients


def test_Q4_twenty_placings_of_one_order_make_one_order_and_one_charge(
    app: Flask, client: PortalClient, books: Session
) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart()
    buyer.complete_payment()
    clicks = [
        clicker(each, buyer.service_order_url, {"shown": buyer.terms()})
        for each in crowd(app, [LOTTE, PIETER, AN, LOTTE] * (CROWD // 4))
    ]

    answers = at_once(clicks)

    order = books.scalars(select(Order).where(Order.quote_id == buyer.quote_id)).one()
    assert Counter(answers) == {(303, f"/orders/{order.id}"): CROWD}
    assert outcome_of(books, order.id) == Outcome(
        "done", ("succeeded",), ((9574, "paid", 9574),), 15, 15, "accepted"
    )
    assert len(charges(books)) == 1
    payments = select(func.count(Payment.id)).where(Payment.order_id == order.id)
    assert books.scalar(payments) == 1
    entries = (
        select(func.count(SeatEntry.id))
        .join(OrderLine, OrderLine.id == SeatEntry.order_line_id)
        .where(OrderLine.order_id == order.id)
    )
    assert books.scalar(entries) == 1
    receipts = select(func.count(OutboxMessage.id)).where(
        OutboxMessage.dedupe_key.like(f"receipt:{order.id}:%")
    )
    assert books.scalar(receipts) == 1
    last = select(func.max(Invoice.sequence), func.count(Invoice.id)).where(Invoice.year == 2026)
    assert len(set(books.execute(last).one())) == 1  # I2: and no gap


def test_Q1_two_people_who_quote_one_subject_at_once_leave_one_quote_open(
    app: Flask, books: Session
) -> None:
    people = [LOTTE, PIETER, AN] * 3
    clicks = []
    for place, each in enumerate(crowd(app, people)):
        each.get("/licences")
        assert each.page is not None
        add_url = next(link for link in each.page.links() if link.endswith("/add"))
        each.get(add_url)
        fields = each.page.fields("seats")
        first = next(name for name in fields if name.startswith("item_"))
        fields[first] = str(13 + place % 3)
        clicks.append(clicker(each, add_url, {**fields, "action": "save"}))

    answers = at_once(clicks)

    assert {status for status, _ in answers} == {303, 422}
    made = {place for status, place in answers if status == 303}
    assert len(made) == 1
    item = plan_item(books, ATELIER)
    open_quotes = books.scalars(
        select(Quote.id).where(Quote.status == "open", Quote.account_id == 1)
    ).all()
    assert [f"/quotes/{quote_id}" for quote_id in open_quotes] == list(made)
    assert item.quantity == 12


def test_Q4_a_cart_that_is_saved_twice_at_once_is_one_cart_and_one_quote(
    app: Flask, books: Session
) -> None:
    clicks = []
    for each in crowd(app, [LOTTE] * 8):
        each.get("/licences")
        assert each.page is not None
        add_url = next(link for link in each.page.links() if link.endswith("/add"))
        each.get(add_url)
        fields = each.page.fields("seats")
        first = next(name for name in fields if name.startswith("item_"))
        fields[first] = "15"
        clicks.append(clicker(each, add_url, {**fields, "action": "save"}))

    answers = at_once(clicks)

    assert len(set(answers)) == 1
    assert answers[0][0] == 303
    assert books.scalar(select(func.count(Cart.id)).where(Cart.status == "open")) == 1
    assert books.scalar(
        select(func.count(Quote.id)).where(Quote.status == "open", Quote.account_id == 1)
    ) == 1  # fmt: skip


def test_the_first_click_of_a_checkout_is_one_whatever_the_tabs(
    app: Flask, client: PortalClient, books: Session
) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart()
    client.get(buyer.payment_url)
    fields = {**buyer.page.fields("payment"), "action": "save"}
    fields.pop("csrf_token")
    clicks = [clicker(each, buyer.payment_url, fields) for each in crowd(app, [LOTTE, PIETER] * 4)]
    answers = at_once(clicks)
    assert Counter(answers) == {(303, buyer.service_order_url): 8}


@pytest.mark.parametrize("seconds", ["order", "decline"])
def test_Q1_ordering_and_declining_at_once_have_one_winner(
    app: Flask, client: PortalClient, books: Session, seconds: str
) -> None:
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart()
    buyer.complete_payment()
    one, other = crowd(app, [LOTTE, PIETER])
    order = clicker(one, buyer.service_order_url, {"shown": buyer.terms()})
    decline = clicker(other, f"{buyer.quote_url}/decline", {"reason": ""})
    answers = at_once([order, decline] if seconds == "decline" else [decline, order])
    assert {status for status, _ in answers} == {303}
    quote = books.get_one(Quote, buyer.quote_id)
    orders = books.scalars(select(Order).where(Order.quote_id == buyer.quote_id)).all()
    if quote.status == "accepted":
        assert [o.status for o in orders] == ["done"]
        assert len(charges(books)) == 1
    else:
        assert (quote.status, orders, charges(books)) == ("declined", [], [])
    held = books.scalar(
        select(func.count(Assignment.id)).where(
            Assignment.item_id == plan_item(books, ATELIER).id, Assignment.freed_at.is_(None)
        )
    )
    assert (held or 0) <= plan_item(books, ATELIER).quantity  # S9
