"""A whole purchase in each of the five languages: pages, payment, worker, mail, invoice.

A customer admin adds three seats without JavaScript, pays by card, and finds the receipt in the
mailbox with the invoice attached, in the account's language.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.formats import format_money
from portal.jobs.worker import run_due
from portal.mail.mailbox import DemoMailbox
from portal.models import DemoMail, Entitlement, Invoice, OutboxMessage
from portal.parts import Parts
from tests.support.buying import (
    ATELIER,
    LOTTE,
    WebPurchase,
    account_named,
    charges,
    outcome_of,
    plan_item,
)
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree

LANGUAGES = ["en", "nl", "fr", "it", "de"]
SUMS = [Money(minor, "EUR") for minor in (7912, 1662, 9574)]


@pytest.fixture
def mailbox(app: Flask, parts: Parts) -> Iterator[Parts]:
    """The parts with the demo's mailbox: what is sent stands in the database."""
    with_mailbox = replace(parts, mail=DemoMailbox("portal@kanto.example"))
    app.extensions["portal"] = with_mailbox
    yield with_mailbox
    app.extensions["portal"] = parts


def plain(text: str) -> str:
    """With ordinary spaces: PDF and mail wrap at others."""
    return " ".join(text.replace("\xa0", " ").replace("\u202f", " ").split())


def lang_of(buyer: WebPurchase) -> str | None:
    (html,) = [e for e in buyer.page.root.iter() if str(e.tag).endswith("}html")]
    return html.get("lang")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_three_seats_from_the_licences_page_to_the_receipt(
    app: Flask, client: PortalClient, books: Session, mailbox: Parts, locale: str
) -> None:
    net, tax, gross = (plain(format_money(amount, locale)) for amount in SUMS)
    with app.app_context(), transaction() as session:
        account = account_named(session, ATELIER)
        account.locale = locale
        account.invoice_recipients = ["copy@atelier-noordzee.example"]

    # The person buys, in the language they chose.
    buyer = WebPurchase(client, LOTTE, locale)
    assert lang_of(buyer) == locale
    buyer.save_cart(3)
    for amount in (net, tax, gross):
        assert amount in buyer.text
    buyer.complete_payment()
    (button,) = [b for b in buyer.page.all("button", class_="main") if gross in buyer.page.text(b)]
    assert button.get("type") == "submit"  # it says the amount
    buyer.place()
    assert lang_of(buyer) == locale
    assert gross in buyer.text
    assert outcome_of(books, buyer.order_id).order == "done"
    assert [c.data["amount_minor"] for c in charges(books)] == [9574]

    # The worker sends the receipt, once, to everybody who gets invoices.
    with app.app_context():
        for _ in range(2):
            run_due(mailbox, clock.now())
    sent = books.scalars(select(DemoMail).order_by(DemoMail.id)).all()
    mails = [mail for mail in sent if mail.attachments]
    # The admin contact is told as well, in the own language (Q5). Other customers have mail of
    # their own: a trial of the demo is about to end.
    own = [mail for mail in sent if mail.recipient.endswith("@atelier-noordzee.example")]
    assert [mail.recipient for mail in own if not mail.attachments] == [
        "lotte.verbeke@atelier-noordzee.example"
    ]
    assert [mail.recipient for mail in mails] == [
        "boekhouding@atelier-noordzee.example", "copy@atelier-noordzee.example",
    ]  # fmt: skip
    waiting = select(OutboxMessage).where(OutboxMessage.status != "delivered")
    assert books.scalars(waiting).all() == []
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == buyer.order_id)).one()
    for mail in mails:
        assert mail.locale == locale
        assert invoice.number in plain(mail.text_body) or invoice.number in mail.subject
        assert gross in plain(mail.text_body)
        (attachment,) = mail.attachments
        assert attachment["media_type"] == "application/pdf"
        attached = b64decode(attachment["content"])
        assert invoice.number in attachment["filename"]

        # What is attached is what the invoices page gives, and it says the same amounts.
        text = plain("".join(page.extract_text() for page in PdfReader(BytesIO(attached)).pages))
        for amount in (net, tax, gross, invoice.number):
            assert amount.replace(" ", "") in text.replace(" ", "")
    client.get("/invoices")
    assert f"/invoices/{invoice.number}.pdf" in buyer.page.links()
    assert gross in buyer.text
    downloaded = client.browser.get(f"/invoices/{invoice.number}.pdf")
    assert downloaded.mimetype == "application/pdf"
    assert downloaded.data == attached
    client.get("/activity")
    assert gross in buyer.text

    # The licences are there, and the product knows.
    client.get("/licences")
    assert "15" in buyer.text
    item = plan_item(books, ATELIER)
    assert item.quantity == 15
    grants = books.scalars(
        select(Entitlement.grants).where(Entitlement.subscription_id == item.subscription_id)
    ).one()
    assert [x["seats"] for x in grants["items"] if x["plan"]] == [15]
    with app.app_context():
        the_books_agree(mailbox)


def test_the_pages_differ_from_language_to_language(client: PortalClient) -> None:
    texts = set()
    for locale in LANGUAGES:
        buyer = WebPurchase(client, LOTTE, locale)
        buyer.open_form()
        texts.add(buyer.page.text(buyer.page.all("form", id="seats")[0]))
    assert len(texts) == len(LANGUAGES)
