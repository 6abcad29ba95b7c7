"""The quotes pages: list, review, decline; a closed quote says what became of it (Q1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import AuditEvent, Quote, QuoteLine
from portal.parts import Parts
from portal.services.quoting import expire_quotes
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    GIULIA,
    LOTTE,
    LUMIERE,
    OFFICINE,
    WebPurchase,
    account_named,
    plan_item,
    quoted,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

HTMX = {"HX-Request": "true"}


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    buyer = WebPurchase(client, LOTTE)
    buyer.save_cart(3)
    return buyer


def test_the_list_names_every_quote_of_the_account_newest_first(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.client.get("/quotes")
    account_id = account_named(books, ATELIER).id
    numbers = books.scalars(
        select(Quote.number).where(Quote.account_id == account_id).order_by(Quote.id.desc())
    ).all()
    places = [buyer.text.index(number) for number in numbers]
    assert places == sorted(places)
    foreign = books.scalars(select(Quote.number).where(Quote.account_id != account_id)).first()
    assert foreign is not None
    assert foreign not in buyer.text


def test_the_review_shows_line_vat_total_validity_and_what_comes(buyer: WebPurchase) -> None:
    for words in (
        "3 licences Kanto CRM Pro", "€79.12", "21%", "€16.62", "€95.74",
        "Valid until 28 November 2026", "Continue to payment", "€1,615.35",
    ):  # fmt: skip
        assert words in buyer.text
    assert buyer.payment_url in buyer.page.links()


def test_an_offer_of_the_account_executive_is_accepted_by_going_to_payment(
    client: PortalClient, books: Session
) -> None:
    speak(client, GIULIA, "en")
    client.sign_in(GIULIA)
    offer = books.scalars(
        select(Quote).where(
            Quote.status == "open", Quote.account_id == account_named(books, OFFICINE).id
        )
    ).one()
    client.get(f"/quotes/{offer.id}")
    assert client.page is not None
    assert "10%" in client.page.text().replace(" %", "%")
    assert f"/checkout/{offer.id}/payment" in client.page.links()


def test_declining_takes_a_reason_and_can_do_without(buyer: WebPurchase, books: Session) -> None:
    for reason in ("Too many seats\nfor now", ""):
        fields = {**buyer.page.fields("decline"), "reason": reason}
        answer = buyer.client.post(f"{buyer.quote_url}/decline", fields)
        buyer.client.follow(answer)
        assert "is declined. Nothing is charged." in buyer.text
        quote = books.get_one(Quote, buyer.quote_id)
        assert (quote.status, quote.decline_reason.split()) == ("declined", reason.split())
        assert not [link for link in buyer.page.links() if "checkout" in link]
        buyer.save_cart(3)
    declined = books.scalars(select(AuditEvent).where(AuditEvent.action == "quote_declined",
                                                      AuditEvent.at == NOW)).all()  # fmt: skip
    assert len(declined) == 2


def test_a_reason_that_is_too_long_is_kept_and_nothing_is_declined(
    buyer: WebPurchase, books: Session
) -> None:
    before = row_counts(books)
    long = "very " * 300
    buyer.client.post(f"{buyer.quote_url}/decline", {"reason": long}, status=422)
    assert buyer.page.fields("decline")["reason"] == long.strip()
    answer = buyer.client.post(
        f"{buyer.quote_url}/decline", {"reason": long}, status=422, headers=HTMX
    )
    assert "<html" not in answer.get_data(as_text=True)
    assert row_counts(books) == before
    assert books.get_one(Quote, buyer.quote_id).status == "open"


def test_htmx_gets_the_review_alone(buyer: WebPurchase) -> None:
    answer = buyer.client.get(buyer.quote_url, headers=HTMX)
    assert "HX-Request" in answer.headers["Vary"]
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "€95.74" in check_page(source, whole=False).text()


# --- closed quotes -------------------------------------------------------------------------------


def _nothing_can_be_done_with(buyer: WebPurchase, quote_id: int, books: Session) -> None:
    """Every step of the checkout leads to the quote's page, and writes nothing."""
    before = row_counts(books)
    for path in ("", "/payment", "/service-order"):
        answer = buyer.client.get(f"/checkout/{quote_id}{path}", 303)
        assert answer.headers["Location"] == f"/quotes/{quote_id}"
    for path in ("/payment", "/service-order"):
        answer = buyer.client.post(f"/checkout/{quote_id}{path}", {"shown": "", "contact": "new"})
        assert answer.headers["Location"] == f"/quotes/{quote_id}"
    buyer.client.follow(buyer.client.post(f"/quotes/{quote_id}/decline", {"reason": "x"}))
    assert row_counts(books) == before
    assert not [link for link in buyer.page.links() if "/checkout/" in link]


def test_Q1_a_quote_that_waits_is_said_on_the_licences_page(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.client.get("/licences")
    number = books.get_one(Quote, buyer.quote_id).number
    assert f"Quote {number} waits for you" in buyer.text
    assert "It is valid until 28 November 2026." in buyer.text
    assert buyer.quote_url in buyer.page.links()


def test_Q1_a_superseded_quote_points_to_the_new_one(buyer: WebPurchase, books: Session) -> None:
    old = buyer.quote_id
    buyer.save_cart(1)
    new = buyer.quote_id
    buyer.client.get(f"/quotes/{old}")
    assert "A newer quote has replaced this one" in buyer.text
    assert f"/quotes/{new}" in buyer.page.links()
    _nothing_can_be_done_with(buyer, old, books)


@pytest.mark.parametrize("told", [True, False], ids=["the job has run", "no job has run yet"])
def test_Q1_an_expired_quote_says_so(
    app: Flask, buyer: WebPurchase, books: Session, told: bool
) -> None:
    clock.fix(NOW + timedelta(days=31))
    if told:
        with app.app_context(), transaction() as session:
            expire_quotes(session, now=clock.now())
    buyer.client.sign_in(LOTTE)
    buyer.client.get("/licences")
    assert "waits for you" not in buyer.text
    buyer.open_form()
    assert "This replaces quote" not in buyer.text
    buyer.client.get(buyer.quote_url)
    assert "This quote ended on 28 November 2026" in buyer.text
    buyer.client.get("/quotes")
    assert "Expired" in buyer.text
    buyer.client.get(buyer.quote_url)
    _nothing_can_be_done_with(buyer, buyer.quote_id, books)


def test_Q1_a_declined_quote_stays_declined(buyer: WebPurchase, books: Session) -> None:
    buyer.client.follow(buyer.client.post(f"{buyer.quote_url}/decline", {"reason": "No"}))
    assert "This quote was declined" in buyer.text
    assert "Reason: No" in buyer.text
    _nothing_can_be_done_with(buyer, buyer.quote_id, books)


def test_an_ordered_quote_leads_to_its_order(buyer: WebPurchase) -> None:
    buyer.complete_payment()
    buyer.place()
    for path in ("", "/payment", "/service-order"):
        answer = buyer.client.get(f"/checkout/{buyer.quote_id}{path}", 303)
        assert answer.headers["Location"] == buyer.order_url
    answer = buyer.client.post(buyer.service_order_url, {"shown": "anything"})
    assert answer.headers["Location"] == buyer.order_url
    buyer.client.get(buyer.quote_url)
    assert buyer.order_url in buyer.page.links()


def test_a_closed_quote_is_still_shown_when_its_period_is_over(buyer: WebPurchase) -> None:
    buyer.client.follow(buyer.client.post(f"{buyer.quote_url}/decline", {"reason": ""}))
    clock.fix(NOW + timedelta(days=200))
    buyer.client.sign_in(LOTTE)
    buyer.client.get(buyer.quote_url)
    assert "3 licences Kanto CRM Pro" in buyer.text
    assert "€75.00" in buyer.text


def test_P3_an_open_quote_is_priced_on_the_renewal_day_before_the_worker_has_run(
    app: Flask, client: PortalClient, parts: Parts, books: Session
) -> None:
    clock.fix(NOW + timedelta(days=25))
    with app.app_context():
        quote_id = quoted(parts)
    clock.fix(NOW + timedelta(days=32))
    client.sign_in(LOTTE)
    before = row_counts(books)
    client.get(f"/quotes/{quote_id}")
    assert client.page is not None
    assert "90 of 90 days" in client.page.text()
    assert row_counts(books) == before


def test_a_bank_transfer_account_accepts_through_its_executive(
    app: Flask, client: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:  # an offer made to them
        item = plan_item(session, LUMIERE)
        old = session.scalars(select(QuoteLine)).first()
        assert old is not None
        offer = Quote(
            account_id=account_named(session, LUMIERE).id, number="Q-1", status="open",
            source="staff", currency="EUR", created_at=NOW, created_on=NOW.date(),
            valid_until=NOW.date(), created_by_id=1,
        )  # fmt: skip
        session.add(offer)
        session.flush()
        session.add(
            QuoteLine(quote_id=offer.id, position=1, kind="seats", item_id=item.id,
                      price_id=item.price_id, quantity=2, unit_minor=10_000)
        )  # fmt: skip
        quote_id = offer.id
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get(f"/quotes/{quote_id}")
    assert client.page is not None
    text = client.page.text()
    assert "Accept and get the invoice of" in text
    assert "Hugo Peeters" in text
    before = row_counts(books)
    for path in ("payment", "service-order"):
        for answer in (
            client.get(f"/checkout/{quote_id}/{path}", 303),
            client.post(f"/checkout/{quote_id}/{path}", {"shown": ""}),
        ):
            assert answer.headers["Location"] == f"/quotes/{quote_id}"
    assert row_counts(books) == before
