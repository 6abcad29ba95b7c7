"""Why a payment was declined, in the customer's words, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

__all__ = ["decline_sentence"]

_SENTENCES: dict[str, Any] = {
    "insufficient_funds": _l("There is not enough money on the card or account."),
    "expired_card": _l("The card has expired."),
    "prepaid_card": _l(
        "Prepaid cards are not accepted. Use a credit card, a debit card or a SEPA direct debit."
    ),
    "lost_card": _l("The bank declined the card. Use another one."),
    "stolen_card": _l("The bank declined the card. Use another one."),
    "incorrect_cvc": _l("The security code of the card is not right."),
    "processing_error": _l("The bank could not process the payment. Try again in a moment."),
    "authentication_failed": _l("The payment was not confirmed with the bank."),
    "authentication_required": _l("The bank wants you to confirm the payment."),
    "cancelled": _l("The payment was cancelled."),
    "debit_not_authorized": _l("Your bank did not allow the debit."),
    "sepa_limit": _l("One SEPA debit can be at most €10,000. Use a card for this amount."),
    "amount_too_small": _l(
        "The amount is too small to be charged to a card or bank account. Nothing was charged."
    ),
    "amount_not_exact": _l(
        "Our payment provider cannot charge exactly this amount. Nothing was charged; please contact support."
    ),
    "sepa_currency": _l("A SEPA debit is in euros. Use a card for this amount."),
    "method_incompatible": _l("This payment method does not fit the amount. Use another one."),
    "provider_failed": _l(
        "Our payment provider had a fault. Nothing was charged; please try again."
    ),
    "mandate_inactive": _l("Your bank did not allow the debit."),
    "method_detached": _l("There is no payment method that could be charged."),
    "method_unknown": _l("There is no payment method that could be charged."),
    "taken_back": _l("Your bank took the payment back."),
    "pickup_card": _l("The bank declined the card. Use another one."),
    "gateway_not_configured": _l("Payments are not set up yet. Please contact support."),
    "order_lapsed": _l(
        "The money had not arrived by the renewal, so the order lapsed and its invoice was credited. Nothing is to be paid."
    ),
    "not_granted": _l(
        "A part of this order could not be given: what it was to be added to has ended."
    ),
    "order_withdrawn": _l(
        "The order was withdrawn and its invoice was credited. Nothing is to be paid."
    ),
    "gateway_key_refused": _l("Payments are not set up yet. Please contact support."),
}
_GENERIC = _l("Your bank declined the payment and gave no reason.")


def decline_sentence(failure: Mapping[str, Any]) -> str:
    """The reason of a failed payment as a sentence."""
    return str(_SENTENCES.get(str(failure.get("code")), _GENERIC))
