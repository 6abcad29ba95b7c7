"""A credit note on paper: it names the invoice that it corrects, and why (I2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from io import BytesIO

import pytest
from pypdf import PdfReader

from portal.config import LOCALES
from portal.documents.credit_note_words import correction_words, reason_words, settlement_words
from portal.documents.invoice_pdf import render_invoice
from portal.languages import language
from tests.unit.documents.test_invoice_pdf import INVOICE

NOTE = replace(
    INVOICE,
    number="KAN-CN-2026-00003",
    kind="credit_note",
    status="credit_note",
    paid_minor=0,
    paid_on=None,
    paid_with=None,
    order_number=None,
    corrects_number=INVOICE.number,
    corrects_on=INVOICE.issued_on,
    reason="renewal_changed",
    issued_on=date(2026, 11, 12),
)


def text_of(pdf: bytes) -> str:
    pages = PdfReader(BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize("locale", LOCALES)
def test_I2_it_names_the_invoice_that_it_corrects(locale: str) -> None:
    words, note = language(locale), replace(NOTE, locale=locale)
    text = text_of(render_invoice(note))
    for part in (
        note.number, INVOICE.number, words.day(date(2026, 10, 30)), words.day(date(2026, 11, 12)),
        correction_words(note, words), reason_words(note.reason, words),
        settlement_words(note, words), words.gettext("Credit note"),
    ):  # fmt: skip
        assert " ".join(part.replace("\xa0", " ").split()) in text.replace("\xa0", " ")


def test_M6_what_was_paid_is_owed() -> None:
    words = language("en")
    assert settlement_words(NOTE, words) == ("€95.74 less is to be paid on invoice KAN-2026-00412.")
    assert settlement_words(replace(NOTE, to_balance_minor=5_000), words) == (
        "€45.74 less is to be paid on invoice KAN-2026-00412. "
        "€50.00 is on your account balance: your next invoice uses it."
    )
    back = replace(NOTE, to_method_minor=9_574)
    assert settlement_words(back, words) == (
        "€95.74 goes back to the payment method it came from. You need do nothing."
    )
    assert settlement_words(replace(back, refund_arrived=True), words) == (
        "€95.74 was given back to the payment method it came from."
    )


def test_a_reason_of_a_persons_own_stands_as_it_is() -> None:
    words = language("en")
    assert reason_words("Agreed with Ms Roussel.", words) == "Agreed with Ms Roussel."
    assert reason_words("renewal_ends", words).startswith("The subscription ends before")
