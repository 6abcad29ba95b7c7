"""How an invoice is paid by bank transfer: what is typed into the bank's form, and the code to scan.

The screen and the PDF show the same rows and the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from portal.documents.invoice_document import InvoiceDocument
from portal.domain.money import major
from portal.domain.payment_references import display_reference
from portal.languages import Language

__all__ = ["TransferDetails", "format_iban", "transfer_details"]


@dataclass(frozen=True, slots=True)
class TransferDetails:
    """Label and value of each field, in order; `code` is the EPC code as SVG, empty where there is none."""

    rows: tuple[tuple[str, str], ...]
    code: str


def transfer_details(document: InvoiceDocument, words: Language) -> TransferDetails | None:
    """For who pays by bank transfer and has not yet, or not all of it; None for everybody else."""
    if (
        document.is_credit_note
        or document.payment_terms != "bank_transfer"
        or document.status != "open"
        or document.open_minor <= 0
    ):
        return None
    _ = words.gettext
    seller = document.seller
    rows = (
        (_("Account holder"), seller.get("legal_name") or ""),
        ("IBAN", format_iban(seller.get("iban") or "")),
        ("BIC", seller.get("bic") or ""),
        (_("Bank"), seller.get("bank_name") or ""),
        (_("Amount"), words.money(document.money(document.open_minor))),
        (_("Due date"), words.day(document.due_on)),
        (_("Reference"), display_reference(document.payment_reference) or document.number),
    )
    return TransferDetails(tuple(row for row in rows if row[1]), _payment_code(document))


def format_iban(iban: str) -> str:
    """BE71 0961 2345 6769, in fours as people read it."""
    compact = iban.replace(" ", "")
    return " ".join(compact[place : place + 4] for place in range(0, len(compact), 4))


def _payment_code(document: InvoiceDocument) -> str:
    """The EPC code (EPC069-12) of an open transfer in euro, empty otherwise.

    Its field for structured references knows RF alone: the Belgian form is read from the text.
    """
    seller, reference = document.seller, document.payment_reference
    if document.currency != "EUR" or not seller.get("iban"):
        return ""
    from segno import helpers

    is_rf = reference.startswith("RF")
    try:
        code = helpers.make_epc_qr(
            name=(seller.get("legal_name") or "")[:70],
            iban=(seller.get("iban") or "").replace(" ", ""),
            bic=(seller.get("bic") or "").replace(" ", "") or None,
            amount=major(document.money(document.open_minor)),
            reference=reference if is_rf else None,
            text=None if is_rf else display_reference(reference) or document.number,
        )
    except ValueError:
        return ""  # an IBAN or amount that the code cannot carry: the transfer works without it
    out = BytesIO()
    code.save(out, kind="svg", border=0, xmldecl=False, omitsize=True)
    return out.getvalue().decode("utf-8")
