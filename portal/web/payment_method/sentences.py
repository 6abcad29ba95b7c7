"""Why a payment method was not taken, in the person's language."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from portal.web.messages import SENTENCES, problem_sentence

__all__ = ["REFUSALS", "refusal_sentence"]

REFUSALS = {
    "prepaid_card": _l(
        "Prepaid cards are not accepted. Use a credit card, a debit card or a SEPA direct debit."
    ),
    "expired_card": _l("This card has expired. Use another payment method."),
    "setup_failed": _l(
        "Your bank did not confirm this payment method. Try it again or use another."
    ),
    "gateway_not_configured": _l(
        "Payment methods cannot be saved here yet. Ask your contact at the vendor."
    ),
    "method_not_for_bank_transfer": _l(
        "Your account pays by bank transfer, so it has no automatic payment method."
    ),
    "setup_not_ours": _l("This payment method was saved for another account. Nothing was changed."),
}

for _code, _sentence in REFUSALS.items():
    SENTENCES.setdefault(_code, _sentence)


def refusal_sentence(code: str | None) -> str:
    """The sentence of a refusal; a provider's own code gets the one of a failed setup."""
    return problem_sentence(code if code in SENTENCES else "setup_failed", {})
