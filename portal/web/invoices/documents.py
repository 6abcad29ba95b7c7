"""An invoice or credit note as a page and as a PDF: for the customer's pages and the desk's."""

from __future__ import annotations

from typing import Any

from flask import Response

from portal.documents.invoice_document import InvoiceDocument
from portal.documents.invoice_pdf import invoice_filename, render_invoice
from portal.documents.invoice_words import address_lines, formula, payment_words, tax_note
from portal.documents.transfer_details import transfer_details
from portal.languages import language
from portal.web.locale import speech
from portal.web.signed_in import parts, stop_reading

__all__ = ["document_words", "pdf_of"]


def document_words(invoice: InvoiceDocument) -> dict[str, Any]:
    """What `invoices/_document.html` says around the frozen lines, in the reader's language."""
    words = language(speech().locale)
    return {
        "invoice": invoice,
        "formulas": {line.position: formula(line, invoice.currency, words)
                     for line in invoice.lines},
        "payment": payment_words(invoice, words),
        "taxes": [
            (
                words.gettext(
                    "VAT %(rate)s on %(net)s",
                    rate=words.percent(row.rate),
                    net=words.money(invoice.money(row.net_minor)),
                ),
                invoice.money(row.tax_minor),
            )
            for row in invoice.tax_rows
        ],
        "tax_note": tax_note(invoice, words),
        "transfer": transfer_details(invoice, words),
        "seller_lines": address_lines(invoice.seller, words),
        "buyer_lines": address_lines(invoice.buyer, words),
    }  # fmt: skip


def pdf_of(invoice: InvoiceDocument) -> Response:
    """Its PDF to download, in the language it was frozen in."""
    stop_reading()
    response = Response(
        render_invoice(invoice, parts().catalogue.vendor.accent), mimetype="application/pdf"
    )
    response.headers.set(
        "Content-Disposition", "attachment", filename=invoice_filename(invoice.number)
    )
    return response
