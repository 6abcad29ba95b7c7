"""What the desk answers to the vendor's people, as `messages.py` does to customers."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

__all__ = ["DESK_SENTENCES"]

DESK_SENTENCES: dict[str, Any] = {
    # Transfers and bank statements, on the desk
    "transfer_nothing": _l("Enter an amount above zero."),
    "transfer_other_currency": _l(
        "This customer pays in %(currency)s: another currency cannot be booked."
    ),
    "transfer_in_future": _l("Enter a day that is not in the future."),
    "transfer_for_void": _l("Invoice %(number)s was credited or closed: nothing is to be paid."),
    "transfer_for_paid": _l("Invoice %(number)s is paid already."),
    "transfer_while_collected": _l(
        "A debit of invoice %(number)s is on its way. Wait until it has arrived or failed."
    ),
    "transfer_changed": _l(
        "Something has changed for invoice %(number)s since this was shown. Nothing was booked; look at it again."
    ),
    "balance_changed": _l(
        "The balance has changed since: it is %(balance)s now. Nothing was booked; look at it again."
    ),
    "entry_decided": _l("Somebody has decided about this entry already."),
    "booking_over": _l("This payment cannot be taken back here."),
    "booking_used": _l(
        "What was too much of this payment has been used or paid back since, so the booking stays."
    ),
    "booking_credited": _l("Invoice %(number)s was credited since, so the booking stays."),
    "payout_nothing": _l("Enter an amount above zero."),
    "payout_beyond_balance": _l("At most %(maximum)s can be paid back."),
    "credit_changed": _l(
        "Something has changed since the credit note was shown. Look at it again before you issue it."
    ),
    "credit_of_order": _l(
        "Order %(order)s waits for the payment of this invoice. Withdraw the order instead: that credits the invoice."
    ),
    "grant_reason_missing": _l("Enter the reason."),
    "grant_changed": _l(
        "Credits were given or asked for since. Nothing was done; look at the list first."
    ),
    "grant_decided": _l("Somebody has decided about these credits already."),
    "grant_second_person": _l("Somebody else has to approve what you have asked for."),
    "grant_not_yours": _l("Only who asked for the credits can take that back."),
    "statement_no_file": _l("Choose the file of your bank."),
    "statement_too_large": _l(
        "This file is too large: at most 10 MB and 20,000 entries. Ask your bank for shorter periods."
    ),
    "statement_malformed": _l(
        "This file cannot be read. Download it from your bank again; nothing was imported."
    ),
    "statement_not_camt": _l(
        "This is no CAMT.053 statement. Choose that format at your bank; nothing was imported."
    ),
    "statement_other_account": _l(
        "This statement is of another bank account (%(iban)s), not of the one on your invoices. Nothing was imported."
    ),
    "nothing_to_credit": _l("Nothing of this invoice is left to be credited."),
    "credit_exceeds_invoice": _l("At most %(maximum)s can be credited."),
    "invoice_being_collected": _l(
        "A payment of invoice %(number)s is on its way. Wait for its outcome, then credit it."
    ),
    # The desk
    "cancelled_by_customer": _l(
        "The customer has cancelled this subscription; its last day is %(on)s. It can be changed again once they have undone the cancellation."
    ),
    "executive_unknown": _l("Choose somebody who works here."),
    "note_empty": _l("Enter the note."),
    "note_unknown": _l("There is no such note."),
    "task_unknown": _l("There is no such task."),
    "trial_unknown": _l("This customer has no such trial, or it has ended."),
    "trial_bought": _l("This is no trial any more: it is a paid subscription."),
    "trial_not_longer": _l("It lasts until %(on)s as it is. Choose a later day."),
    "trial_past": _l("This day is over where the customer is. Choose today or a later one."),
    "trial_too_long": _l("Choose a day up to %(on)s: a trial is extended by a year at most."),
}
