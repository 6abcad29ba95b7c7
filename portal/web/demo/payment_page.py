"""/demo/pay: the demo provider's own pages, where a method is saved and a payment is approved.

They stand for another company's site: outside the portal's navigation, open to whoever knows the
address, and marked as demo. They exist outside production only.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField
from wtforms.validators import Length

from portal.db import transaction
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway
from portal.payments.demo_hosted_page import ChargeVisit, SetupVisit
from portal.payments.demo_numbers import TEST_NUMBERS, Behaviour, TestNumber
from portal.payments.gateway import ChargeStatus, GatewayRefused, MethodKind, SetupStatus
from portal.services.demo_provider import deliver_demo_events
from portal.web.access import public
from portal.web.forms import PortalForm
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("demo_payment", __name__, url_prefix="/demo/pay")

_EXPIRY = re.compile(r"(0?[1-9]|1[0-2]) ?[/-] ?(?:20)?([0-9]{2})", re.ASCII)
_CVC = re.compile(r"[0-9]{3,4}", re.ASCII)
_SEPARATORS = re.compile(r"[\s-]")
EXAMPLE_EXPIRY = "12/34"
EXAMPLE_CVC = "123"

_WHAT_IT_DOES = {
    Behaviour.OK: _l("Works"),
    Behaviour.REFUSES_SAVING: _l("Is declined when it is saved"),
    Behaviour.GENERIC_DECLINE: _l("Is saved, and declined when it is charged"),
    Behaviour.INSUFFICIENT_FUNDS: _l("Is saved, and has not enough money when it is charged"),
    Behaviour.LOST_CARD: _l("Is saved, and reported lost when it is charged"),
    Behaviour.EXPIRED_CARD: _l("Is saved, and expired when it is charged"),
    Behaviour.FRAUDULENT: _l("Is saved, and blocked as fraud when it is charged"),
    Behaviour.AUTHENTICATE: _l("Asks you to approve every payment (3-D Secure)"),
    Behaviour.FAILS_LATER: _l("Is accepted, and fails three days later"),
    Behaviour.REVERSED_LATER: _l("Is paid after three days, and taken back two weeks later"),
    Behaviour.REFUND_FAILS: _l("Works, and cannot be refunded"),
    Behaviour.DISPUTE_LOST: _l("Works, and the holder takes the money back five days later"),
    Behaviour.DISPUTE_WON: _l("Works, is taken back five days later, and comes back after a month"),
}
_REFUSED = {
    "number_invalid": _l("This number is not right. Check its digits."),
    "number_not_a_test_number": _l("This is the demo: use one of the test numbers listed below."),
    "expiry_missing": _l("Enter month and year as they stand on the card, for example 12/34."),
    "expiry_past": _l("This date has passed. Enter the date of a card that is still good."),
    "card_declined": _l("The card was declined. Use another one."),
}


class CardForm(PortalForm):
    """A card as it is typed on the provider's page."""

    kind = HiddenField(default=MethodKind.CARD.value)
    number = StringField(_l("Card number"), validators=[Length(max=40)])
    expiry = StringField(_l("Expiry date"), validators=[Length(max=12)])
    cvc = StringField(_l("Security code"), validators=[Length(max=6)])


class DebitForm(PortalForm):
    """A bank account as it is typed on the provider's page."""

    kind = HiddenField(default=MethodKind.SEPA_DEBIT.value)
    number = StringField(_l("IBAN"), validators=[Length(max=50)])


@blueprint.get("/setups/<ref>")
@public
def setup_page(ref: str) -> ResponseReturnValue:
    """The form for a card or an IBAN; `?number=` fills a test number in."""
    visit = _setup_or_404(ref)
    test = next((t for t in TEST_NUMBERS if t.number == request.args.get("number")), None)
    kind = test.kind if test is not None else _kind_of(request.args.get("kind"), visit)
    form = _form(kind)
    if test is not None:
        form.number.data = test.grouped
        if isinstance(form, CardForm):
            form.expiry.data, form.cvc.data = EXAMPLE_EXPIRY, EXAMPLE_CVC
    return _setup_form(visit, kind, form)


@blueprint.post("/setups/<ref>")
@public
def save_method(ref: str) -> ResponseReturnValue:
    """Save the method, tell the portal by webhook, send the customer back."""
    visit = _setup_or_404(ref)
    kind = _kind_of(request.form.get("kind"), visit)
    form = _form(kind)
    if not form.validate():
        return _setup_form(visit, kind, form, 422)
    expires = _expiry(form) if isinstance(form, CardForm) else None
    number = _SEPARATORS.sub("", form.number.data or "").upper()
    if not number:
        form.problem("number", _("Enter the card number or IBAN."))
    if isinstance(form, CardForm):
        if expires is None:
            form.problem("expiry", str(_REFUSED["expiry_missing"]))
        if not _CVC.fullmatch(form.cvc.data or ""):
            form.problem("cvc", _("Enter the three or four digits of the security code."))
    if form.summary:
        return _setup_form(visit, kind, form, 422)
    stop_reading()
    try:
        demo_hosted_page.save_method(ref, kind, number, expires, parts().clock.now())
    except GatewayRefused as refused:
        if refused.code == "setup_closed":
            return see_other(request.path)
        field = "expiry" if refused.code.startswith("expiry") else "number"
        form.problem(field, str(_REFUSED[refused.code]))
        return _setup_form(visit, kind, form, 422)
    _announce(ref)
    return see_other(_in_portal(visit.return_url))


@blueprint.get("/charges/<ref>")
@public
def charge_page(ref: str) -> ResponseReturnValue:
    """The bank asks whether this payment, of this amount, is meant (3-D Secure)."""
    return _challenge(_charge_or_404(ref))


@blueprint.post("/charges/<ref>")
@public
def answer_challenge(ref: str) -> ResponseReturnValue:
    """The customer approves or refuses; the portal is told by webhook."""
    visit = _charge_or_404(ref)
    answer = request.form.get("answer")
    if answer not in {"approve", "fail"}:
        return _challenge(visit, 422)
    stop_reading()
    demo_hosted_page.answer_challenge(ref, approve=answer == "approve")
    _announce(ref)
    return see_other(_in_portal(visit.return_url))


def _form(kind: MethodKind) -> CardForm | DebitForm:
    return CardForm() if kind is MethodKind.CARD else DebitForm()


def _expiry(form: CardForm) -> tuple[int, int] | None:
    """Year and month typed as MM/YY or MM/YYYY."""
    match = _EXPIRY.fullmatch(form.expiry.data or "")
    return (2000 + int(match[2]), int(match[1])) if match else None


def _kind_of(text: str | None, visit: SetupVisit) -> MethodKind:
    wanted = [kind for kind in visit.kinds if kind.value == text]
    return wanted[0] if wanted else visit.kinds[0]


def _setup_or_404(ref: str) -> SetupVisit:
    _demo_gateway()
    try:
        return demo_hosted_page.get_setup_visit(ref)
    except GatewayRefused:
        abort(404)


def _charge_or_404(ref: str) -> ChargeVisit:
    _demo_gateway()
    try:
        return demo_hosted_page.get_charge_visit(ref)
    except GatewayRefused:
        abort(404)


def _demo_gateway() -> DemoGateway:
    gateway = parts().gateway
    return gateway if isinstance(gateway, DemoGateway) else abort(404)


def _announce(ref: str) -> None:
    """Post the webhook; a portal that fails to take it gets it again, and nobody waits for it."""
    there = parts()
    try:
        deliver_demo_events(there.gateway, transaction, there.catalogue, there.clock.now(), ref=ref)
    except Exception:
        current_app.logger.exception("the demo provider's event was not taken")


def _in_portal(url: str) -> str:
    """The address to return to on the host that the browser is on: localhost or 127.0.0.1."""
    parts_of = urlsplit(url)
    return f"{parts_of.path}?{parts_of.query}" if parts_of.query else parts_of.path


def _setup_form(
    visit: SetupVisit, kind: MethodKind, form: CardForm | DebitForm, status: int = 200
) -> Response:
    offered = [(test, _described(test)) for test in TEST_NUMBERS if test.kind in visit.kinds]
    return respond(
        "demo/payment_setup.html",
        None,
        status,
        visit=visit,
        is_open=visit.status is SetupStatus.OPEN,
        kind=kind,
        other_kinds=[other for other in visit.kinds if other is not kind],
        form=form,
        test_numbers=offered,
        return_path=_in_portal(visit.return_url),
        cancel_path=_in_portal(visit.cancel_url),
    )


def _described(test: TestNumber) -> str:
    if test.funding == "prepaid":
        return _("Prepaid: is saved here, and refused by the portal")
    return str(_WHAT_IT_DOES[test.behaviour])


def _challenge(visit: ChargeVisit, status: int = 200) -> Response:
    return respond(
        "demo/payment_challenge.html",
        None,
        status,
        visit=visit,
        waits=visit.status is ChargeStatus.REQUIRES_ACTION,
        return_path=_in_portal(visit.return_url),
    )
