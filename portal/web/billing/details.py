"""/billing/details: whom the next invoices are addressed to, and the VAT that follows from it."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.money import Money
from portal.domain.permissions import Permission
from portal.domain.tax import VatStatus
from portal.domain.vat_numbers import KnownNumber, plan_vat_number
from portal.queries.billing import BillingAccount, get_billing_account, list_invoiced_ahead
from portal.queries.subscriptions import list_subscription_states
from portal.services.billing_details import MOST_RECIPIENTS, save_billing_details
from portal.services.vat_checking import ask_again
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.billing.forms import DetailsForm, details_form
from portal.web.billing.views import VatView, coming_invoices, vat_view
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["add_to", "present_number"]


def add_to(blueprint: Blueprint) -> None:
    """Add the routes of the details to the area."""
    blueprint.add_url_rule("/details", "details", details, methods=["GET", "POST"])
    blueprint.add_url_rule("/details/vat-check", "ask_vies", ask_vies, methods=["POST"])


def present_number(billing: BillingAccount) -> KnownNumber:
    """The account's VAT number and what is known of it."""
    buying = billing.buying
    return KnownNumber(buying.country, buying.vat_number, VatStatus(buying.vat_status))


@requires(Permission.MANAGE_BILLING)
def details() -> ResponseReturnValue:
    """Show and save the billing details.

    A POST with `action=preview` (the button without JavaScript, htmx after typing) tells which VAT
    would apply and writes nothing.
    """
    billing = get_billing_account(read_connection(), account().id)
    form = details_form(billing, speech().locale)
    saving = request.method == "POST" and request.form.get("action") != "preview"
    valid = form.validate() if saving else True
    vat = _vat(form, billing)
    if saving and valid and vat is not None:
        if not vat.changes or request.form.get("vat_shown") == vat.key:
            try:
                return see_other(_save(form))
            except Rejected as rejected:
                form.problems(rejected)
        else:
            form.problem(
                "country",
                _("With these details another VAT applies from the next invoice on. "
                  "See which one, and save once more."),
            )  # fmt: skip
    failed = request.method == "POST" and bool(form.summary)
    return _page(form, billing, vat, 422 if failed else 200)


@requires(Permission.MANAGE_BILLING)
def ask_vies() -> ResponseReturnValue:
    """Have the number asked about again."""
    stop_reading()
    try:
        with transaction() as session:
            ask_again(session, account().id, actor=acting_person(), now=parts().clock.now())
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("We ask VIES about your VAT number. The answer stands here soon."), "good")
    return see_other(url_for("billing.details"))


def _vat(form: DetailsForm, billing: BillingAccount) -> VatView | None:
    """What the typed country and number lead to; None, with the reason on its field, if wrong."""
    country = form.country.data
    if not any(choice[0] == country for choice in form.country.iter_choices()):
        if not form.country.errors:
            form.problem("country", _("Choose a country."))
        return None
    try:
        known = plan_vat_number(present_number(billing), form.vat_number.data or "", country)
    except DomainError as error:
        form.problem("vat_number", error_sentence(error))
        return None
    return vat_view(
        parts().catalogue.vendor, billing.buying, known.country, known.number, known.status
    )


def _save(form: DetailsForm) -> str:
    """Save, and say so on the overview."""
    who, now = account(), parts().clock.now()
    stop_reading()
    with transaction() as session:
        save_billing_details(session, who.id, form.details(), actor=acting_person(), now=now)
    flash(_("Your billing details are saved. They stand on your next invoices."), "good")
    return url_for("billing.index")


def _page(
    form: DetailsForm, billing: BillingAccount, vat: VatView | None, status: int
) -> ResponseReturnValue:
    gross: tuple[Money, Money] | None = None
    on = None
    if vat is not None:
        who, connection = account(), read_connection()
        states = list_subscription_states(connection, who.id, parts().clock.today(who.time_zone))
        by_transfer = who.payment_terms == "bank_transfer"
        ahead = list_invoiced_ahead(connection, who.id) if by_transfer else []
        before, after = (
            coming_invoices(states, ahead, decision, who.currency)
            for decision in (vat.before, vat.after)
        )
        if before is not None and after is not None:
            gross, on = (before.totals.gross, after.totals.gross), after.on
    present = present_number(billing)
    return respond(
        "billing/details.html",
        "billing/_vat.html",
        status,
        form=form,
        billing=billing,
        present=present,
        is_present=vat is not None
        and (form.country.data, form.vat_number.data or "")
        == (present.country, present.number or ""),
        vat=vat,
        gross=gross,
        next_on=on,
        most_recipients=MOST_RECIPIENTS,
    )
