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
from portal.payments.smallest_charge import is_too_small, smallest_charge
from portal.web.desk_messages import DESK_SENTENCES
from portal.web.locale import speech

__all__ = ["SENTENCES", "UNSEEN", "error_sentence", "problem_sentence", "smallest_sentence"]

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
    "amount_empty": _l("Enter an amount."),
    "amount_malformed": _l("Enter an amount in digits, for example 250."),
    "amount_ambiguous": _l(
        "“%(typed)s” can be read as two amounts. Type it without a sign between the thousands, "
        "for example 1000."
    ),
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
    "item_changed": _l(
        "Your subscription has changed since: its plan, its billing period or its add-ons are others now."
    ),
    "not_offered": _l("This is not sold any more. Choose something else."),
    "not_an_upgrade": _l(
        "This costs no more than what you have for the days left, so it waits for the renewal. Choose it again to see the date."
    ),
    "add_on_present": _l("Your subscription has this add-on already. Change its package instead."),
    "already_subscribed": _l("Your company has a subscription to this product already."),
    "not_sold_in_coming_period": _l(
        "Your billing period changes on %(on)s, and this is not sold for that period. Undo that change first, or choose something else."
    ),
    "date_moved": _l(
        "Since you opened this page the date has become %(on)s. Nothing was saved: check it before you confirm."
    ),
    "licences_in_use": _l(
        "At least %(minimum)s licences are needed: so many people work with the trial."
    ),
    "not_self_service": _l("Changes to this product need our help."),
    "quote_unknown": _l("There is no such quote in your account."),
    "quote_accepted": _l("This quote was accepted already; its order has been placed."),
    "quote_declined": _l("This quote was declined. Make a new one."),
    "quote_expired": _l("This quote has expired. Make a new one: prices are shown before you pay."),
    "quote_superseded": _l("This quote was replaced by a newer one."),
    "quote_withdrawn": _l("This quote was withdrawn. Your account executive can tell you more."),
    "pays_automatically": _l(
        "This account pays by card or direct debit: the quote is accepted by paying it."
    ),
    "offer_empty": _l("Add at least one line first."),
    "discount_malformed": _l("Enter a discount from 0 to 100 per cent, with at most two decimals."),
    "discount_too_large": _l(
        "The discount is more than the line costs: enter at most %(maximum)s."
    ),
    "discount_gives_credits": _l(
        "These discounts give away %(credits)s credits, and more than %(maximum)s need a second person. Offer the pack with a smaller discount, and have an operator give the rest by hand."
    ),
    "validity_past": _l("This day has passed. Choose today or a later day."),
    "validity_too_long": _l("A quote can be valid until %(on)s at the latest."),
    "order_not_awaited": _l(
        "This order does not wait for a transfer any more. Nothing was changed."
    ),
    "quote_would_replace": _l(
        "Another quote is open for the same products. Confirm that this one replaces it."
    ),
    "payment_unresolved": _l(
        "The payment of order %(order_number)s is not finished. Complete or cancel it first."
    ),
    # Changes that wait for a renewal
    "subscription_unknown": _l("There is no such subscription in your account."),
    "not_running": _l("This subscription has no billing period that this could wait for."),
    "subscription_ends": _l(
        "This subscription is cancelled; its last day is %(on)s. Undo the cancellation first; then it "
        "can be changed."
    ),
    "nothing_removed": _l("Enter at least 1."),
    "too_many_removed": _l(
        "At least one licence stays, so remove at most %(maximum)s. To end it all, cancel the subscription."
    ),
    "admins_must_consent": _l(
        "This would take the licence of an admin, who has to agree in writing first. Nothing was changed."
    ),
    "too_many_chosen": _l("Choose at most %(maximum)s: so many people lose access."),
    "member_without_licence": _l(
        "One of the people you chose has no licence any more. Choose again."
    ),
    "admin_not_consented": _l("One of the people you chose is an admin who has not agreed yet."),
    "last_admin_stays": _l("The last admin of your company cannot lose access."),
    "plan_unchanged": _l("This is the plan you have."),
    "package_unchanged": _l("This is the package you have."),
    "interval_unchanged": _l("This is the billing period you have."),
    "price_missing": _l("This is not sold in your currency and billing period."),
    "change_unknown": _l("This change does not wait any more."),
    "reduction_credited": _l(
        "What these licences cost was credited, so they cannot be kept by undoing the reduction. "
        "If you need them after all, add licences again."
    ),
    "undo_other_first": _l(
        "Another change that waits depends on this one: without it, it is not sold in your billing period. Undo that one first."
    ),
    "cancellation_moved": _l(
        "Since you opened this page the last day has become %(day)s. Nothing was saved: look at it again before you cancel."
    ),
    # Billing
    "change_differs": _l(
        "Something has changed since this page was shown. Look at it again; nothing was asked yet."
    ),
    "recipient_malformed": _l(
        "%(address)s is not an e-mail address. Enter one a line, like name@example.com."
    ),
    "too_many_recipients": _l("Enter at most %(maximum)s addresses."),
    "vat_number_missing": _l("There is no VAT number of an EU country that VIES could check."),
    "vat_number_confirmed": _l("Your VAT number is confirmed already."),
    # Members
    "member_unknown": _l("There is no such person in your account."),
    "member_exists": _l("This person belongs to your account already."),
    "member_invited_already": _l(
        "This person has been invited already. Send the invitation again."
    ),
    "member_was_deactivated": _l(
        "This person belongs to your account and is deactivated. Reactivate them instead."
    ),
    "member_deactivated": _l("This person is deactivated. Reactivate them first."),
    "member_not_active": _l("This person is not active. Nothing was changed."),
    "member_not_deactivated": _l("This person is not deactivated. Nothing was changed."),
    "not_invited": _l("There is no invitation that waits: it was accepted or withdrawn."),
    "resent_too_soon": _l(
        "The invitation was sent less than a minute ago. Wait a moment before you send it again."
    ),
    "licence_unknown": _l("Choose a licence that your account has."),
    "licence_suspended": _l(
        "This subscription is suspended, so none of its licences can be given at the moment."
    ),
    "licence_read_only": _l(
        "This trial is over, so none of its licences can be given until it is bought."
    ),
    "licence_needed": _l("Choose at least one licence: a member without any is deactivated."),
    "no_seat_free": _l("No licence is free any more. Free one or add one first."),
    "overhang_recorded": _l(
        "More people have a licence than there are licences. Nothing more is given while that lasts."
    ),
    "admin_must_consent": _l("An admin has to agree in writing first. Nothing was changed."),
    "last_admin": _l(
        "This is the last active admin of the account. Make somebody else an admin first."
    ),
    "consent_not_needed": _l("Only an active admin is asked for consent. Nothing was changed."),
    "asked_too_soon": _l(
        "This person was asked less than a minute ago. Wait a moment before you ask again."
    ),
    "consent_answered": _l("This request does not wait any more: it was answered or withdrawn."),
    "consent_link_invalid": _l("This link no longer works."),
    # Support
    "message_unknown": _l("There is no such message in your account."),
    "message_went_on": _l(
        "Something was written here meanwhile. Read it before you go on. Nothing of yours was sent."
    ),
    "answer_empty": _l("Enter your reply."),
    "request_moved_on": _l(
        "This is not possible any more: the request is further on by now. Look at where it stands. Nothing was changed."
    ),
    "service_asked_first": _l(
        "This package is arranged before it is bought. Ask for it on the support page."
    ),
    "too_many_messages": _l(
        "You have written a lot within an hour. Wait a little, or call us, before you write again."
    ),
    # Members from a file
    "import_no_file": _l("Choose a file."),
    "import_empty": _l("There is nothing in this file."),
    "import_too_large": _l("This file is too large: use at most %(kilobytes)s kB."),
    "import_encoding": _l(
        "This file cannot be read as text. Save it in your spreadsheet as “CSV UTF-8”."
    ),
    "import_malformed": _l("The quotation marks in line %(line)s are not in order."),
    "import_no_email_column": _l(
        "The first line has no column “email”. Begin with the template, and separate with commas, "
        "semicolons or tabs."
    ),
    "import_column_unknown": _l(
        "The column “%(column)s” is not known. Use the columns of the template."
    ),
    "import_column_twice": _l("The column “%(column)s” is there twice."),
    "import_too_many_rows": _l("There are too many lines: use at most %(maximum)s."),
    "import_no_rows": _l("There is nobody in this file: it has only the line of the columns."),
    "import_too_many_cells": _l("This line has more cells than there are columns."),
    "import_email_twice": _l("This address stands in line %(line)s already."),
    "import_name_missing": _l("A new person needs a name."),
    "import_name_unreadable": _l("This name is too long or cannot be read."),
    "import_not_yes_or_no": _l("Write yes or no in the column “%(column)s”."),
    "import_value_unknown": _l("Write one of these in the column “%(column)s”: %(allowed)s."),
    "import_no_seat": _l("No licence is left for “%(column)s”."),
    "import_admin_consent": _l(
        "%(name)s is an admin and has to agree in writing first. Ask on their page."
    ),
    "import_new_deactivated": _l(
        "This person is not in your account, so there is nothing to deactivate."
    ),
    "import_already_active": _l("This person has accepted the invitation already."),
    "import_not_accepted": _l(
        "This person becomes active by accepting the invitation. Leave the status as “invited”."
    ),
    "import_was_deactivated": _l("This person is deactivated. Write “active” to reactivate them."),
    "import_withdraw": _l("An invitation is withdrawn on the person’s own page."),
    "import_not_active": _l(
        "A deactivated person has no licences. Write “active” to reactivate them."
    ),
    "import_changed": _l("Something has changed meanwhile. Look at the preview again."),
    # The wallet
    "threshold_range": _l("Enter a number of credits from 1 to %(most)s."),
    "pack_unknown": _l("This pack is not sold any more. Choose another."),
    "cap_below_pack": _l("Enter at least %(price)s, the price of one pack."),
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
    "amount_too_small": _l(
        "The smallest amount that can be paid this way is %(smallest)s. Add more to the order, or wait for the renewal."
    ),
    "invoice_too_small": _l(
        "The smallest amount that can be charged is %(smallest)s, so this one stays open. You need do nothing."
    ),
    "setup_overtaken": _l("Another payment method was saved after this one, and that one is used."),
    "method_needed": _l(
        "Something will still be charged, so the payment method stays. Nothing was changed."
    ),
    "setup_not_ours": _l("This payment method was saved for another account. Nothing was changed."),
    "checkout_incomplete": _l("Something is missing. Complete the payment step first."),
    "terms_changed": _l("The amount has changed since you saw it. Check it again before you pay."),
    "account_suspended": _l(
        "Access is suspended until what is owed is paid, so nothing can be bought or changed. Pay it here; then everything works again."
    ),
    "invoice_unknown": _l("There is no such invoice in your account."),
    "invoice_not_owed": _l("Nothing of invoice %(number)s is owed any more."),
    "invoice_by_transfer": _l(
        "Your company pays by bank transfer. Transfer the amount with the reference shown."
    ),
    "order_unknown": _l("There is no such order in your account."),
    # Requests to the account executive
    "requests_not_needed": _l(
        "Your company pays automatically, so you change this yourselves on the licences page."
    ),
    "plan_not_chosen": _l("Choose one of the plans."),
    "interval_not_chosen": _l("Choose one of the billing periods."),
    "change_request_unknown": _l("There is no such request."),
    "change_request_moved_on": _l(
        "This is not possible any more: the request is further on by now. Look at where it stands. Nothing was changed."
    ),
    "request_overtaken": _l(
        "%(by)s has worked on this request meanwhile (%(at)s). Look at where it stands now. Nothing of yours was changed."
    ),
    "request_went_on": _l(
        "This request went on meanwhile (%(at)s). Look at where it stands now. Nothing of yours was changed."
    ),
    "reason_missing": _l("Enter the reason. The customer reads it."),
    # Sign-in
    "sign_in_link_invalid": _l("This link no longer works. Ask for a new one."),
    "account_unknown": _l("You do not belong to this account."),
    **DESK_SENTENCES,
}

UNSEEN = frozenset({
    # The command line's: an operator reads code and data.
    "catalogue_in_use", "import_currency", "staff_exists", "time_zone_unknown",
    "terms_invoice_open", "terms_order_open", "terms_payment_open", "terms_request_open",
    "terms_top_up",
    "request_unknown", "staff_last_operator", "staff_other_role", "staff_unknown",
    "debit_amount", "debit_key", "debit_key_reused", "usage_unknown", "trial_bought",
    "trial_not_longer", "trial_past", "trial_too_long", "trial_unknown",
    # What another customer has is answered as absent: 404.
    "grant_unknown", "payment_unknown",
    # Calculations that no form can reach: a mistake of ours gets the generic sentence.
    "currency_mismatch", "date_before_term", "date_outside_period", "start_not_on_anchor",
    "line_unknown", "no_such_renewal", "number_too_large", "period_off_term", "term_opens_off_renewal", "vat_rate_unknown",
})  # fmt: skip
"""Codes that need no sentence of their own."""


def problem_sentence(code: str, data: Mapping[str, object]) -> str:
    """The sentence of `code` with its data filled in; the generic one where there is none."""
    words = SENTENCES.get(code, _GENERIC)
    try:
        spoken = {name: _spoken(value) for name, value in data.items()}
        return formats.filled(str(words), spoken, speech().locale)
    except KeyError:
        return str(_GENERIC)


def error_sentence(error: DomainError) -> str:
    """The sentence of a refused action."""
    return problem_sentence(error.code, error.data)


def smallest_sentence(amount: Money, code: str = "amount_too_small") -> str | None:
    """Why so little cannot be charged, in the words of `code`; None if it can.

    As it is, those of an order that is not placed yet.
    """
    if not is_too_small(amount):
        return None
    return problem_sentence(code, {"smallest": smallest_charge(amount.currency)})


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
