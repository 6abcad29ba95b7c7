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
        case "asked_in_time":
            return _("Fewer licences had been asked for in time for the period of that invoice.")
        case "order_lapsed":
            return _("The order was not paid before the renewal, so it lapsed.")
        case "order_withdrawn":
            return _("The order was withdrawn before it was paid.")
    return reason


def settlement_words(document: InvoiceDocument, words: Language) -> str:
    """What it makes of the money, in whole sentences."""
    _ = words.gettext

    def money(minor: int) -> str:
        return words.money(document.money(minor))

    sentences = []
    unpaid = document.gross_minor - document.to_method_minor - document.to_balance_minor
    if unpaid > 0:
        sentences.append(
            _(
                "%(amount)s less is to be paid on invoice %(number)s.",
                amount=money(unpaid),
                number=document.corrects_number,
            )
        )
    if document.to_method_minor and document.refund_arrived:
        sentences.append(
            _(
                "%(amount)s was given back to the payment method it came from.",
                amount=money(document.to_method_minor),
            )
        )
    elif document.to_method_minor:
        sentences.append(
            _(
                "%(amount)s goes back to the payment method it came from. You need do nothing.",
                amount=money(document.to_method_minor),
            )
        )
    if document.to_balance_minor:
        sentences.append(
            _(
                "%(amount)s is on your account balance: your next invoice uses it.",
                amount=money(document.to_balance_minor),
            )
        )
    return " ".join(sentences)
