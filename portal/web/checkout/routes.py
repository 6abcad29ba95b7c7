"""The checkout: the payment step and the service order. The first incomplete step is where you land."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.payment_methods import refusal_of
from portal.domain.permissions import Permission, is_allowed
from portal.domain.quotes import terms_key
from portal.queries.members import AdminRow
from portal.queries.orders import CheckoutRow, get_checkout, get_payment_step
from portal.queries.payment_methods import PaymentMethodRow, get_default_method
from portal.services.checkout import save_billing_address, save_choice, save_contact
from portal.services.ordering import place_order
from portal.services.payment_settlement import settle_free_order
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.attempts import collect
from portal.web.checkout.forms import NEW_CONTACT, PaymentForm
from portal.web.locale import speech
from portal.web.messages import error_sentence, smallest_sentence
from portal.web.pages import respond, see_other
from portal.web.payment_method.starting import begin_setup
from portal.web.quotes.views import QuoteView, read_quote
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading

blueprint = Blueprint("checkout", __name__, url_prefix="/checkout/<int:quote_id>")

# What sends the customer back to the payment step rather than to the quote.
_PAYMENT_PROBLEMS = {
    "method_missing", "prepaid_card", "expired_card", "checkout_incomplete", "contact_needs_admin",
    "amount_too_small",
}  # fmt: skip


@blueprint.get("")
@requires(Permission.BUY)
def start(quote_id: int) -> ResponseReturnValue:
    """Go to the first step that is not complete."""
    view = read_quote(quote_id)
    elsewhere = _elsewhere(view)
    if elsewhere is not None:
        return see_other(elsewhere)
    chosen = get_checkout(read_connection(), account().id, quote_id)
    step = "checkout.service_order" if chosen and chosen.completed else "checkout.payment"
    return see_other(url_for(step, quote_id=quote_id))


@blueprint.route("/payment", methods=["GET", "POST"])
@requires(Permission.BUY)
def payment(quote_id: int) -> ResponseReturnValue:
    """Admin contact, payment method, billing address: each editable, kept when one goes back."""
    view = read_quote(quote_id)
    elsewhere = _elsewhere(view)
    if elsewhere is not None:
        return see_other(elsewhere)
    who, connection = account(), read_connection()
    chosen, admins = get_payment_step(connection, who.id, quote_id)
    method = get_default_method(connection, who.id)
    form = _payment_form(view, admins, chosen)
    status = 200
    if request.method == "POST":
        wants_method = request.form.get("action") == "method"
        if form.validate():
            refusal = None if wants_method else _refusal(view, method)
            try:
                _save_payment_step(form, quote_id, method, completed=refusal is None
                                   and not wants_method)  # fmt: skip
            except Rejected as rejected:
                form.problems(rejected)
            else:
                if wants_method:
                    return begin_setup(url_for("checkout.payment", quote_id=quote_id))
                if refusal is None:
                    return see_other(url_for("checkout.service_order", quote_id=quote_id))
                form.problem("", refusal)
        status = 422
    return respond(
        "checkout/payment.html",
        "checkout/_payment.html",
        status,
        view=view,
        form=form,
        method=method,
        method_refusal=_refusal(view, method) if method is not None else None,
        amount_refusal=_amount_refusal(view),
        somebody_new=_may_manage_members(),
    )


@blueprint.route("/service-order", methods=["GET", "POST"])
@requires(Permission.BUY)
def service_order(quote_id: int) -> ResponseReturnValue:
    """All of it on one page; the button says the amount, and what it says is what is charged."""
    if request.method == "POST":
        return _place(quote_id)
    view = read_quote(quote_id)
    elsewhere = _elsewhere(view)
    if elsewhere is not None:
        return see_other(elsewhere)
    return _service_order(view)


def _service_order(
    view: QuoteView, status: int = 200, problem: str | None = None
) -> ResponseReturnValue:
    who, connection = account(), read_connection()
    chosen = get_checkout(connection, who.id, view.quote.id)
    method = get_default_method(connection, who.id)
    if (
        chosen is None
        or not chosen.completed
        or chosen.payment_method_id != (method.id if method is not None else None)
        or _refusal(view, method) is not None
    ):
        return see_other(url_for("checkout.payment", quote_id=view.quote.id))
    assert view.priced is not None
    return respond(
        "checkout/service_order.html",
        "checkout/_service_order.html",
        status,
        view=view,
        chosen=chosen,
        method=method,
        shown=terms_key(view.priced),
        problem=problem,
        processing_hours=parts().catalogue.policy.order_processing_hours,
    )


def _place(quote_id: int) -> ResponseReturnValue:
    """Place the order once (Q4), collect, and go to its page, which says how it went."""
    who, here = account(), parts()
    stop_reading()
    try:
        with transaction() as session:
            placed = place_order(
                session,
                who.id,
                quote_id,
                shown=request.form.get("shown", ""),
                catalogue=here.catalogue,
                actor=acting_person(),
                now=here.clock.now(),
            )
            if placed.created and placed.attempt_id is None:
                settle_free_order(
                    session, placed.order_id, catalogue=here.catalogue, now=here.clock.now()
                )
    except DomainError as error:
        return _not_placed(quote_id, error)
    if placed.attempt_id is not None:
        collect(placed.attempt_id)
    return see_other(url_for("orders.show", order_id=placed.order_id))


def _not_placed(quote_id: int, error: DomainError) -> ResponseReturnValue:
    """Show what happened and what to do; nothing was charged."""
    view = read_quote(quote_id)  # 404 for a foreign or unknown quote
    if error.code == "terms_changed":
        return _service_order(
            view, 422, _("The amount has changed since this page was shown. Check the new amount.")
        )
    flash(error_sentence(error), "warn")
    if error.code in _PAYMENT_PROBLEMS:
        return see_other(url_for("checkout.payment", quote_id=quote_id))
    return see_other(url_for("quotes.review", quote_id=quote_id))


def _elsewhere(view: QuoteView) -> str | None:
    """Where to go when this quote is not to be checked out: its order, or its own page."""
    if view.quote.order_id is not None:
        return url_for("orders.show", order_id=view.quote.order_id)
    if not view.is_open or view.buying.payment_terms != "automatic":
        return url_for("quotes.review", quote_id=view.quote.id)
    return None


def _refusal(view: QuoteView, method: PaymentMethodRow | None) -> str | None:
    """Why the order cannot be paid with `method`, as a sentence; None if it can."""
    if view.priced is not None and view.priced.totals.gross.is_zero:
        return None
    if (too_small := _amount_refusal(view)) is not None:
        return too_small
    if method is None:
        return _("Add a payment method: a card or a SEPA debit.")
    code = refusal_of(method.funding, method.expires_year, method.expires_month, view.today)
    return error_sentence(DomainError(code)) if code else None


def _amount_refusal(view: QuoteView) -> str | None:
    """Why no card or debit can pay the order, as a sentence; None where one can."""
    return smallest_sentence(view.priced.totals.gross) if view.priced is not None else None


def _may_manage_members() -> bool:
    """Whether the signed-in person may name a contact who becomes an admin by it (DESIGN 1)."""
    who = signed_in()
    assert who is not None and who.role is not None and who.member_status is not None
    return is_allowed(who.role, who.member_status, Permission.MANAGE_MEMBERS)


def _payment_form(
    view: QuoteView, admins: list[AdminRow], chosen: CheckoutRow | None
) -> PaymentForm:
    person, buying, somebody_new = signed_in(), view.buying, _may_manage_members()
    assert person is not None
    offered = [(str(a.member_id), f"{a.name} · {a.email}") for a in admins]
    contact = next((str(a.member_id) for a in admins if a.person_id == person.person_id), None)
    if contact is None and admins:
        contact = str(admins[0].member_id)
    if chosen is not None and chosen.contact_member_id is not None:
        member_id = str(chosen.contact_member_id)
        if member_id not in dict(offered) and somebody_new:  # becomes admin with this order
            offered.append(
                (member_id, f"{chosen.contact_member_name} · {chosen.contact_member_email}")
            )
        if member_id in dict(offered):
            contact = member_id
    elif chosen is not None and chosen.contact_email and somebody_new:
        contact = NEW_CONTACT
    form = PaymentForm(
        data={
            "contact": contact or (NEW_CONTACT if somebody_new else None),
            "contact_name": chosen.contact_name if chosen else "",
            "contact_email": chosen.contact_email if chosen else "",
            "company_name": buying.company_name,
            "address_line1": buying.address_line1,
            "address_line2": buying.address_line2,
            "postal_code": buying.postal_code,
            "city": buying.city,
            "country": buying.country,
            "vat_number": buying.vat_number or "",
            "billing_email": buying.billing_email,
            "purchase_order": buying.purchase_order,
        }
    )
    form.offer(offered, speech().locale, somebody_new=somebody_new)
    return form


def _save_payment_step(
    form: PaymentForm, quote_id: int, method: PaymentMethodRow | None, *, completed: bool
) -> None:
    who, now, may = account(), parts().clock.now(), _may_manage_members()
    stop_reading()
    with transaction() as session:
        save_contact(
            session, who.id, quote_id, form.chosen_contact(), now, may_manage_members=may
        )  # fmt: skip
        save_billing_address(session, who.id, form.address(), actor=acting_person(), now=now)
        save_choice(
            session,
            who.id,
            quote_id,
            payment_method_id=method.id if method is not None else None,
            completed=completed,
            now=now,
        )
