"""The words of a credit note in one language; its PDF and its page say the same."""

from __future__ import annotations

from portal.documents.invoice_document import InvoiceDocument
from portal.languages import Language

__all__ = ["correction_words", "reason_words", "settlement_words"]


def correction_words(document: InvoiceDocument, words: Language) -> str:
    """Which invoice it corrects; the law asks for it."""
    _ = words.gettext
    assert document.corrects_on is not None, "a credit note corrects an invoice"
    return _(
        "This credit note corrects invoice %(number)s of %(day)s.",
        number=document.corrects_number,
        day=words.day(document.corrects_on),
    )


def reason_words(reason: str, words: Language) -> str:
    """Why it was issued: the sentence of a code, or the text that somebody wrote."""
    _ = words.gettext
    match reason:
        case "renewal_ends":
            return _("The subscription ends before the period of that invoice begins.")
        case "renewal_changed":
            return _("The renewal was changed: a new invoice takes the place of that one.")
    return reason


def settlement_words(document: InvoiceDocument, words: Language) -> str:
    """What it makes of the money, as a whole sentence."""
    _ = words.gettext
    owed = document.money(document.to_balance_minor)
    if document.to_balance_minor == 0:
        return _(
            "%(amount)s less is to be paid on invoice %(number)s.",
            amount=words.money(document.money(document.gross_minor)),
            number=document.corrects_number,
        )
    return _("%(amount)s of it was paid already and is owed to you.", amount=words.money(owed))
