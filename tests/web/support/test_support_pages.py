"""/support: whom to turn to, messages with their status, packages to compare, ask for and buy."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Order, ServiceRequest, SupportMessage
from portal.parts import Parts
from portal.services.service_requests import answer_request
from portal.services.support_answers import answer_message
from portal.services.writing_limit import MOST_IN_AN_HOUR
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    JONAS,
    KAREL,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    WebPurchase,
    account_named,
    row_counts,
    speak,
    use_method,
)
from tests.support.client import PortalClient
from tests.support.support import asked, mails_of, sent, staff

CAMILLE = "camille.roussel@lumiere-conseil.example"


@pytest.fixture
def lotte(app: Flask, client: PortalClient) -> PortalClient:
    speak(client, LOTTE, "en")
    client.sign_in(LOTTE)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def links(client: PortalClient) -> list[str]:
    assert client.page is not None
    return client.page.links()


def answered(client: PortalClient, parts: Parts, number: int, words: str) -> None:
    with client.app.app_context(), transaction() as session:
        answer_message(session, number, words, catalogue=parts.catalogue, actor=staff(session),
                       now=clock.now())  # fmt: skip


# --- whom to turn to -----------------------------------------------------------------------------


def test_the_page_says_whom_to_turn_to(lotte: PortalClient) -> None:
    lotte.get("/support")
    assert "support@kanto.example" in text(lotte)
    assert "+32 59 00 01 40" in text(lotte)
    assert "Monday to Friday, 8:30 to 17:30" in text(lotte)
    assert {"mailto:support@kanto.example", "tel:+3259000140"} <= set(links(lotte))
    assert "your account executive" not in text(lotte)


def test_a_customer_with_an_account_executive_sees_who_it_is(client: PortalClient) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/support")
    assert "Hugo Peeters · your account executive" in text(client)
    assert "mailto:support@kanto.example" in links(client)


@pytest.mark.parametrize("email", [JONAS, KAREL])
def test_a_member_sees_whom_to_ask_and_writes_nothing(
    client: PortalClient, books: Session, email: str
) -> None:
    speak(client, email, "en")
    client.sign_in(email)
    client.get("/support")
    assert "support@kanto.example" in text(client)
    assert "Lotte Verbeke" in text(client)
    assert "Write to us" not in text(client)
    assert "€" not in text(client)
    before = row_counts(books)
    client.get("/support/messages", 403)
    client.get("/support/packages/together", 403)
    client.post("/support/messages", {"about": "a", "text": "b"}, status=403)
    client.post("/support/packages/done-for-you", {"wishes": ""}, status=403)
    assert row_counts(books) == before


# --- messages ------------------------------------------------------------------------------------


def test_a_message_is_sent_shown_with_its_status_and_answered(
    lotte: PortalClient, books: Session, parts: Parts
) -> None:
    lotte.get("/support")
    answer = lotte.post("/support/messages", {"about": " Our invoice ", "text": "What is it for?"})
    lotte.follow(answer)
    number = int(answer.headers["Location"].rpartition("/")[2])
    assert "Your message is on its way." in text(lotte)
    assert "Waits for our answer" in text(lotte)
    assert "What is it for?" in text(lotte)
    assert len(mails_of(books, "support_asked")) == 1
    answered(lotte, parts, number, "It is your renewal.")
    lotte.get("/support")
    assert f"/support/messages/{number}" in links(lotte)
    assert "Answered" in text(lotte)
    lotte.get(f"/support/messages/{number}")
    assert "It is your renewal." in text(lotte)
    assert "Hugo Peeters Kanto" in text(lotte)
    path = f"/support/messages/{number}/replies"
    lotte.follow(lotte.post(path, {"text": "Thank you!"}))
    assert "Thank you!" in text(lotte)
    assert "Waits for our answer" in text(lotte)
    [_first, second] = mails_of(books, "support_asked")
    assert second.payload["text"] == "Thank you!"


@pytest.mark.parametrize(
    ("about", "words", "problem"),
    [
        ("", "What is it for?", "Enter what it is about."),
        ("Our invoice", "   ", "Enter your message."),
        ("x" * 201, "What is it for?", "at most 200"),
        ("Our invoice", "x" * 5001, "at most 5000"),
    ],
)
def test_what_cannot_be_sent_comes_back_with_what_was_typed(
    lotte: PortalClient, books: Session, about: str, words: str, problem: str
) -> None:
    before = row_counts(books)
    lotte.post("/support/messages", {"about": about, "text": words}, status=422)
    assert problem in text(lotte)
    assert lotte.page is not None
    fields = lotte.page.fields("write")
    assert (fields["about"], str(fields["text"]).strip()) == (about.strip(), words.strip())
    assert "support@kanto.example" in text(lotte)
    assert row_counts(books) == before


def test_an_empty_answer_comes_back(lotte: PortalClient, parts: Parts, books: Session) -> None:
    with lotte.app.app_context():
        number = sent(parts)
    before = row_counts(books)
    lotte.post(f"/support/messages/{number}/replies", {"text": " "}, status=422)
    assert "Enter your reply." in text(lotte)
    assert "What is it for?" in text(lotte)
    assert row_counts(books) == before


def test_Q4_sent_twice_is_one_message(lotte: PortalClient, books: Session) -> None:
    before = books.scalar(select(func.count(SupportMessage.id))) or 0
    form = {"about": "Our invoice", "text": "What is it for?"}
    places = {lotte.post("/support/messages", form).headers["Location"] for _ in range(2)}
    assert len(places) == 1
    assert books.scalar(select(func.count(SupportMessage.id))) == before + 1


def test_too_many_in_an_hour_are_refused_politely(
    lotte: PortalClient, parts: Parts, books: Session
) -> None:
    with lotte.app.app_context():
        number = sent(parts, "No 0")
        for at in range(1, MOST_IN_AN_HOUR):
            sent(parts, f"No {at}")
    lotte.post("/support/messages", {"about": "More", "text": "Still here"}, status=422)
    assert "You have written a lot within an hour." in text(lotte)
    assert lotte.page is not None
    assert lotte.page.fields("write")["about"] == "More"
    lotte.post(f"/support/messages/{number}/replies", {"text": "Still here"}, status=422)
    assert "You have written a lot within an hour." in text(lotte)


def test_what_people_type_is_text_and_nothing_else(lotte: PortalClient) -> None:
    evil = '<script>alert(1)</script>"><img src=x>'
    answer = lotte.post("/support/messages", {"about": evil, "text": evil})
    page = lotte.follow(answer).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert evil in text(lotte)


def test_the_list_is_paged_and_the_newest_comes_first(
    lotte: PortalClient, parts: Parts, books: Session
) -> None:
    with lotte.app.app_context():
        for at in range(25):
            clock.fix(NOW + timedelta(hours=2 * at))
            sent(parts, f"Question no {at}.")
    lotte.sign_in(LOTTE)  # two days later
    lotte.get("/support")
    assert "All messages" in text(lotte)
    assert [int(n) for n in re.findall(r"Question no (\d+)\.", text(lotte))] == [24, 23, 22, 21, 20]
    lotte.get("/support/messages")
    assert [int(n) for n in re.findall(r"Question no (\d+)\.", text(lotte))] == list(
        range(24, 4, -1)
    )
    lotte.get("/support/messages?page=2")
    assert {0, 4} <= {int(n) for n in re.findall(r"Question no (\d+)\.", text(lotte))}
    for page in ("0", "x", "99", "-1", "10001"):
        lotte.get(f"/support/messages?page={page}", 404)


def test_rule7_another_accounts_message_is_an_absent_page(
    app: Flask, lotte: PortalClient, parts: Parts, books: Session
) -> None:
    with app.app_context():
        theirs = sent(parts, "Secret", "Nobody else's", account=MUELLER, email=KATRIN)
    before = row_counts(books)
    for number in (theirs, 987_654_321, 0):
        lotte.get(f"/support/messages/{number}", 404)
        lotte.post(f"/support/messages/{number}/replies", {"text": "Hi"}, status=404)
    lotte.get("/support/messages")
    assert "Secret" not in text(lotte)
    assert row_counts(books) == before


def test_another_admin_sees_and_goes_on_with_a_message(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    with client.app.app_context():
        number = sent(parts)
    other = "pieter.claes@atelier-noordzee.example"
    speak(client, other, "en")
    client.sign_in(other)
    client.get(f"/support/messages/{number}")
    client.follow(client.post(f"/support/messages/{number}/replies", {"text": "Me too."}))
    assert "Pieter Claes" in text(client)
    assert mails_of(books, "support_asked")[-1].payload["author_email"] == other


# --- packages ------------------------------------------------------------------------------------


def test_the_packages_stand_side_by_side_with_price_and_who_does_the_work(
    lotte: PortalClient,
) -> None:
    lotte.get("/support")
    assert lotte.page is not None
    cards = [lotte.page.text(card) for card in lotte.page.all("article", class_="offer")]
    assert len(cards) == 4
    for card, words in zip(
        cards,
        (
            ("Do it yourself", "Included", "You do it yourselves", "Nothing to order."),
            ("Together", "€490.00", "Your people and ours", "Choose"),
            ("Together Plus", "€1,290.00", "Your people and ours", "Choose"),
            ("Done for you", "€2,900.00", "A partner does it for you", "Ask for it"),
        ),
        strict=True,
    ):
        for expected in words:
            assert expected in card


def test_a_package_is_bought_through_the_same_quote_and_checkout(
    app: Flask, books: Session, parts: Parts
) -> None:
    with app.app_context(), transaction() as session:
        use_method(session, ATELIER, CARD)
    buyer = WebPurchase(PortalClient(app), LOTTE)
    buyer.client.get("/support/packages/together")
    assert "€592.90" in buyer.text  # with Belgian VAT
    fields = {**buyer.page.fields("buy"), "action": "save"}
    answer = buyer.client.post("/support/packages/together", fields)
    buyer.quote_url = answer.headers["Location"]
    assert re.fullmatch(r"/quotes/\d+", buyer.quote_url)
    buyer.client.follow(answer)
    assert "Together" in buyer.text
    assert books.scalar(select(func.count(ServiceRequest.id)).where(
        ServiceRequest.account_id == account_named(books, ATELIER).id)) == 0  # fmt: skip
    buyer.complete_payment()
    buyer.place()
    order = books.get_one(Order, buyer.order_id)
    assert (order.status, order.gross_minor) == ("done", 59_290)
    buyer.client.get("/support")
    assert "Bought on 29 Oct 2026." in buyer.text
    buyer.client.get("/support/packages/together")
    assert f"/orders/{buyer.order_id}" in buyer.page.links()
    # It is on order: the address buys no second one.
    again = buyer.client.post("/support/packages/together", {"action": "save"})
    assert again.headers["Location"] == "/support/packages/together"
    assert len(mails_of(books, "service_asked")) == 1


def test_Q1_a_second_quote_for_a_package_says_what_it_replaces(app: Flask) -> None:
    buyer = WebPurchase(PortalClient(app), LOTTE)
    buyer.client.get("/support/packages/together-plus")
    fields = {**buyer.page.fields("buy"), "action": "save"}
    first = buyer.client.post("/support/packages/together-plus", fields).headers["Location"]
    # The same cart again is the same quote.
    again = buyer.client.post("/support/packages/together-plus", fields).headers["Location"]
    assert again == first
    clock.fix(NOW + timedelta(days=1))
    buyer.client.sign_in(LOTTE)
    buyer.client.get("/support/packages/together-plus")
    assert "This replaces quote" in buyer.text
    fields = {**buyer.page.fields("buy"), "action": "save"}
    second = buyer.client.post("/support/packages/together-plus", fields).headers["Location"]
    assert second != first


def test_done_for_you_is_asked_for_then_confirmed_then_bought(
    app: Flask, lotte: PortalClient, parts: Parts, books: Session
) -> None:
    lotte.get("/support/packages/done-for-you")
    assert "Asking costs nothing" in text(lotte)
    answer = lotte.post("/support/packages/done-for-you", {"wishes": "In Ghent, please."})
    lotte.follow(answer)
    assert "Your request is on its way to us." in text(lotte)
    assert "Lotte Verbeke asked for it on 29 Oct 2026." in text(lotte)
    [mail] = mails_of(books, "service_asked")
    assert mail.payload["wishes"] == "In Ghent, please."
    # A second click finds the first's request.
    lotte.post("/support/packages/done-for-you", {"wishes": "In Ghent, please."})
    assert len(mails_of(books, "service_asked")) == 1
    request = books.scalars(
        select(ServiceRequest).where(ServiceRequest.package_key == "done-for-you")
        .order_by(ServiceRequest.id.desc())
    ).first()  # fmt: skip
    assert request is not None
    with app.app_context(), transaction() as session:
        answer_request(session, request.id, "confirmed", "Delta begins in May.",
                       catalogue=parts.catalogue, actor=staff(session), now=NOW)  # fmt: skip
    lotte.get("/support")
    assert "Arranged" in text(lotte)
    lotte.get("/support/packages/done-for-you")
    assert "Delta begins in May." in text(lotte)
    assert "€3,509.00" in text(lotte)
    assert lotte.page is not None
    fields = {**lotte.page.fields("buy"), "action": "save"}
    location = lotte.post("/support/packages/done-for-you", fields).headers["Location"]
    assert location.startswith("/quotes/")


def test_Q7_what_was_asked_for_is_taken_back_until_it_is_arranged(
    app: Flask, lotte: PortalClient, parts: Parts, books: Session
) -> None:
    lotte.follow(lotte.post("/support/packages/done-for-you", {"wishes": ""}))
    assert lotte.page is not None
    [form] = lotte.page.all("form", action="/support/packages/done-for-you/withdraw")
    fields = {field.get("name") or "": field.get("value") or "" for field in form.iter()
              if field.get("name")}  # fmt: skip
    for _ in range(2):
        lotte.follow(lotte.post("/support/packages/done-for-you/withdraw", fields))
        assert "The request is withdrawn." in text(lotte)
        lotte.get("/support")
        assert "Withdrawn on 29 Oct 2026." in text(lotte)
    lotte.get("/support/packages/done-for-you")
    assert "Asking costs nothing" in text(lotte)
    lotte.post("/support/packages/done-for-you/withdraw", {"request": "987654"}, status=404)
    lotte.post("/support/packages/done-for-you/withdraw", {}, status=404)
    with app.app_context():
        number = asked(parts)
        with transaction() as session:
            answer_request(session, number, "confirmed", "", catalogue=parts.catalogue,
                           actor=staff(session), now=NOW)  # fmt: skip
    answer = lotte.post("/support/packages/done-for-you/withdraw", {"request": str(number)})
    lotte.follow(answer)
    assert "further on by now" in text(lotte)
    assert books.get_one(ServiceRequest, number, populate_existing=True).status == "confirmed"


def test_too_long_wishes_come_back(lotte: PortalClient, books: Session) -> None:
    before = row_counts(books)
    lotte.post("/support/packages/done-for-you", {"wishes": "x" * 5001}, status=422)
    assert "at most 5000" in text(lotte)
    assert row_counts(books) == before


def test_a_bank_transfer_customer_asks_for_every_package(
    client: PortalClient, books: Session
) -> None:
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/support")
    assert client.page is not None
    buttons = [client.page.text(link) for link in client.page.all("a", class_="button")]
    assert "Choose" not in buttons
    client.get("/support/packages/together")
    client.follow(client.post("/support/packages/together", {"wishes": ""}))
    assert "Asked for" in text(client)
    request = books.scalars(
        select(ServiceRequest).where(
            ServiceRequest.account_id == account_named(books, LUMIERE).id,
            ServiceRequest.package_key == "together",
        )
    ).one()
    assert request.status == "asked"


@pytest.mark.parametrize("key", ["nothing", "crm", "%00", "done-for-you/x"])
def test_a_package_that_is_not_sold_is_an_absent_page(lotte: PortalClient, key: str) -> None:
    lotte.get(f"/support/packages/{key}", 404)


def test_asked_for_in_one_tab_and_opened_in_another(
    lotte: PortalClient, parts: Parts, books: Session
) -> None:
    lotte.get("/support/packages/done-for-you")
    with lotte.app.app_context():
        asked(parts)
    answer = lotte.post("/support/packages/done-for-you", {"wishes": "In Bruges."})
    assert answer.headers["Location"] == "/support/packages/done-for-you"
    assert len(mails_of(books, "service_asked")) == 1


@pytest.mark.parametrize("locale", ["en", "nl", "fr", "it", "de"])
def test_every_page_speaks_every_language(client: PortalClient, parts: Parts, locale: str) -> None:
    with client.app.app_context():
        number = sent(parts)
        asked(parts)
    speak(client, LOTTE, locale)
    client.sign_in(LOTTE)
    name = parts.catalogue.service_package("together").name.in_(locale)
    for path in ("/support", "/support/packages/together"):
        client.get(path)
        assert name in text(client)
    client.get(f"/support/messages/{number}")
    client.get("/support/packages/done-for-you")
