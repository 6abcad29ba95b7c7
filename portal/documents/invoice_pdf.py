"""The invoice as PDF/A-3a (tagged), by typst: the same bytes for the same invoice.

Everything that is written on it is formatted here; invoice.typ only lays it out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from portal.documents.credit_note_words import correction_words, reason_words
from portal.documents.invoice_document import InvoiceDocument
from portal.documents.invoice_words import (
    address_lines,
    formula,
    payment_words,
    supply_words,
    tax_note,
)
from portal.documents.transfer_details import format_iban, transfer_details
from portal.domain.money import Money
from portal.languages import Language, language

__all__ = ["footer", "invoice_filename", "party", "render_invoice", "typeset"]

_TEMPLATE = Path(__file__).with_name("invoice.typ")
_DEFAULT_ACCENT = "#2855d9"
# A compiler keeps its inputs between calls, so one thread at a time uses it.
_lock = threading.Lock()


def render_invoice(document: InvoiceDocument, accent: str = _DEFAULT_ACCENT) -> bytes:
    """The PDF of an issued invoice in its frozen language; `accent` is the vendor's #rrggbb."""
    return typeset(_data(document, language(document.locale), accent), document.issued_on)


def typeset(data: Mapping[str, Any], on: date) -> bytes:
    """The PDF of words that are ready to be laid out by invoice.typ, dated `on`."""
    with _lock:
        pdf = _compiler().compile(
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            pdf_standards="a-3a",
            timestamp=datetime.combine(on, time(), UTC),
        )
    assert isinstance(pdf, bytes)
    return pdf


def invoice_filename(number: str) -> str:
    """The file name of an invoice's PDF: the number, whatever signs it has."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in number) + ".pdf"


@cache
def _compiler() -> Any:
    """The typst compiler with our font alone; imported here because few requests need it."""
    import typst

    package = find_spec("font_source_sans_pro")
    assert package is not None and package.submodule_search_locations
    fonts = typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=list(package.submodule_search_locations),
    )
    return typst.Compiler(str(_TEMPLATE), root=str(_TEMPLATE.parent), font_paths=fonts)


def _data(document: InvoiceDocument, words: Language, accent: str) -> dict[str, Any]:
    """Every string of the PDF, formatted and in order."""
    _ = words.gettext
    seller, buyer = document.seller, document.buyer

    def money(minor: int) -> str:
        return words.money(Money(minor, document.currency))

    credit, transfer = document.is_credit_note, transfer_details(document, words)
    facts = [
        [_("Credit note number") if credit else _("Invoice number"), document.number],
        [_("Credit note date") if credit else _("Invoice date"), words.day(document.issued_on)],
        [_("Date of supply"), supply_words(document, words)],
    ]
    if credit:
        facts.append([_("For invoice"), document.corrects_number])
    if document.status in {"open", "pending"}:
        facts.append([_("Due date"), words.day(document.due_on)])
    if document.order_number:
        facts.append([_("Order"), document.order_number])
    if buyer.get("purchase_order"):
        facts.append([_("Your purchase order"), buyer["purchase_order"]])

    return {
        "lang": words.locale,
        "accent": accent,
        "title": (
            _("Credit note %(number)s", number=document.number)
            if credit
            else _("Invoice %(number)s", number=document.number)
        ),
        "heading": _("Credit note") if credit else _("Invoice"),
        "brand": seller.get("brand") or seller.get("legal_name") or "",
        "seller_label": _("From"),
        "seller": party(seller.get("legal_name"), seller, seller.get("vat_number"), words),
        "buyer_label": _("To"),
        "buyer": party(
            buyer.get("company_name"),
            buyer,
            buyer.get("vat_number"),
            words,
            contact=buyer.get("billing_contact"),
        ),
        "facts": facts,
        "columns": [_("Description"), _("Quantity"), _("Unit price"), _("VAT"), _("Amount")],
        "lines": [
            {
                "description": line.description,
                "formula": formula(line, document.currency, words),
                "days": words.days(*line.supplied) if line.supplied else "",
                "quantity": words.integer(line.quantity),
                "unit": money(line.unit_minor),
                "rate": words.percent(Decimal(line.tax_rate)),
                "net": money(line.net_minor),
            }
            for line in document.lines
        ],
        "net": [_("Total without VAT"), money(document.net_minor)],
        "taxes": [
            [
                _(
                    "VAT %(rate)s on %(net)s",
                    rate=words.percent(row.rate),
                    net=money(row.net_minor),
                ),
                money(row.tax_minor),
            ]
            for row in document.tax_rows
        ],
        "gross": [
            _("Total (%(currency)s)", currency=document.currency),
            money(document.gross_minor),
        ],
        "notes": _notes(document, words),
        "payment": payment_words(document, words),
        "is_settled": credit or document.status in {"paid", "credited", "written_off"},
        "bank": transfer.rows if transfer else (),
        "qr": transfer.code if transfer else "",
        "qr_words": _("Payment code for your banking app"),
        "footer": footer(document.seller, words),
        "page": _("Page %(page)s of %(pages)s", page="{page}", pages="{pages}"),
    }


def _notes(document: InvoiceDocument, words: Language) -> list[str]:
    """What the law asks for below the sums: the invoice that is corrected, why VAT is not due.

    A paragraph each, as the reason may be what somebody wrote, without a full stop.
    """
    sentences = [tax_note(document, words)]
    if document.is_credit_note:
        sentences[:0] = [correction_words(document, words), reason_words(document.reason, words)]
    return [sentence for sentence in sentences if sentence]


def party(
    name: str | None,
    address: Any,
    vat_number: str | None,
    words: Language,
    *,
    contact: str | None = None,
) -> dict[str, Any]:
    """A name with its postal lines and its VAT number."""
    _ = words.gettext
    lines = address_lines(address, words)
    if contact:  # invoices from before there was one have none
        lines.insert(0, _("For the attention of %(name)s", name=contact))
    if vat_number:
        lines.append(_("VAT number %(number)s", number=vat_number))
    return {"name": name or "", "lines": lines}


def footer(seller: Mapping[str, str], words: Language) -> list[str]:
    """The seller's legal line and how to reach it."""
    _ = words.gettext
    legal = [seller.get("legal_name"), *address_lines(seller, words)]
    numbers = [
        _("VAT number %(number)s", number=seller["vat_number"]) if seller.get("vat_number") else "",
        seller.get("company_register"),
        f"IBAN {format_iban(seller['iban'])}" if seller.get("iban") else "",
        f"BIC {seller['bic']}" if seller.get("bic") else "",
    ]
    reach = [seller.get("email"), seller.get("phone")]
    rows = [", ".join(filter(None, legal)), " · ".join(filter(None, numbers)),
            " · ".join(filter(None, reach))]  # fmt: skip
    return [row for row in rows if row]
