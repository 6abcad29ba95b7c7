"""Credit notes on screen: in the list, as a page, as PDF, in the year's archive (I2)."""

from __future__ import annotations

import csv
import io
from zipfile import ZipFile

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.models import CreditNote
from portal.parts import Parts
from tests.support.buying import CAMILLE, JONAS, KATRIN, LOTTE, LUMIERE, speak
from tests.support.client import PortalClient
from tests.support.crediting import an_invoice, credited

NOTE = "KAN-CN-2026-00001"
PAGE = f"/invoices/credit-notes/{NOTE}"


@pytest.fixture
def note(app: Flask, parts: Parts, books: Session, client: PortalClient) -> CreditNote:
    """Of an invoice that was paid; Lotte looks at it."""
    with app.app_context():
        note_id = credited(parts, amounts={1: 10_000})
    client.sign_in(LOTTE)
    return books.get_one(CreditNote, note_id)


def text_of(client: PortalClient, path: str) -> str:
    client.get(path)
    assert client.page is not None
    return client.page.text()


def test_I2_it_stands_among_the_invoices_below_zero(client: PortalClient, note: CreditNote) -> None:
    for path in ("/invoices", "/invoices?year=2026"):
        text = text_of(client, path)
        assert client.page is not None
        assert PAGE in client.page.links()
        assert f"{PAGE}.pdf" in client.page.links()
        assert f"{NOTE}" in text
        assert "−€121.00" in text
    assert NOTE not in text_of(client, "/invoices?year=2025")


def test_I2_its_page_says_what_it_corrects_and_where_the_money_is(
    client: PortalClient, books: Session, note: CreditNote
) -> None:
    invoice = an_invoice(books)
    text = text_of(client, PAGE)
    for words in (
        f"Credit note {NOTE}", f"This credit note corrects invoice {invoice.number} of",
        "€121.00 goes back to the payment method it came from.", "€100.00", "VAT 21% on €100.00",
        "The renewal was changed: a new invoice takes the place of that one.",
    ):  # fmt: skip
        assert words in text
    assert NOTE in text_of(client, f"/invoices/{invoice.number}")  # and back


def test_I2_an_open_invoice_says_what_is_left(
    app: Flask, parts: Parts, client: PortalClient, books: Session
) -> None:
    with app.app_context():
        credited(parts, LUMIERE, paid=0, amounts={1: 10_000})
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    invoice = an_invoice(books, LUMIERE)
    left = (invoice.gross_minor - invoice.credited_minor) / 100
    assert f"Please transfer €{left:,.2f} by" in text_of(client, f"/invoices/{invoice.number}")
    assert f"less is to be paid on invoice {invoice.number}" in text_of(client, PAGE)


def test_I2_its_pdf_is_one(client: PortalClient, note: CreditNote) -> None:
    answer = client.browser.get(f"{PAGE}.pdf")
    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF")
    assert f"{NOTE}.pdf" in answer.headers["Content-Disposition"]


def test_I2_the_years_archive_has_it(client: PortalClient, note: CreditNote) -> None:
    archive = ZipFile(io.BytesIO(client.browser.get("/invoices/year/2026.zip").data))
    assert f"{NOTE}.pdf" in archive.namelist()
    rows = list(csv.reader(io.StringIO(archive.read("index.csv").decode("utf-8-sig"))))
    [row] = [row for row in rows if row[0] == NOTE]
    assert row[8:11] == ["-100.00", "-21.00", "-121.00"]


def test_another_customers_credit_note_is_not_found(client: PortalClient, note: CreditNote) -> None:
    client.sign_in(KATRIN)
    for path in (PAGE, f"{PAGE}.pdf"):
        client.get(path, status=404)
    client.sign_in(JONAS)
    client.get(PAGE, status=403)
