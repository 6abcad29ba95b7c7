"""The quote as PDF, laid out like the invoice: as of the day on which it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from portal.documents.invoice_document import InvoiceDocumentLine, TaxRow
from portal.documents.invoice_pdf import footer, party, typeset
from portal.documents.invoice_words import formula, treatment_note
from portal.domain.money import Money
from portal.domain.tax import Totals
from portal.languages import Language, language

__all__ = ["QuoteDocument", "render_quote"]


@dataclass(frozen=True, slots=True)
class QuoteDocument:
    """A quote as it is shown on `priced_on`; seller, buyer and lines as on an invoice."""

    number: str
    created_on: date
    created_by: str
    valid_until: date
    priced_on: date
    is_open: bool
    is_ordered: bool
    message: str
    locale: str
    seller: Mapping[str, str]
    buyer: Mapping[str, str]
    lines: tuple[InvoiceDocumentLine, ...]
    totals: Totals
    treatment: str
    tax_rows: tuple[TaxRow, ...]


def render_quote(document: QuoteDocument, accent: str) -> bytes:
    """The PDF of a quote in its account's language; `accent` is the vendor's #rrggbb."""
    return typeset(_data(document, language(document.locale), accent), document.priced_on)


def _data(document: QuoteDocument, words: Language, accent: str) -> dict[str, Any]:
    """Every string of the PDF, formatted and in order."""
    _ = words.gettext
    seller, buyer, totals = document.seller, document.buyer, document.totals

    def money(minor: int) -> str:
        return words.money(Money(minor, currency))

    currency = totals.gross.currency
    facts = [
        [_("Quote number"), document.number],
        [_("Quote date"), words.day(document.created_on)],
        [_("Valid until"), words.day(document.valid_until)],
        [_("Prepared by"), document.created_by],
    ]
    if buyer.get("purchase_order"):
        facts.append([_("Your purchase order"), buyer["purchase_order"]])
    return {
        "lang": words.locale,
        "accent": accent,
        "title": _("Quote %(number)s", number=document.number),
        "heading": _("Quote"),
        "brand": seller.get("brand") or "",
        "seller_label": _("From"),
        "seller": party(seller.get("legal_name"), seller, seller.get("vat_number"), words),
        "buyer_label": _("To"),
        "buyer": party(buyer.get("company_name"), buyer, buyer.get("vat_number"), words,
                       contact=buyer.get("billing_contact")),
        "facts": facts,
        "columns": [_("Description"), _("Quantity"), _("Unit price"), _("VAT"), _("Amount")],
        "lines": [
            {
                "description": line.description,
                "formula": formula(line, currency, words),
                "days": words.days(*line.supplied) if line.supplied else "",
                "quantity": words.integer(line.quantity),
                "unit": money(line.unit_minor),
                "rate": words.percent(Decimal(line.tax_rate)),
                "net": money(line.net_minor),
            }
            for line in document.lines
        ],
        "net": [_("Total without VAT"), words.money(totals.net)],
        "taxes": [
            [
                _("VAT %(rate)s on %(net)s", rate=words.percent(row.rate),
                  net=money(row.net_minor)),
                money(row.tax_minor),
            ]
            for row in document.tax_rows
        ],
        "gross": [_("Total (%(currency)s)", currency=currency), words.money(totals.gross)],
        "notes": [
            note
            for note in (
                treatment_note(document.treatment, buyer.get("country") or "", words),
                document.message,
            )
            if note
        ],
        "payment": _validity(document, words),
        "is_settled": False,
        "bank": (),
        "qr": "",
        "qr_words": "",
        "footer": footer(seller, words),
        "page": _("Page %(page)s of %(pages)s", page="{page}", pages="{pages}"),
    }  # fmt: skip


def _validity(document: QuoteDocument, words: Language) -> str:
    _ = words.gettext
    if document.is_ordered:
        return _("This quote was accepted on %(day)s.", day=words.day(document.priced_on))
    if not document.is_open:
        return _("This quote can no longer be accepted.")
    if any(line.days is not None for line in document.lines):
        return _(
            "Prices stay as they are until %(until)s. The amount is that of an order on %(day)s; "
            "later, fewer days are left to pay for.",
            until=words.day(document.valid_until),
            day=words.day(document.priced_on),
        )
    return _("Prices stay as they are until %(until)s.", until=words.day(document.valid_until))
