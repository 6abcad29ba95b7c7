"""A quote as a PDF: for the customer's pages and the desk's."""

from __future__ import annotations

from flask import Response

from portal.documents.invoice_pdf import invoice_filename
from portal.documents.quote_pdf import render_quote
from portal.web.quotes.views import QuoteView, quote_document
from portal.web.signed_in import parts, stop_reading

__all__ = ["pdf_of_quote"]


def pdf_of_quote(view: QuoteView) -> Response:
    """Its PDF to download; 404 where there is none (any more)."""
    document = quote_document(view)
    stop_reading()
    response = Response(
        render_quote(document, parts().catalogue.vendor.accent), mimetype="application/pdf"
    )
    response.headers.set(
        "Content-Disposition", "attachment", filename=invoice_filename(document.number)
    )
    return response
