"""The billing details on the page: the VAT before it is saved, and what is saved (I4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.jobs.renewals import run_renewals
from portal.models import Account, Invoice, Job, Member, Person
from portal.parts import Parts
from portal.services.vat_checking import CHECK_JOB
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    BRIGHTWATER,
    CAMILLE,
    KATRIN,
    LOTTE,
    MUELLER,
    account_named,
    row_counts,
    speak,
)
from tests.support.client import PortalClient
from tests.support.html import check_page

URL = "/billing/details"
HTMX = {"HX-Request": "true"}


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def opened(client: PortalClient, email: str = KATRIN, locale: str = "en") -> dict[str, Any]:
    """The form as a browser would send it."""
    speak(client, email, locale)
    client.sign_in(email)
    client.get(URL)
    return fields(client)


def fields(client: PortalClient) -> dict[str, Any]:
    assert client.page is not None
    return client.page.fields("details")


def _in_two_accounts(app: Flask) -> int:
    """Katrin is an admin of another company, too; its id."""
    with app.app_context(), transaction() as session:
        person = session.scalars(select(Person).where(Person.email == KATRIN)).one()
        other = account_named(session, BRIGHTWATER)
        session.add(Member(account_id=other.id, person_id=person.id, role="admin", status="active",
                           added_at=NOW))  # fmt: skip
        return other.id


def _enter(client: PortalClient, account_id: int) -> None:
    client.get("/languages")
    client.post(f"/accounts/{account_id}")


def test_what_was_typed_for_one_company_is_never_offered_for_another(
    app: Flask, client: PortalClient
) -> None:
    other = _in_two_accounts(app)
    speak(client, KATRIN, "en")
    client.sign_in(KATRIN, MUELLER)
    client.get(URL)
    stale = fields(client) | {"company_name": "Müller NEU", "csrf_token": client.csrf_token()}
    _enter(client, other)
    here = {"Origin": "http://localhost", "Referer": f"http://localhost{URL}"}
    client.post(URL, stale, 403, headers=here)
    client.get(URL)
    assert fields(client)["company_name"].startswith("Brightwater")
    client.post("/languages/nl?next=/billing/details", stale, 403, headers=here)
    client.get(URL)
    assert fields(client)["company_name"].startswith("Brightwater")


def test_what_was_typed_before_signing_in_again_is_kept_for_the_same_company(
    app: Flask, client: PortalClient
) -> None:
    other = _in_two_accounts(app)
    speak(client, KATRIN, "en")
    client.sign_in(KATRIN, MUELLER)
    client.get(URL)
    stale = fields(client) | {"company_name": "Müller NEU", "csrf_token": client.csrf_token()}
    with app.app_context(), transaction() as session:
        mueller = account_named(session, MUELLER).id
    _enter(client, other)
    _enter(client, mueller)
    here = {"Origin": "http://localhost", "Referer": f"http://localhost{URL}"}
    client.post(URL, stale, 403, headers=here)
    client.get(URL)
    assert fields(client)["company_name"] == "Müller NEU"


def test_the_language_switch_keeps_what_was_typed_in_this_account(
    app: Flask, client: PortalClient
) -> None:
    other = _in_two_accounts(app)
    speak(client, KATRIN, "en")
    client.sign_in(KATRIN, MUELLER)
    _enter(client, other)
    client.get(URL)
    typed = fields(client) | {"company_name": "Brightwater NEW"}
    client.follow(client.post("/languages/nl?next=/billing/details", typed))
    assert fields(client)["company_name"] == "Brightwater NEW"
    client.get(URL)
    assert fields(client)["company_name"].startswith("Brightwater Studio"), "it is shown once"


def test_what_is_typed_is_saved_and_said_on_the_overview(
    client: PortalClient, books: Session
) -> None:
    typed = opened(client, LOTTE)
    typed |= {
        "company_name": "  Atelier Noordzee NV ", "billing_contact": "An Declercq",
        "purchase_order": "PO-77", "action": "save",
        "invoice_recipients": "a@x.example\nB@x.example, a@x.example;c@x.example\n\n",
    }  # fmt: skip
    answer = client.post(URL, typed)
    assert answer.headers["Location"] == "/billing"
    client.follow(answer)
    for words in ("Your billing details are saved", "Atelier Noordzee NV", "An Declercq", "PO-77",
                  "Invoices also go to a@x.example, b@x.example, c@x.example."):  # fmt: skip
        assert words in text(client)
    account = account_named(books, ATELIER)
    assert account.company_name == "Atelier Noordzee NV"
    assert account.vat_status == "valid"
    client.get("/activity")
    assert "Lotte Verbeke changed the billing details." in text(client)


def test_a_mistake_keeps_what_was_typed_and_links_to_its_field(
    client: PortalClient, books: Session
) -> None:
    typed = opened(client)
    before = row_counts(books)
    wrong = {
        **typed, "company_name": " ", "billing_email": "x", "country": "DE", "vat_number": "DE12",
        "invoice_recipients": "nobody\nsome@x.example", "action": "save",
    }  # fmt: skip
    client.post(URL, wrong, status=422)
    for words in ("Enter the company's name.", "Enter an e-mail address like",
                  "This is not a VAT number.", "nobody is not an e-mail address."):  # fmt: skip
        assert words in text(client)
    assert fields(client)["invoice_recipients"] == "nobody\nsome@x.example"
    client.post(URL, {**typed, "invoice_recipients": "nobody\nsome@x.example"}, status=422)
    assert "nobody is not an e-mail address." in text(client)
    client.post(URL, {**typed, "country": "XX"}, status=422)
    assert row_counts(books) == before


def test_I4_another_country_says_its_vat_before_it_is_saved(
    client: PortalClient, books: Session
) -> None:
    typed = opened(client)
    assert "No VAT is added: you account for it in your own country" in text(client)
    changed = {**typed, "country": "BE", "vat_number": "BE0123456749", "action": "save"}
    before = row_counts(books)
    client.post(URL, changed, status=422)
    assert "another VAT applies from the next invoice on" in text(client)
    assert "VAT of 21% is added (Belgium)." in text(client)
    assert row_counts(books) == before
    client.post(URL, {**fields(client), "action": "save"})
    account = account_named(books, MUELLER)
    assert (account.country, account.vat_number, account.vat_status) == (
        "BE", "BE0123456749", "unchecked",
    )  # fmt: skip


def test_I4_the_button_shows_the_vat_without_javascript_and_writes_nothing(
    client: PortalClient, books: Session
) -> None:
    typed = opened(client)
    before = row_counts(books)
    client.post(URL, {**typed, "vat_number": "DE136695976", "company_name": "",
                      "action": "preview"}, status=200)  # fmt: skip
    for words in ("VAT of 19% is added (Germany).", "Until now: No VAT is added",
                  "Its form is right.", "Once VIES has confirmed the number"):  # fmt: skip
        assert words in text(client)
    assert fields(client)["vat_number"] == "DE136695976"
    assert row_counts(books) == before


def test_htmx_gets_the_vat_alone(client: PortalClient) -> None:
    typed = opened(client)
    answer = client.post(URL, {**typed, "country": "CH", "vat_number": "CHE-1",
                               "action": "preview"}, status=200, headers=HTMX)  # fmt: skip
    source = answer.get_data(as_text=True)
    assert "<html" not in source
    assert "<form" not in source
    assert "your company is outside the EU" in check_page(source, whole=False).text()
    answer = client.post(URL, {**typed, "vat_number": "BE0123456749", "action": "preview"},
                         status=422, headers=HTMX)  # fmt: skip
    assert "begins with BE" in answer.get_data(as_text=True)


def test_I4_saving_a_number_asks_vies_in_the_background(
    client: PortalClient, books: Session
) -> None:
    typed = {**opened(client), "vat_number": "DE 136 695 976"}
    client.post(URL, {**typed, "action": "preview"}, status=200)
    client.follow(client.post(URL, {**fields(client), "action": "save"}))
    assert "DE136695976 Not checked yet" in text(client)
    assert "Until it confirms the number, VAT of 19% is charged." in text(client)
    [job] = books.scalars(select(Job).where(Job.kind == CHECK_JOB))
    assert job.payload["number"] == "DE136695976"


@pytest.mark.parametrize("status", ["invalid", "unchecked"])
def test_the_number_is_asked_about_again_on_demand(
    client: PortalClient, books: Session, app_context: None, status: str
) -> None:
    with transaction() as session:
        session.execute(update(Account).where(Account.name == MUELLER).values(vat_status=status))
    opened(client)
    assert "Ask VIES again" in text(client)
    answer = client.post(f"{URL}/vat-check", {})
    assert answer.headers["Location"] == URL
    client.follow(answer)
    assert "We ask VIES about your VAT number." in text(client)
    assert len(books.scalars(select(Job).where(Job.kind == CHECK_JOB)).all()) == 1
    assert account_named(books, MUELLER).vat_status == "unchecked"


def test_a_confirmed_number_is_not_asked_about_again(client: PortalClient, books: Session) -> None:
    opened(client)
    assert "Ask VIES again" not in text(client)
    client.follow(client.post(f"{URL}/vat-check", {}))
    assert "Your VAT number is confirmed already." in text(client)
    assert books.scalars(select(Job).where(Job.kind == CHECK_JOB)).all() == []


def test_outside_the_eu_the_number_stays_as_it_is(client: PortalClient, books: Session) -> None:
    typed = opened(client, "amelia.hart@brightwater.example")
    assert "does not know numbers of your country" in text(client)
    client.post(URL, {**typed, "city": "Bath", "action": "save"})
    account = account_named(books, BRIGHTWATER)
    assert (account.city, account.vat_number, account.vat_status) == (
        "Bath", "GB987400004", "unchecked",
    )  # fmt: skip


def test_countries_are_named_in_the_readers_language(client: PortalClient) -> None:
    opened(client, KATRIN, "de")
    assert client.page is not None
    options = [client.page.text(option) for option in client.page.all("option")]
    assert {"Belgien", "Österreich", "Vereinigtes Königreich"} <= set(options)
    assert options.index("Österreich") < options.index("Schweden")


def test_I2_issued_invoices_keep_the_details_they_were_issued_with(
    client: PortalClient, books: Session
) -> None:
    typed = opened(client, CAMILLE)
    number = books.scalars(
        select(Invoice.number)
        .where(Invoice.account_id == account_named(books, "Lumière Conseil SAS").id)
        .order_by(Invoice.id.desc())
    ).first()
    client.get(f"/invoices/{number}")
    before = text(client)
    client.follow(
        client.post(URL, {**typed, "company_name": "Lumière Conseil SARL", "purchase_order": "BC-9",
                          "billing_contact": "Antoine", "action": "save"})
    )  # fmt: skip
    client.get(f"/invoices/{number}")
    assert text(client) == before


def test_the_next_invoice_carries_contact_and_purchase_order(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    typed = opened(client, LOTTE)
    client.post(URL, {**typed, "billing_contact": "An Declercq", "purchase_order": "PO-77",
                      "action": "save"})  # fmt: skip
    now = NOW + timedelta(days=32)
    with app.app_context():
        run_renewals(parts, {}, now)
    account_id = account_named(books, ATELIER).id
    new, old = books.scalars(
        select(Invoice.number).where(Invoice.account_id == account_id)
        .order_by(Invoice.id.desc()).limit(2)
    )  # fmt: skip
    client.get(f"/invoices/{new}")
    for words in ("For the attention of An Declercq", "PO-77"):
        assert words in text(client)
    client.get(f"/invoices/{old}")
    for words in ("For the attention of", "PO-77"):
        assert words not in text(client)
