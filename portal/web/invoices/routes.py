"""The account's invoices. Everything is read; what is issued never changes (I2)."""

from __future__ import annotations

from flask import Blueprint, abort, request, send_file
from flask.typing import ResponseReturnValue

from portal.documents.credit_note_words import correction_words, reason_words
from portal.documents.invoice_document import InvoiceDocument
from portal.domain.permissions import Permission
from portal.languages import language
from portal.queries.credit_notes import (
    get_credit_note,
    list_credit_notes_of_invoice,
    list_credit_notes_of_year,
)
from portal.queries.invoices import (
    get_invoice,
    list_invoice_years,
    list_invoices,
    list_invoices_of_year,
)
from portal.web.access import requires
from portal.web.invoices.documents import document_words, pdf_of
from portal.web.invoices.year_archive import pack_year
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("invoices", __name__, url_prefix="/invoices")

PAGE = 25
_LAST_PAGE, _YEARS = 10_000, range(1970, 10_000)


@blueprint.get("")
@requires(Permission.SEE_MONEY)
def index() -> ResponseReturnValue:
    """The invoices, the latest first, of all years or of one."""
    page, year = _number("page", 1, range(1, _LAST_PAGE)), _number("year", None, _YEARS)
    assert page is not None
    connection, account_id = read_connection(), account().id
    rows = list_invoices(
        connection, account_id, year=year, limit=PAGE + 1, offset=(page - 1) * PAGE
    )
    if page > 1 and not rows:
        abort(404)
    return respond(
        "invoices/index.html",
        "invoices/_list.html",
        invoices=rows[:PAGE],
        has_more=len(rows) > PAGE,
        page=page,
        year=year,
        years=list_invoice_years(connection, account_id),
        today=parts().clock.today(parts().catalogue.vendor.time_zone),
    )


@blueprint.get("/<number>")
@requires(Permission.SEE_MONEY)
def show(number: str) -> ResponseReturnValue:
    """One invoice with all its lines; what is frozen in it stays in its own language."""
    invoice = _invoice(number)
    notes = list_credit_notes_of_invoice(read_connection(), account().id, invoice.id)
    return _show(invoice, notes=notes)


def _show(invoice: InvoiceDocument, **more: object) -> ResponseReturnValue:
    return respond("invoices/show.html", **document_words(invoice), **more)


@blueprint.get("/<number>.pdf")
@requires(Permission.SEE_MONEY)
def pdf(number: str) -> ResponseReturnValue:
    """The PDF, in the language the invoice was frozen in."""
    return pdf_of(_invoice(number))


@blueprint.get("/credit-notes/<credit_note>")
@requires(Permission.SEE_MONEY)
def show_credit_note(credit_note: str) -> ResponseReturnValue:
    """One credit note, which is a document like an invoice."""
    document = _credit_note(credit_note)
    words = language(speech().locale)
    return _show(
        document,
        correction=correction_words(document, words),
        reason=reason_words(document.reason, words),
    )


@blueprint.get("/credit-notes/<credit_note>.pdf")
@requires(Permission.SEE_MONEY)
def credit_note_pdf(credit_note: str) -> ResponseReturnValue:
    """Its PDF, in the language of the invoice that it corrects."""
    return pdf_of(_credit_note(credit_note))


@blueprint.get("/year/<int:year>.zip")
@requires(Permission.SEE_MONEY)
def year_archive(year: int) -> ResponseReturnValue:
    """All invoices and credit notes of a year as PDF, with a list as CSV."""
    vendor = parts().catalogue.vendor
    if year not in _YEARS:
        abort(404)
    connection, account_id = read_connection(), account().id
    invoices = (
        *list_invoices_of_year(connection, account_id, year, vendor.time_zone),
        *list_credit_notes_of_year(connection, account_id, year),
    )
    if not invoices:
        abort(404)
    stop_reading()  # making the PDFs takes a while and needs no database
    archive = pack_year(invoices, vendor.accent)
    return send_file(
        archive,
        mimetype="application/zip",
        as_attachment=True,
        download_name=f"{vendor.brand.lower()}-{year}.zip",
    )


def _invoice(number: str) -> InvoiceDocument:
    zone = parts().catalogue.vendor.time_zone
    invoice = get_invoice(read_connection(), account().id, number, zone)
    if invoice is None:
        abort(404)
    return invoice


def _credit_note(number: str) -> InvoiceDocument:
    document = get_credit_note(read_connection(), account().id, number)
    if document is None:
        abort(404)
    return document


def _number(name: str, otherwise: int | None, allowed: range) -> int | None:
    """A number of the address; one that makes no sense is a page that does not exist."""
    text = request.args.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) in allowed):
        abort(404)
    return int(text)
