"""The form of the billing details."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, Field, SelectField, StringField, TextAreaField
from wtforms.validators import Length, ValidationError

from portal.domain.errors import Rejected
from portal.queries.billing import BillingAccount
from portal.services.billing_details import BillingDetails, check_recipients
from portal.web.checkout.forms import country_choices, email_address, required
from portal.web.forms import PortalForm
from portal.web.messages import problem_sentence

__all__ = ["DetailsForm", "details_form"]


class DetailsForm(PortalForm):
    """Company, address, VAT number, contact, and who gets the invoices."""

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
    billing_contact = StringField(_l("Name of the billing contact"))
    billing_email = EmailField(
        _l("E-mail address of the billing contact"),
        validators=[
            *required(_l("Enter the e-mail address for invoices.")),
            Length(max=254),
            email_address,
        ],
    )
    invoice_recipients = TextAreaField(_l("Who else gets the invoices"))
    purchase_order = StringField(_l("Purchase order number"), validators=[Length(max=60)])

    def validate_invoice_recipients(self, field: Field) -> None:
        try:
            check_recipients(self.recipients(), self.billing_email.data or "")
        except Rejected as rejected:
            sentences = [problem_sentence(p.code, p.data) for p in rejected.problems]
            raise ValidationError(" ".join(sentences)) from rejected

    def details(self) -> BillingDetails:
        """The details as typed."""
        return BillingDetails(
            company_name=self.company_name.data or "",
            address_line1=self.address_line1.data or "",
            address_line2=self.address_line2.data or "",
            postal_code=self.postal_code.data or "",
            city=self.city.data or "",
            country=self.country.data,
            vat_number=self.vat_number.data or None,
            billing_contact=self.billing_contact.data or "",
            billing_email=self.billing_email.data or "",
            invoice_recipients=self.recipients(),
            purchase_order=self.purchase_order.data or "",
        )

    def recipients(self) -> tuple[str, ...]:
        """The addresses, one a line; commas and semicolons part them as well."""
        text = (self.invoice_recipients.data or "").replace(",", "\n").replace(";", "\n")
        return tuple(line.strip() for line in text.splitlines() if line.strip())


def details_form(account: BillingAccount, locale: str) -> DetailsForm:
    """The form, filled with the present details or with what was sent."""
    buying = account.buying
    form = DetailsForm(
        data={
            "company_name": buying.company_name,
            "address_line1": buying.address_line1,
            "address_line2": buying.address_line2,
            "postal_code": buying.postal_code,
            "city": buying.city,
            "country": buying.country,
            "vat_number": buying.vat_number or "",
            "billing_contact": buying.billing_contact,
            "billing_email": buying.billing_email,
            "invoice_recipients": "\n".join(account.invoice_recipients),
            "purchase_order": buying.purchase_order,
        }
    )
    form.country.choices = country_choices(locale)
    return form
