"""The domain's codes as sentences in the person's language.

A code without a sentence here gets a generic one; a test names every such code. Values in a
sentence are formatted by their type: Money, dates, instants, whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask_babel import lazy_gettext as _l

from portal import formats
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.web.locale import speech

__all__ = ["SENTENCES", "UNSEEN", "error_sentence", "problem_sentence"]

_GENERIC = _l("This cannot be done at the moment. Nothing was changed.")

SENTENCES: dict[str, Any] = {
    # Forms
    "rejected": _l("Some of your answers need another look. Nothing was changed."),
    "quantity_empty": _l("Enter a number."),
    "quantity_not_a_number": _l("Enter a whole number in digits, for example 12."),
    "quantity_negative": _l("Enter a number that is not negative."),
    "quantity_not_whole": _l("Enter a whole number, without a point or comma."),
    "quantity_too_small": _l("Enter at least %(minimum)s."),
    "quantity_too_large": _l("Enter at most %(maximum)s."),
    "email_malformed": _l("Enter an e-mail address like name@example.com."),
    "name_missing": _l("Enter a name."),
    "vat_number_malformed": _l(
        "This is not a VAT number. Enter it with the letters of its country."
    ),
    "vat_number_other_country": _l(
        "This VAT number begins with %(prefix)s, which does not belong to the country of the address."
    ),
    "vat_number_too_long": _l("This is too long: use at most %(maximum)s characters."),
    # Licences, carts, quotes
    "seats_below_present": _l("Enter at least %(minimum)s, the number you have now."),
    "nothing_added": _l("Enter a higher number for at least one product."),
    "item_unknown": _l("This product is not part of your account."),
    "item_gone": _l("One of the products in your cart is no longer part of your account."),
    "not_self_service": _l("Changes to this product need our help."),
    "quote_unknown": _l("There is no such quote in your account."),
    "quote_accepted": _l("This quote was accepted already; its order has been placed."),
    "quote_declined": _l("This quote was declined. Make a new one."),
    "quote_expired": _l("This quote has expired. Make a new one: prices are shown before you pay."),
    "quote_superseded": _l("This quote was replaced by a newer one."),
    "quote_would_replace": _l(
        "Another quote is open for the same products. Confirm that this one replaces it."
    ),
    "payment_unresolved": _l(
        "The payment of order %(order_number)s is not finished. Complete or cancel it first."
    ),
    # Checkout, orders
    "contact_unknown": _l("Choose an admin of your account, or add a new one."),
    "contact_needs_admin": _l("Only an admin can name somebody who is not an admin yet."),
    "method_unknown": _l("Choose one of your payment methods."),
    "method_missing": _l("Choose a payment method first."),
    "method_not_for_bank_transfer": _l(
        "Your account pays by bank transfer, so it has no automatic payment method."
    ),
    "bank_transfer": _l(
        "Your account pays by bank transfer. Your account executive orders this for you."
    ),
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
    "sepa_limit": _l("This amount is too high for a SEPA direct debit. Use a card."),
    "setup_not_ours": _l("This payment method was saved for another account. Nothing was changed."),
    "checkout_incomplete": _l("Something is missing. Complete the payment step first."),
    "terms_changed": _l("The amount has changed since you saw it. Check it again before you pay."),
    "order_unknown": _l("There is no such order in your account."),
    # Sign-in
    "account_unknown": _l("You do not belong to this account."),
    "sign_in_link_invalid": _l("This link no longer works. Ask for a new one."),
}

UNSEEN = frozenset({
    # The command line's: an operator reads code and data.
    "catalogue_in_use", "import_currency", "staff_exists", "time_zone_unknown",
    # Calculations that no form can reach: a mistake of ours gets the generic sentence.
    "currency_mismatch", "date_before_term", "date_outside_period", "start_not_on_anchor",
    "period_off_term", "term_opens_off_renewal", "vat_rate_unknown",
})  # fmt: skip
"""Codes that need no sentence of their own."""


def problem_sentence(code: str, data: Mapping[str, object]) -> str:
    """The sentence of `code` with its data filled in; the generic one where there is none."""
    words = SENTENCES.get(code, _GENERIC)
    try:
        return str(words) % {name: _spoken(value) for name, value in data.items()}
    except KeyError:
        return str(_GENERIC)


def error_sentence(error: DomainError) -> str:
    """The sentence of a refused action."""
    return problem_sentence(error.code, error.data)


def _spoken(value: object) -> object:
    spoken = speech()
    if isinstance(value, Money):
        return formats.format_money(value, spoken.locale)
    if isinstance(value, datetime):
        return formats.format_instant(value, spoken.locale, spoken.time_zone)
    if isinstance(value, date):
        return formats.format_day(value, spoken.locale)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    if isinstance(value, int):
        return formats.format_integer(value, spoken.locale)
    return formats.format_number(value, spoken.locale)
