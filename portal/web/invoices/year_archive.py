"""A year's invoices as a ZIP file on disk, one PDF at a time, so that memory stays bounded."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from tempfile import TemporaryFile
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from flask_babel import gettext as _

from portal.documents.invoice_document import InvoiceDocument
from portal.documents.invoice_pdf import invoice_filename, render_invoice
from portal.domain.csv_cells import safe_cell
from portal.domain.money import Money, major

__all__ = ["pack_year"]


def pack_year(invoices: Iterable[InvoiceDocument], accent: str) -> IO[bytes]:
    """The archive, open at its beginning; it disappears when it is closed."""
    file = TemporaryFile(prefix="invoices-")  # noqa: SIM115 - the response closes it
    listed = StringIO()
    rows = csv.writer(listed)
    rows.writerow([
        _("Invoice number"), _("Invoice date"), _("Due date"), _("Status"), _("Customer"),
        _("VAT number"), _("Purchase order"), _("Currency"), _("Total without VAT"), _("VAT"),
        _("Total"), _("File"),
    ])  # fmt: skip
    with ZipFile(file, "w") as archive:
        for invoice in invoices:
            name = invoice_filename(invoice.number)
            archive.writestr(_entry(name, invoice, ZIP_STORED), render_invoice(invoice, accent))
            rows.writerow([safe_cell(cell) for cell in _row(invoice)] + [name])
        index = ZipInfo("index.csv", (1980, 1, 1, 0, 0, 0))
        index.compress_type, index.external_attr = ZIP_DEFLATED, 0o644 << 16
        # With the mark spreadsheets know that it is UTF-8.
        archive.writestr(index, listed.getvalue().encode("utf-8-sig"))
    file.seek(0)
    return file


def _entry(name: str, invoice: InvoiceDocument, compression: int) -> ZipInfo:
    day = invoice.issued_on
    entry = ZipInfo(name, (max(day.year, 1980), day.month, day.day, 0, 0, 0))
    entry.compress_type, entry.external_attr = compression, 0o644 << 16
    return entry


def _row(invoice: InvoiceDocument) -> list[str]:
    def amount(minor: int) -> str:
        # The column of a credit note's totals adds up with those of the invoices.
        sign = -1 if invoice.is_credit_note else 1
        return str(major(Money(sign * minor, invoice.currency)))

    return [
        invoice.number,
        invoice.issued_on.isoformat(),
        invoice.due_on.isoformat(),
        invoice.status,
        invoice.buyer.get("company_name") or "",
        invoice.buyer.get("vat_number") or "",
        invoice.buyer.get("purchase_order") or "",
        invoice.currency,
        amount(invoice.net_minor),
        amount(invoice.tax_minor),
        amount(invoice.gross_minor),
    ]
