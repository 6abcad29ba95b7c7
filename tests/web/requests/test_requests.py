"""/requests: what a bank-transfer customer asks, sees and takes back; nobody else's business."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.domain.money import Money
from portal.domain.requests import RequestKind
from portal.formats import format_money
from portal.models import ChangeRequest, OutboxMessage
from portal.parts import Parts
from tests.conftest import NOW
from tests.services.test_transfer_edges import granted_early, invoiced
from tests.services.test_transfer_orders import invoice_of
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    LOTTE,
    LUMIERE,
    plan_item,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.desk import HUGO
from tests.support.offers import pay_transfer
from tests.support.requests import act, asked_for, confirmed, request_of, say
from tests.support.transfers import staff

NADIA = "nadia.benali@lumiere-conseil.example"  # a member


@pytest.fixture
def camille(app: Flask, client: PortalClient) -> PortalClient:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def links(client: PortalClient) -> list[str]:
    assert client.page is not None
    return client.page.links()


# --- the licences page ---------------------------------------------------------------------------


def test_the_licences_page_shows_whom_to_ask_instead_of_the_buttons(
    camille: PortalClient, books: Session
) -> None:
    camille.get("/licences")
    shown = text(camille)
    assert "Hugo Peeters · your account executive" in shown
    assert "Monday to Thursday, 9:00 to 17:00" in shown
    assert "changes go through a person who prepares the invoice" in shown
    item = plan_item(books, LUMIERE).id
    assert f"/requests/new?kind=more_seats&item={item}" in links(camille)
    assert f"/requests/new?kind=fewer_seats&item={item}" in links(camille)
    gone = ("/add", "/remove", "/plan", "/add-ons")
    assert not [link for link in links(camille) if link.endswith(gone)]
    own = ("/cancel", "/billing", "/members")
    assert all([link for link in links(camille) if link.endswith(one)] for one in own)


@pytest.mark.parametrize(
    ("locale", "hours"),
    [("nl", "maandag tot en met donderdag"), ("fr", "lundi au jeudi"), ("de", "Montag bis Donnerstag"),
     ("it", "lunedì")],
)  # fmt: skip
def test_the_working_hours_are_in_the_readers_language(
    client: PortalClient, locale: str, hours: str
) -> None:
    speak(client, CAMILLE, locale)
    client.sign_in(CAMILLE)
    client.get("/licences")
    assert hours.lower() in text(client).lower()


def test_a_member_sees_the_person_and_asks_for_nothing(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    with client.app.app_context():
        number = asked_for(parts)
    speak(client, NADIA, "en")
    client.sign_in(NADIA)
    client.get("/licences")
    assert "Hugo Peeters" in text(client)
    assert not [link for link in links(client) if link.startswith("/requests")]
    before = row_counts(books)
    for path in ("/requests", "/requests/new", f"/requests/{number}"):
        client.get(path, 403)
    client.post("/requests/new?kind=other", {"details": "Hello"}, status=403)
    client.post(f"/requests/{number}/messages", {"text": "Hello"}, status=403)
    client.post(f"/requests/{number}/withdraw", {"version": "1"}, status=403)
    assert row_counts(books) == before


def test_pages_that_explain_lead_to_a_request(camille: PortalClient) -> None:
    camille.get("/subscribe")
    assert "/requests/new?kind=other" in links(camille)
    camille.get("/billing/period")
    assert any(link.startswith("/requests/new?kind=period") for link in links(camille))


def test_whoever_pays_automatically_is_led_back_to_the_licences(
    client: PortalClient, books: Session
) -> None:
    speak(client, LOTTE, "en")
    client.sign_in(LOTTE)
    client.get("/licences")
    assert not [link for link in links(client) if link.startswith("/requests")]
    before = row_counts(books)
    client.get("/requests/new?kind=more_seats")
    assert "You change this yourselves" in text(client)
    client.post("/requests/new?kind=other", {"details": "Hello"}, status=422)
    assert row_counts(books) == before


# --- asking --------------------------------------------------------------------------------------


def test_more_licences_with_what_they_would_cost(camille: PortalClient, books: Session) -> None:
    before = row_counts(books)
    camille.post(
        "/requests/new?kind=more_seats", {"quantity": "3", "action": "preview"}, status=200
    )
    shown = text(camille)
    assert "3 licences × €516.00 × 96 of 365 days = €407.15" in shown
    assert "12 × €516.00 = €6,192.00" in shown
    assert row_counts(books) == before
    answer = camille.post("/requests/new?kind=more_seats",
                          {"quantity": "3", "details": "From Monday on.", "purchase_order": "PO 7"})  # fmt: skip
    camille.follow(answer)
    shown = text(camille)
    assert "Your request is on its way." in shown
    assert "3 more licences for Kanto CRM Enterprise" in shown
    assert "From Monday on." in shown
    assert "PO 7" in shown
    for step in ("Request sent", "In preparation", "Invoice shared", "Payment received",
                 "Licences activated"):  # fmt: skip
        assert step in shown


@pytest.mark.parametrize("after", [0, 90])
def test_S4_fewer_licences_show_both_dates(app: Flask, client: PortalClient, after: int) -> None:
    from datetime import timedelta

    clock.fix(clock.now() + timedelta(days=after))
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/requests/new?kind=fewer_seats")
    shown = text(client)
    if after:
        assert "Takes effect on 2 February 2028" in shown
        assert "The coming renewal is on 2 February 2027." in shown
        assert "had to be asked by 18 January 2027" in shown
    else:
        assert "Takes effect on 2 February 2027" in shown
        assert "It can be asked until 18 January 2027" in shown
    client.post(
        "/requests/new?kind=fewer_seats", {"quantity": "4", "action": "preview"}, status=200
    )
    assert "2 people lose access then" in text(client)


@pytest.mark.parametrize(
    ("query", "typed", "problem"),
    [
        ("kind=more_seats", {"quantity": ""}, "Enter a number."),
        ("kind=more_seats", {"quantity": "-3"}, "Enter a number that is not negative."),
        ("kind=more_seats", {"quantity": "1.5"}, "Enter a whole number"),
        ("kind=more_seats", {"quantity": "100000"}, "Enter at most"),
        ("kind=fewer_seats", {"quantity": "9"}, "8"),
        ("kind=plan", {}, "Choose one of the plans."),
        ("kind=plan", {"target": "gold"}, "Choose one of the plans."),
        ("kind=period", {"target": "year"}, "Choose one of the billing periods."),
        ("kind=other", {"details": "  "}, "Enter what you need."),
        ("kind=other", {"details": "x" * 5001}, "at most 5000"),
        ("kind=other", {"details": "Hello", "purchase_order": "x" * 61}, "at most 60"),
        ("kind=other", {"details": "a\x00b"}, "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_comes_back_with_what_was_typed(
    camille: PortalClient, books: Session, query: str, typed: dict[str, str], problem: str
) -> None:
    before = row_counts(books)
    camille.post(f"/requests/new?{query}", {"details": "Soon", **typed}, status=422)
    assert problem in text(camille)
    assert camille.page is not None
    assert camille.page.all("div", role="alert")
    if "quantity" in typed:
        assert camille.page.fields("ask")["quantity"] == typed["quantity"]
    assert row_counts(books) == before


def test_only_own_items_and_known_kinds_have_a_page(camille: PortalClient, books: Session) -> None:
    other = plan_item(books, ATELIER).id
    for query in (f"kind=more_seats&item={other}", "kind=gift", "kind=more_seats&item=987654321"):
        camille.get(f"/requests/new?{query}", 404)
        camille.post(f"/requests/new?{query}", {"quantity": "1"}, status=404)


def test_Q4_sent_twice_is_one_request(camille: PortalClient, books: Session) -> None:
    form = {"quantity": "3", "details": ""}
    places = {
        camille.post("/requests/new?kind=more_seats", form).headers["Location"] for _ in range(2)
    }
    assert len(places) == 1
    sent = select(func.count()).where(ChangeRequest.sent_at >= NOW)
    assert books.scalar(sent) == 1


def test_what_people_type_is_text_and_nothing_else(camille: PortalClient) -> None:
    evil = '<script>alert(1)</script>"><img src=x>'
    answer = camille.post("/requests/new?kind=other", {"details": evil, "purchase_order": evil})
    page = camille.follow(answer).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert evil in text(camille)


# --- following it --------------------------------------------------------------------------------


def test_the_page_tells_how_far_it_is_and_what_was_said(
    camille: PortalClient, parts: Parts, books: Session
) -> None:
    with camille.app.app_context():
        number = asked_for(parts)
        act(parts, number, "take")
        say(parts, number, "Which shop is it?", by=HUGO)
    camille.get(f"/requests/{number}")
    assert "Which shop is it?" in text(camille)
    assert "In preparation29 Oct 2026, 10:00 · Hugo Peeters" in text(camille)
    camille.follow(camille.post(f"/requests/{number}/messages", {"text": "The one in Lille."}))
    assert "The one in Lille." in text(camille)
    mail = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "desk_request_message"))
    assert [row.recipient for row in mail] == [HUGO]
    with camille.app.app_context():
        confirmed(parts, number)
    camille.get(f"/requests/{number}")
    assert "It takes effect on 2 February 2027" in text(camille)
    assert "Confirmed for 2 February 2027" in text(camille)
    camille.get("/licences")
    assert "Undo" in text(camille)


def test_Q3_what_works_before_its_money_says_what_is_still_to_be_paid(
    camille: PortalClient, parts: Parts, books: Session
) -> None:
    with camille.app.app_context():
        number = asked_for(parts, RequestKind.MORE_SEATS, 3)
        order_id = invoiced(parts, number, version=1, actor=staff())
        granted_early(parts, order_id)
        invoice = invoice_of(books, order_id)
    camille.get(f"/requests/{number}")
    shown = text(camille)
    assert "Working, invoice still to be paid" in shown
    amount = format_money(Money(invoice.gross_minor, invoice.currency), "en")
    assert f"Please transfer {amount} by 28 November 2026" in shown
    assert f"/invoices/{invoice.number}" in links(camille)
    with camille.app.app_context():
        pay_transfer(parts, order_id)
    camille.get(f"/requests/{number}")
    assert "still to be paid" not in text(camille)


def test_declined_says_why(camille: PortalClient, parts: Parts) -> None:
    with camille.app.app_context():
        number = asked_for(parts, RequestKind.OTHER)
        act(parts, number, "decline", reason="Not before March.")
    camille.get(f"/requests/{number}")
    assert "We cannot do this" in text(camille)
    assert "Not before March." in text(camille)
    assert "Withdraw the request" not in text(camille)


def test_a_request_is_withdrawn_once_and_never_after_it_was_confirmed(
    camille: PortalClient, parts: Parts, books: Session
) -> None:
    with camille.app.app_context():
        number, other = asked_for(parts), asked_for(parts, quantity=1)
        confirmed(parts, other)
    for _ in range(2):
        camille.follow(camille.post(f"/requests/{number}/withdraw", {"version": "1"}))
    assert "Your request is withdrawn." in text(camille)
    camille.post(f"/requests/{other}/withdraw", {"version": "1"}, status=422)
    assert "Hugo Peeters has worked on this request meanwhile" in text(camille)
    assert "Confirmed for 2 February 2027" in text(camille)
    with camille.app.app_context():
        assert request_of(books, other).status == "confirmed"


def test_an_empty_message_comes_back(camille: PortalClient, parts: Parts, books: Session) -> None:
    with camille.app.app_context():
        number = asked_for(parts)
    before = row_counts(books)
    camille.post(f"/requests/{number}/messages", {"text": " "}, status=422)
    assert "Enter your message." in text(camille)
    assert row_counts(books) == before


def test_rule7_another_accounts_request_is_an_absent_page(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    with client.app.app_context():
        number = asked_for(parts, details="Secret")
    speak(client, LOTTE, "en")
    client.sign_in(LOTTE)
    before = row_counts(books)
    for one in (number, 987654321, 0):
        client.get(f"/requests/{one}", 404)
        client.post(f"/requests/{one}/messages", {"text": "Hi"}, status=404)
        client.post(f"/requests/{one}/withdraw", {"version": "1"}, status=404)
    client.get("/requests")
    assert "Secret" not in text(client)
    assert row_counts(books) == before


def test_the_list_is_paged_and_the_newest_comes_first(camille: PortalClient, parts: Parts) -> None:
    from datetime import timedelta

    with camille.app.app_context():
        for at in range(22):
            clock.fix(clock.now() + timedelta(hours=1))
            asked_for(parts, RequestKind.OTHER, details=f"Wish no {at}.")
    camille.sign_in(CAMILLE)
    camille.get("/requests")
    assert "Wish no 21." in text(camille)
    assert "Wish no 1." not in text(camille)
    camille.get("/requests?page=2")
    assert "Wish no 1." in text(camille)
    for page in ("0", "x", "99", "10001"):
        camille.get(f"/requests?page={page}", 404)


def test_the_navigation_has_requests_for_who_needs_them(
    camille: PortalClient, books: Session
) -> None:
    camille.get("/licences")
    assert "/requests" in links(camille)
    camille.sign_in(LOTTE)
    camille.get("/licences")
    assert "/requests" not in links(camille)
