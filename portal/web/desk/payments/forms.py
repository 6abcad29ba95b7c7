"""Forms of the desk's payments: amounts as people type them, in the account's currency."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import DateField, HiddenField, StringField
from wtforms.validators import InputRequired

from portal.web.checkout.forms import required
from portal.web.forms import PortalForm

__all__ = ["CreditForm", "PayoutForm", "TransferForm"]


class TransferForm(PortalForm):
    """A transfer that arrived; `shown` is what booking it was said to do."""

    amount = StringField(_l("Amount that arrived"))
    received_on = DateField(_l("Arrived on"), [InputRequired(_l("Enter a date."))])
    reference = StringField(_l("What the payer wrote"))
    shown = HiddenField()


class PayoutForm(PortalForm):
    """Money of the balance that goes back to the customer's bank."""

    amount = StringField(_l("Amount to pay back"))
    note = StringField(
        _l("Bank account and reference of your transfer"),
        required(_l("Enter where it went: nothing else here records it.")),
    )
    shown = HiddenField()


class CreditForm(PortalForm):
    """Why an invoice is credited; the amounts by line are read from fields of their own."""

    reason = StringField(_l("Reason, as the customer reads it"), required(_l("Enter the reason.")))
    shown = HiddenField()
