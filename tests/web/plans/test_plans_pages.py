"""Comparing plans, upgrading now, changing at the renewal: the pages (C1, S4)."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.wishes import Switch
from portal.models import Order, Plan, Quote
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import (
    AMELIA,
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    GIULIA,
    JONAS,
    LOTTE,
    LUMIERE,
    OFFICINE,
    WebPurchase,
    plan_item,
    row_counts,
    speak,
)
from tests.support.changes import wait_for_fewer_seats, waiting
from tests.support.client import PortalClient
from tests.support.purchases import quoted_wishes

HTMX = {"HX-Request": "true"}


def plan_url(session: Session, account: str = ATELIER, product: str = "crm") -> str:
    return f"/licences/{plan_item(session, account, product).subscription_id}/plan"


@pytest.fixture
def buyer(client: PortalClient) -> WebPurchase:
    return WebPurchase(client, LOTTE)


# --- the comparison ----------------------------------------------------------------------------


def test_the_plans_stand_beside_each_other_in_the_accounts_currency_and_period(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.client.get(plan_url(books))
    for words in (
        "Plans of Kanto CRM", "€33.00 a quarter", "€75.00 a quarter", "€135.00 a quarter",
        "Pro (your plan)", "Workflow automation", "50,000", "20 GB", "Unlimited",
    ):  # fmt: skip
        assert words in buyer.text
    (table,) = buyer.page.all("table")
    assert len(buyer.page.all("th", scope="col")) == 3
    assert "Start: No" in buyer.page.text(table)  # yes and no are words
    links = [link for link in buyer.page.links() if "/plan/" in link]
    assert [link.rsplit("/", 1)[1] for link in links] == ["start", "enterprise"]


@pytest.mark.parametrize(
    ("email", "account", "product", "words"),
    [
        (CAMILLE, LUMIERE, "crm", "Your company pays by bank transfer"),
        (AMELIA, BRIGHTWATER, "crm", "This is a trial"),
        (GIULIA, OFFICINE, "insights", ""),
    ],
)
def test_where_help_is_needed_the_page_says_so_and_offers_no_choice(
    client: PortalClient, books: Session, email: str, account: str, product: str, words: str
) -> None:
    speak(client, email, "en")
    client.sign_in(email)
    url = plan_url(books, account, product)
    client.get(url)
    assert client.page is not None
    title = "Not in a trial" if email == AMELIA else "We do this together with you"
    assert title in client.page.text()
    assert words in client.page.text()
    assert not [link for link in client.page.links() if "/plan/" in link]
    key = "analyst" if product == "insights" else "start"
    other = {"insights": "analyst"}.get(product, key)
    present = books.get_one(Plan, plan_item(books, account, product).plan_id).key
    if other != present:
        client.get(f"{url}/{other}")
        assert title in client.page.text()
        before = row_counts(books)
        client.post(f"{url}/{other}", {"shown": "2026-11-30"}, status=422)
        assert row_counts(books) == before


def test_a_member_changes_no_plan(client: PortalClient, books: Session) -> None:
    client.sign_in(JONAS)
    client.get(plan_url(books), 403)


def test_another_accounts_plan_is_not_there(client: PortalClient, books: Session) -> None:
    client.sign_in(LOTTE)
    for path in ("", "/enterprise"):
        client.get(plan_url(books, OFFICINE) + path, 404)
    client.get(plan_url(books) + "/gone", 404)


# --- an upgrade --------------------------------------------------------------------------------


def test_C1_an_upgrade_shows_both_lines_vat_and_the_next_invoice(
    buyer: WebPurchase, books: Session
) -> None:
    before = row_counts(books)
    buyer.client.get(plan_url(books) + "/enterprise")
    for words in (
        "€306.36", "€253.19 plus €53.17 VAT", "Credit for the unused part of Kanto CRM Pro",
        "12 licences × −€75.00 × 32 of 91 days", "−€316.48", "€569.67",
        "12 licences × €135.00 × 32 of 91 days", "From 30 November 2026, each quarter",
        "€1,830.00", "instead of €1,110.00", "€2,214.30 with VAT",
        "Single sign-on",
    ):  # fmt: skip
        assert words in buyer.text
    assert row_counts(books) == before


def test_C1_an_upgrade_is_bought_without_javascript(buyer: WebPurchase, books: Session) -> None:
    url = plan_url(books) + "/enterprise"
    buyer.client.get(url)
    answer = buyer.client.post(url, {**buyer.page.fields("buy"), "action": "save"})
    buyer.quote_url = answer.headers["Location"]
    buyer.client.follow(answer)
    for words in ("Credit for the unused part of Kanto CRM Pro", "Kanto CRM Enterprise", "€306.36"):
        assert words in buyer.text
    buyer.client.get("/cart")
    assert "instead of Kanto CRM Pro" in buyer.text
    buyer.client.get("/quotes")
    assert "An upgrade" in buyer.text
    buyer.complete_payment()
    assert "Credit for the unused part of Kanto CRM Pro" in buyer.text
    buyer.place()
    assert "Credit for the unused part of Kanto CRM Pro" in buyer.text
    assert books.get_one(Order, buyer.order_id).status == "done"
    (invoice,) = {link for link in buyer.page.links() if link.startswith("/invoices/")}
    buyer.client.get(invoice)
    assert "−€316.48" in buyer.text
    assert buyer.client.get(f"{invoice}.pdf").get_data()[:4] == b"%PDF"
    buyer.client.get(plan_url(books))
    assert "Enterprise (your plan)" in buyer.text
    buyer.client.get("/activity")
    assert "upgraded to Kanto CRM Enterprise" in buyer.text


def test_Q1_an_open_quote_is_named_before_an_upgrade_replaces_it(
    buyer: WebPurchase, books: Session, parts: Parts
) -> None:
    buyer.save_cart(3)
    old = books.get_one(Quote, buyer.quote_id)
    url = plan_url(books) + "/enterprise"
    buyer.client.get(url)
    assert f"This replaces quote {old.number}" in buyer.text
    fields = {**buyer.page.fields("buy"), "action": "save"}
    del fields["replaces"]
    buyer.client.post(url, fields, status=422)
    assert "Another quote is open" in buyer.text
    buyer.client.post(url, {**buyer.page.fields("buy"), "action": "save"})


def test_C1_the_screen_says_which_waiting_change_an_upgrade_replaces(
    buyer: WebPurchase, books: Session
) -> None:
    url = plan_url(books)
    buyer.client.get(f"{url}/start")
    buyer.client.post(f"{url}/start", buyer.page.fields("ask"))
    buyer.client.get(f"{url}/enterprise")
    assert "This takes the place of a change that waits" in buyer.text
    assert "Kanto CRM Start instead of Kanto CRM Pro" in buyer.text


def test_a_quote_that_no_longer_fits_says_so_and_cannot_be_ordered(
    buyer: WebPurchase, outdated: int
) -> None:
    quote_id = outdated
    buyer.client.get(f"/quotes/{quote_id}")
    assert "This quote can no longer be ordered" in buyer.text
    answer = buyer.client.get(f"/checkout/{quote_id}/payment", 303)
    assert answer.headers["Location"] == f"/quotes/{quote_id}"


@pytest.fixture
def outdated(client: PortalClient, books: Session, parts: Parts) -> int:
    """A quote for an upgrade of a plan that has become another since; its id."""
    with client.app.app_context():
        quote_id = quoted_wishes(parts, Switch(plan_item(books, ATELIER).id, "enterprise"))
        with transaction() as own:
            item = plan_item(own, ATELIER)
            item.plan_id = own.query(Plan.id).filter_by(key="start").order_by(Plan.id).first()[0]
    return quote_id


# --- a downgrade -------------------------------------------------------------------------------


def test_S4_a_downgrade_says_when_what_is_lost_and_the_invoice_before_and_after(
    buyer: WebPurchase, books: Session
) -> None:
    buyer.client.get(plan_url(books) + "/start")
    for words in (
        "Takes effect on30 November 2026", "Can be asked until15 November 2026",
        "There is no credit note for the days left", "Workflow automation", "No longer included",
        "€733.26", "€606.00 plus €127.26 VAT", "instead of €1,110.00",
        "Change to Kanto CRM Start on 30 November 2026",
    ):  # fmt: skip
        assert words in buyer.text


def test_S5_a_downgrade_waits_and_is_undone(buyer: WebPurchase, books: Session) -> None:
    url = plan_url(books)
    buyer.client.get(f"{url}/start")
    buyer.client.follow(buyer.client.post(f"{url}/start", buyer.page.fields("ask")))
    assert "Your change takes effect on 30 November 2026" in buyer.text
    assert "Comes at a renewal" in buyer.text
    (change,) = waiting(books, ATELIER)
    fields = {"csrf_token": buyer.page.csrf_token, "next": url}
    buyer.client.follow(buyer.client.post(f"/changes/{change.id}/undo", fields))
    assert "Comes at a renewal" not in buyer.text
    books.rollback()
    assert waiting(books, ATELIER) == []


def test_S4_asked_too_late_both_dates_are_shown_and_another_date_is_shown_again(
    buyer: WebPurchase, books: Session
) -> None:
    url = plan_url(books) + "/start"
    buyer.client.get(url)
    fields = buyer.page.fields("ask")
    clock.fix(NOW.replace(month=11, day=16))  # the notice closed yesterday, the page stood open
    buyer.client.sign_in(LOTTE)
    buyer.client.get("/licences")
    fields["csrf_token"] = buyer.client.csrf_token()
    buyer.client.post(url, fields, status=422)
    assert "28 February 2027" in buyer.text
    assert "Nothing was changed" in buyer.text
    assert "It is too late for the renewal on 30 November 2026" in buyer.text
    assert waiting(books, ATELIER) == []
    buyer.client.post(url, buyer.page.fields("ask"))
    books.rollback()
    assert [str(change.effective_on) for change in waiting(books, ATELIER)] == ["2027-02-28"]


def test_C4_another_amount_in_the_meantime_is_shown_before_it_is_agreed_to(
    app: Flask, parts: Parts, buyer: WebPurchase, books: Session
) -> None:
    url = plan_url(books) + "/start"
    buyer.client.get(url)
    fields = buyer.page.fields("ask")
    with app.app_context():
        wait_for_fewer_seats(parts, ATELIER, remove=2)  # somebody else
    buyer.client.post(url, fields, status=422)
    assert "Something has changed since this page was shown" in buyer.text
    assert "instead of €960.00" in buyer.text
    books.rollback()
    assert [change.kind for change in waiting(books, ATELIER)] == ["seats"]
    again = buyer.page.fields("ask")
    for _click in (1, 2):
        buyer.client.post(url, again)
    books.rollback()
    assert sorted(change.kind for change in waiting(books, ATELIER)) == ["plan", "seats"]


def test_the_plan_one_has_leads_back_to_the_comparison(buyer: WebPurchase, books: Session) -> None:
    answer = buyer.client.get(plan_url(books) + "/pro", 303)
    assert answer.headers["Location"] == plan_url(books)


@pytest.mark.parametrize("locale", ["nl", "fr", "it", "de"])
def test_the_pages_speak_every_language(client: PortalClient, books: Session, locale: str) -> None:
    buyer = WebPurchase(client, LOTTE, locale)
    for path in ("", "/enterprise", "/start"):
        client.get(plan_url(books) + path)
        assert "Kanto CRM" in buyer.text
