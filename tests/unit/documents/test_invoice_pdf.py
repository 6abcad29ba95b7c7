"""The invoice as PDF: what a VAT invoice needs, in five languages, the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from portal.config import LOCALES
from portal.documents.invoice_document import (
    InvoiceDocument,
    InvoiceDocumentLine,
    PaidWith,
    TaxRow,
)
from portal.documents.invoice_pdf import invoice_filename, render_invoice
from portal.documents.invoice_words import payment_words, tax_note
from portal.languages import language

LINE = InvoiceDocumentLine(
    1, "seats", "Kanto CRM Pro", 3, 7500, 0, 32, 91, date(2026, 9, 1), date(2026, 12, 1), 7912, "21"
)
INVOICE = InvoiceDocument(
    id=1,
    number="KAN-2026-00412",
    kind="order",
    issued_on=date(2026, 10, 30),
    due_on=date(2026, 11, 29),
    currency="EUR",
    net_minor=7912,
    tax_minor=1662,
    gross_minor=9574,
    treatment="domestic",
    tax_rows=(TaxRow(Decimal("21"), 7912, 1662),),
    locale="en",
    seller={
        "brand": "Kanto", "legal_name": "Kanto Software NV", "street": "Havenlaan 12",
        "postcode": "8400", "city": "Oostende", "country": "BE", "vat_number": "BE0950143209",
        "company_register": "RPR Gent 0950.143.209", "iban": "BE68539007547034",
        "bic": "NOBKBEBB", "bank_name": "Noorderbank", "email": "support@kanto.example",
        "phone": "+32 59 00 01 40",
    },
    buyer={
        "company_name": "Atelier Noordzee BV", "address_line1": "Kaai 1", "address_line2": "",
        "postal_code": "8400", "city": "Oostende", "country": "BE", "vat_number": "BE0123456749",
        "vat_status": "valid", "billing_email": "x@y.example", "purchase_order": "PO-2026-77",
    },
    payment_terms="automatic",
    payment_reference="",
    status="paid",
    paid_minor=9574,
    credited_minor=0,
    paid_on=date(2026, 10, 30),
    paid_with=PaidWith("card", "visa", "4242"),
    order_number="O-2026-00007",
    lines=(LINE,),
)  # fmt: skip


def text_of(pdf: bytes) -> str:
    pages = (page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return plain(" ".join(pages))


def plain(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").replace("\u202f", " ").split())


@pytest.mark.parametrize("locale", LOCALES)
def test_a_VAT_invoice_is_complete_in_every_language(locale: str) -> None:
    invoice = replace(INVOICE, locale=locale)
    words = language(locale)
    text = text_of(render_invoice(invoice))
    for expected in (
        "KAN-2026-00412", "Kanto Software NV", "Havenlaan 12", "8400 Oostende", "BE0950143209",
        "RPR Gent 0950.143.209", "BE68 5390 0754 7034", "NOBKBEBB", "Atelier Noordzee BV",
        "Kaai 1", "BE0123456749", "PO-2026-77", "O-2026-00007", "Kanto CRM Pro", "32/91",
        words.country("BE"), words.day(date(2026, 10, 30)),
        words.days(date(2026, 10, 30), date(2026, 11, 30)),
        words.money(invoice.money(7500)), words.money(invoice.money(7912)),
        words.money(invoice.money(1662)), words.money(invoice.money(9574)),
        words.percent(Decimal("21")), "EUR", payment_words(invoice, words), "4242",
    ):  # fmt: skip
        assert plain(expected) in text, expected


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("treatment", ["reverse_charge", "outside_eu", "oss"])
def test_I4_the_words_of_the_law_stand_on_the_invoice(treatment: str, locale: str) -> None:
    invoice = replace(INVOICE, locale=locale, treatment=treatment)
    note = tax_note(invoice, language(locale))
    assert note
    assert plain(note) in text_of(render_invoice(invoice))
    if treatment == "reverse_charge":
        assert "196" in note
        assert "2006/112" in note


@pytest.mark.parametrize(
    ("country", "locale", "words"),
    [
        ("IT", "de", "Inversione contabile."),
        ("IT", "en", "Inversione contabile."),
        ("DE", "it", "Steuerschuldnerschaft des Leistungsempfängers."),
        ("BE", "it", "Btw verlegd / Autoliquidation / Steuerschuldnerschaft"),
        ("GR", "en", "Αντίστροφη επιβάρυνση."),
        ("BG", "fr", "Обратно начисляване."),
    ],
)
def test_I4_a_reverse_charge_also_has_the_words_of_the_buyers_country(
    country: str, locale: str, words: str
) -> None:
    invoice = replace(INVOICE, locale=locale, treatment="reverse_charge",
                      buyer={**INVOICE.buyer, "country": country})  # fmt: skip
    note = tax_note(invoice, language(locale))
    own = tax_note(replace(invoice, buyer={}), language(locale))
    assert note.startswith(f"{own} {words}")
    assert plain(note) in text_of(render_invoice(invoice))


@pytest.mark.parametrize(("country", "locale"), [("IT", "it"), ("BE", "fr"), ("IE", "en"),
                                                 ("AT", "de"), ("LU", "fr")])  # fmt: skip
def test_I4_words_that_stand_there_already_are_not_said_twice(country: str, locale: str) -> None:
    invoice = replace(INVOICE, locale=locale, treatment="reverse_charge")
    abroad = replace(invoice, buyer={**INVOICE.buyer, "country": country})
    assert tax_note(abroad, language(locale)) == tax_note(
        replace(invoice, buyer={}), language(locale)
    )


def test_I4_at_home_there_are_no_such_words() -> None:
    assert tax_note(INVOICE, language("en")) == ""
    assert "2006/112" not in text_of(render_invoice(INVOICE))


def test_an_open_transfer_shows_where_to_pay() -> None:
    invoice = replace(
        INVOICE, status="open", payment_terms="bank_transfer", paid_minor=0, paid_on=None,
        paid_with=None, payment_reference="RF18 5390 0754 7034",
    )  # fmt: skip
    text = text_of(render_invoice(invoice))
    assert "Please transfer €95.74 by 29 November 2026." in text
    for expected in ("Noorderbank", "BE68 5390 0754 7034", "RF18 5390 0754 7034", "Due date"):
        assert expected in text


def test_the_amount_to_transfer_is_what_is_left() -> None:
    invoice = replace(INVOICE, status="open", payment_terms="bank_transfer", paid_minor=5000,
                      credited_minor=1000, paid_on=None, paid_with=None)  # fmt: skip
    assert "Please transfer €35.74" in text_of(render_invoice(invoice))


def test_the_same_invoice_is_the_same_bytes() -> None:
    assert render_invoice(INVOICE) == render_invoice(INVOICE)


def test_it_is_tagged_archivable_and_has_a_language_and_title() -> None:
    reader = PdfReader(BytesIO(render_invoice(replace(INVOICE, locale="de"))))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert str(root["/Lang"]).startswith("de")
    assert reader.metadata is not None
    assert "KAN-2026-00412" in str(reader.metadata.title)
    metadata = root["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in metadata


def test_many_lines_make_numbered_pages() -> None:
    lines = tuple(replace(LINE, position=place) for place in range(1, 61))
    pdf = render_invoice(replace(INVOICE, lines=lines))
    pages = PdfReader(BytesIO(pdf)).pages
    assert len(pages) > 1
    assert f"Page {len(pages)} of {len(pages)}" in plain(pages[-1].extract_text())


def test_signs_of_the_typesetter_in_a_name_are_only_signs() -> None:
    name = '#panic("x") *a* _b_ $c$ <d> @e \\ "f" {page}'
    text = text_of(render_invoice(replace(INVOICE, buyer={**INVOICE.buyer, "company_name": name})))
    assert '#panic("x")' in text
    assert "$c$" in text


def test_a_file_name_has_no_path() -> None:
    assert invoice_filename("../KAN 2026/1") == "---KAN-2026-1.pdf"


def test_the_billing_contact_is_named_and_an_old_invoice_has_none() -> None:
    named = replace(INVOICE, buyer={**INVOICE.buyer, "billing_contact": "An Declercq"})
    assert "For the attention of An Declercq" in text_of(render_invoice(named))
    assert "For the attention of" not in text_of(render_invoice(INVOICE))
    nobody = replace(INVOICE, buyer={**INVOICE.buyer, "billing_contact": ""})
    assert "For the attention of" not in text_of(render_invoice(nobody))
