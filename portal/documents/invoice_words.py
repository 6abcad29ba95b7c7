"""The words of an invoice in one language; its PDF and its page say the same."""

from __future__ import annotations

from collections.abc import Mapping

from portal.documents.credit_note_words import settlement_words
from portal.documents.invoice_document import InvoiceDocument, InvoiceDocumentLine, PaidWith
from portal.documents.reverse_charge import mention_for
from portal.domain.money import Money
from portal.domain.tax import TaxTreatment
from portal.languages import Language
from portal.wording import formula_words, method_words

__all__ = [
    "NOT_COLLECTED",
    "address_lines",
    "formula",
    "payment_words",
    "supply_words",
    "tax_note",
    "treatment_note",
]

NOT_COLLECTED = PaidWith("not_collected")
"""Stands where the payment method would, on an open invoice whose last payment failed."""


def formula(line: InvoiceDocumentLine, currency: str, words: Language) -> str:
    """How the line's amount came about (S2)."""
    return formula_words(
        words,
        quantity=line.quantity,
        unit=Money(line.unit_minor, currency),
        days_left=line.days_left,
        days=line.days,
        discount_basis_points=line.discount_basis_points,
        discount=Money(line.discount_minor, currency),
    )


def supply_words(document: InvoiceDocument, words: Language) -> str:
    """When it is supplied: the days of the lines, else the day of the invoice."""
    if document.supplied is None:
        return words.day(document.issued_on)
    return words.days(*document.supplied)


def tax_note(document: InvoiceDocument, words: Language) -> str:
    """The words the law asks for with the document's VAT treatment (I4); empty at home."""
    return treatment_note(document.treatment, document.buyer.get("country") or "", words)


def treatment_note(treatment: str, country: str, words: Language) -> str:
    """The words the law asks for with a VAT treatment (I4); empty at home.

    Those of a reverse charge also stand in the words of the buyer's `country`, where it speaks
    another language than the document.
    """
    _ = words.gettext
    match treatment:
        case TaxTreatment.REVERSE_CHARGE:
            note = _(
                "Reverse charge: the customer owes the VAT, Article 196 of Directive 2006/112/EC."
            )
            mention = mention_for(country, words.locale)
            return f"{note} {mention}." if mention else note
        case TaxTreatment.OUTSIDE_EU:
            return _(
                "No EU VAT: the place of supply is outside the European Union, "
                "Article 44 of Directive 2006/112/EC."
            )
        case TaxTreatment.OSS:
            return _("VAT of the customer's country, declared in the One Stop Shop of the EU.")
    return ""


def payment_words(document: InvoiceDocument, words: Language) -> str:
    """Where the payment stands, in whole sentences."""
    _ = words.gettext
    if document.is_credit_note:
        return settlement_words(document, words)
    if document.balance_used_minor:
        used = words.money(document.money(document.balance_used_minor))
        from_balance = _("%(amount)s was paid from your account balance.", amount=used)
        return f"{from_balance} {_rest_words(document, words)}"
    return _rest_words(document, words)


def _rest_words(document: InvoiceDocument, words: Language) -> str:
    _ = words.gettext
    if document.status == "credited":
        return _("This invoice was credited in full: nothing is to be paid.")
    if document.status == "written_off":
        return _("This invoice was closed: nothing is to be paid.")
    if document.status == "paid" and document.paid_on is not None:
        day, method = words.day(document.paid_on), _method(document.paid_with, words)
        if method:
            return _("Paid on %(day)s by %(method)s.", day=day, method=method)
        return _("Paid on %(day)s.", day=day)
    if document.status == "paid":
        return _("Paid. Nothing is to be paid any more.")
    if document.status == "pending":
        method = _method(document.paid_with, words)
        if method:
            return _("Being collected by %(method)s. You need do nothing.", method=method)
        return _("Being collected. You need do nothing.")
    amount, day = words.money(document.money(document.open_minor)), words.day(document.due_on)
    if document.payment_terms == "bank_transfer":
        return _("Please transfer %(amount)s by %(day)s.", amount=amount, day=day)
    if document.paid_with == NOT_COLLECTED:
        return _(
            "%(amount)s could not be collected. Please replace the payment method: "
            "the invoice is then collected again at once.",
            amount=amount,
        )
    return _(
        "%(amount)s is due on %(day)s and is collected by your payment method.",
        amount=amount,
        day=day,
    )


def address_lines(party: Mapping[str, str], words: Language) -> list[str]:
    """The postal lines of a frozen buyer or seller, the country's name in the invoice's language."""
    lines = [
        party.get("street") or party.get("address_line1") or "",
        party.get("address_line2") or "",
        f"{party.get('postcode') or party.get('postal_code') or ''} {party.get('city') or ''}".strip(),
        words.country(party.get("country") or ""),
    ]
    return [line for line in lines if line]


def _method(paid_with: PaidWith | None, words: Language) -> str:
    if paid_with is None:
        return ""
    return method_words(words, paid_with.kind, paid_with.brand, paid_with.last4)
