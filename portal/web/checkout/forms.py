"""The payment step's form: admin contact, payment method, billing address."""

from __future__ import annotations

from typing import Any
from unicodedata import combining, normalize

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, Field, Form, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError
from portal.formats import babel_locale
from portal.services.checkout import BillingAddress, Contact
from portal.web.forms import PortalForm
from portal.web.messages import error_sentence

__all__ = ["NEW_CONTACT", "PaymentForm", "country_choices", "email_address", "required"]

NEW_CONTACT = "new"
_NO_COUNTRIES = {"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"}


def country_choices(locale: str) -> list[tuple[str, str]]:
    """ISO country codes with their names in the language, sorted as it sorts."""
    territories = babel_locale(locale).territories
    return sorted(
        ((code, name) for code, name in territories.items()
         if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES),
        key=lambda pair: _plain(pair[1]),
    )  # fmt: skip


def _plain(name: str) -> str:
    """For sorting: Österreich stands with O, as it does in every language of the portal."""
    apart = normalize("NFKD", name.casefold())
    return "".join(sign for sign in apart if not combining(sign))


def email_address(_form: Form, field: Field) -> None:
    """Validator: an e-mail address of a form that can receive mail."""
    if field.data:
        try:
            normal_email(field.data)
        except DomainError as error:
            raise ValidationError(error_sentence(error)) from None


def required(sentence: Any) -> list[Any]:
    """Something was sent, and it is more than spaces."""
    return [InputRequired(sentence), DataRequired(sentence)]


class PaymentForm(PortalForm):
    """Everything the service order needs; nothing is created before the order is placed."""

    contact = RadioField(_l("Admin contact"), validators=required(_l("Choose the admin contact.")))
    contact_name = StringField(_l("Name"))
    contact_email = EmailField(_l("E-mail address"), validators=[Length(max=254), email_address])
    company_name = StringField(_l("Company"), validators=required(_l("Enter the company's name.")))
    address_line1 = StringField(
        _l("Street and number"), validators=required(_l("Enter the street and number."))
    )
    address_line2 = StringField(_l("Address, second line"))
    postal_code = StringField(
        _l("Postal code"),
        validators=[*required(_l("Enter the postal code.")), Length(max=20)],
    )
    city = StringField(_l("Town or city"), validators=required(_l("Enter the town or city.")))
    country = SelectField(_l("Country"))
    vat_number = StringField(_l("VAT number"), validators=[Length(max=40)])
    billing_email = EmailField(
        _l("Receipt and invoices go to"),
        validators=[
            *required(_l("Enter the e-mail address for receipts.")),
            Length(max=254),
            email_address,
        ],
    )
    purchase_order = StringField(_l("Purchase order number"), validators=[Length(max=60)])

    def offer(self, admins: list[tuple[str, str]], locale: str, *, somebody_new: bool) -> None:
        """Fill in what can be chosen; the last contact is a new one, for those who may make one."""
        new = [(NEW_CONTACT, _("Somebody new"))] if somebody_new else []
        self.contact.choices = [*admins, *new]
        self.country.choices = country_choices(locale)

    def validate_contact_name(self, field: Field) -> None:
        if self.contact.data == NEW_CONTACT and not field.data:
            raise ValidationError(_("Enter the new contact's name."))

    def validate_contact_email(self, field: Field) -> None:
        if self.contact.data == NEW_CONTACT and not field.data:
            raise ValidationError(_("Enter the new contact's e-mail address."))

    def chosen_contact(self) -> Contact:
        """Who the admin contact is to be."""
        if self.contact.data == NEW_CONTACT:
            return Contact(None, self.contact_name.data or "", self.contact_email.data or "")
        return Contact(int(self.contact.data))

    def address(self) -> BillingAddress:
        """The billing address as typed."""
        return BillingAddress(
            company_name=self.company_name.data or "",
            address_line1=self.address_line1.data or "",
            address_line2=self.address_line2.data or "",
            postal_code=self.postal_code.data or "",
            city=self.city.data or "",
            country=self.country.data,
            vat_number=self.vat_number.data or None,
            billing_email=self.billing_email.data or "",
            purchase_order=self.purchase_order.data or "",
        )
