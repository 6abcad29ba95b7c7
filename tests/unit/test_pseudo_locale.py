"""Mails and documents in the pseudo-locale: no word that did not go through the translation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from portal.documents import invoice_pdf, quote_pdf
from portal.documents.invoice_document import InvoiceDocument, TaxRow
from portal.documents.invoice_pdf import render_invoice, typeset
from portal.documents.quote_pdf import QuoteDocument, render_quote
from portal.domain.catalogue import LocalizedText
from portal.domain.money import Money
from portal.domain.tax import totals
from portal.languages import language
from portal.mail import rendering
from portal.mail.messages import TOPICS
from tests.support.pseudo import CLOSE, OPEN, install, outside, pseudo, unexplained
from tests.unit.documents.test_credit_note_pdf import NOTE
from tests.unit.documents.test_invoice_pdf import INVOICE
from tests.unit.mail.test_messages import PAYLOADS, VENDOR, rendered

_CODE = re.compile(r"[a-z_]+")
_MARKUP = re.compile(r"<style>.*?</style>|<!--.*?-->|<[^>]*>", re.DOTALL)
_READ_OUT = re.compile(r'\b(?:alt|title|aria-label)="([^"]*)"')


@pytest.fixture(autouse=True)
def pseudo_locale(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every language speaks it; what was said before is forgotten, before and after."""

    def forget() -> None:
        language.cache_clear()
        rendering._environment.cache_clear()

    install(monkeypatch)
    forget()
    yield
    forget()


def texts(value: object) -> Iterator[str]:
    """Every text in a value, but codes: whoever shows one of those has not translated it."""
    if isinstance(value, str):
        if not _CODE.fullmatch(value):
            yield from (line.strip() for line in value.splitlines() if line.strip())
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)
    elif is_dataclass(value) and not isinstance(value, (type, LocalizedText)):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


def variants(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The payload, and it with each yes as no."""
    yield {}
    for name, value in payload.items():
        if isinstance(value, bool):
            yield {name: not value}


def test_the_pseudo_locale_is_longer_and_keeps_placeholders() -> None:
    for text in ("Save", "VAT", "%(num)s licences cost <b>%(amount)s</b> a month", "why", "1 × 2"):
        made = pseudo(text)
        assert made.startswith(OPEN)
        assert made.endswith(CLOSE)
        assert re.findall(r"%\(\w+\)s|<[^>]*>", made) == re.findall(r"%\(\w+\)s|<[^>]*>", text)
        words = re.sub(r"%\(\w+\)s|<[^>]*>", "", text)
        assert len(made) - 2 - (len(text) - len(words)) >= 1.4 * len(words)


def test_words_outside_the_brackets_are_found() -> None:
    inside = f"{OPEN}a {OPEN}b{CLOSE} c{CLOSE}"
    assert unexplained(f"{inside} · 12 × €3.00, KAN-2026-00412, a@b.example, Jan", ["Jan"]) == []
    assert unexplained(f"{inside} Total {inside}") == ["Total"]
    assert unexplained("active") == ["active"]
    for broken in (f"a {CLOSE}", f"{OPEN} a"):
        with pytest.raises(ValueError, match="bracket"):
            outside(broken)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_no_word_of_a_mail_is_untranslated(topic: str) -> None:
    data = {*texts(VENDOR), *texts(PAYLOADS[topic])}
    for more in variants(PAYLOADS[topic]):
        mail = rendered(topic, "de", **more)
        assert unexplained(mail.subject, data) == []
        assert unexplained(mail.text, data) == []
        assert unexplained(unescape(_MARKUP.sub(" ", mail.html)), data) == []
        for read_out in _READ_OUT.findall(mail.html):
            assert unexplained(unescape(read_out), data) == []


TRANSFER = replace(
    INVOICE, status="open", paid_minor=0, paid_on=None, paid_with=None,
    payment_terms="bank_transfer", payment_reference="RF1812345",
)  # fmt: skip
QUOTE = QuoteDocument(
    number="Q-2026-0009", created_on=date(2026, 10, 30), created_by="Hugo Peeters",
    valid_until=date(2026, 11, 29), priced_on=date(2026, 10, 30), is_open=True, is_ordered=False,
    message="", locale="de", seller=INVOICE.seller, buyer=INVOICE.buyer, lines=INVOICE.lines,
    totals=totals([(Money(7912, "EUR"), Decimal(21))], "EUR"), treatment="domestic",
    tax_rows=(TaxRow(Decimal(21), 7912, 1662),),
)  # fmt: skip
DOCUMENTS = {
    "paid": INVOICE,
    "from_balance": replace(INVOICE, balance_used_minor=1000),
    "reverse_charge": replace(INVOICE, treatment="reverse_charge", locale="nl"),
    "outside_eu": replace(INVOICE, treatment="outside_eu"),
    "oss": replace(INVOICE, treatment="oss"),
    "pending": replace(INVOICE, status="pending"),
    "credited": replace(INVOICE, status="credited"),
    "written_off": replace(INVOICE, status="written_off"),
    "open": replace(TRANSFER, payment_terms="automatic"),
    "transfer": TRANSFER,
    "credit_note": NOTE,
    "quote": QUOTE,
    "quote_ordered": replace(QUOTE, is_open=False, is_ordered=True, treatment="oss"),
    "quote_over": replace(QUOTE, is_open=False),
}  # fmt: skip


def set_of(document: InvoiceDocument | QuoteDocument, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is given to be laid out."""
    given: dict[str, Any] = {}
    for module in (invoice_pdf, quote_pdf):
        patch.setattr(module, "typeset", lambda data, _on: given.update(data) or b"")
    if isinstance(document, QuoteDocument):
        render_quote(document, "#2855d9")
    else:
        render_invoice(document)
    return given


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_no_word_of_a_document_is_untranslated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = DOCUMENTS[name]
    given = set_of(document, monkeypatch)
    data = {*texts(document.seller), *texts(document.buyer), *(x.description for x in document.lines),
            "Hugo Peeters"}  # fmt: skip
    for key, value in given.items():
        if key in {"lang", "accent", "qr"}:
            continue
        for text in texts(value):
            assert unexplained(text, data) == [], key


def test_the_layout_of_documents_has_no_words_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(value: Any) -> Any:
        if isinstance(value, str):
            return "1" if value else ""
        if isinstance(value, (list, tuple)):
            return [numbers(each) for each in value]
        if isinstance(value, dict):
            return {key: numbers(each) for key, each in value.items()}
        return value

    given = set_of(TRANSFER, monkeypatch)
    laid = typeset(
        {**numbers(given), "lang": "de", "accent": "#2855d9", "qr": ""}, INVOICE.issued_on
    )
    shown = " ".join(page.extract_text() for page in PdfReader(BytesIO(laid)).pages)
    assert "1" in shown
    assert not re.search(r"[^\W\d_]", shown), shown
