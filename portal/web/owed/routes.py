"""/billing/owed: what is owed and how to pay it; paying an invoice on screen, and its outcome."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money, total
from portal.domain.payment_methods import refusal_of
from portal.domain.permissions import Permission
from portal.queries.owed import OwedInvoice, get_owed_invoice, list_owed_invoices
from portal.queries.payment_methods import PaymentMethodRow, get_default_method
from portal.services.invoice_charges import pay_invoice
from portal.web.access import requires, stays_open
from portal.web.acting import acting_person
from portal.web.attempts import collect, flash_still_checked, give_up, look_up
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.orders.declines import decline_sentence
from portal.web.owed.views import owed_cards
from portal.web.pages import respond, see_other
from portal.web.payment_method.starting import begin_setup
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("owed", __name__)

_UNSETTLED = ("reserved", "unknown", "requires_action", "processing")
_LONGEST_AMOUNT = 15  # digits


@blueprint.app_template_filter("decline")
def decline(code: str) -> str:
    """Why a payment was declined, by its code, as a sentence."""
    return decline_sentence({"code": code})


@blueprint.get("/billing/owed")
@requires(Permission.SEE_MONEY)
def index() -> ResponseReturnValue:
    """Everything that is owed: why it was not collected, when the next try is, how to pay."""
    who, connection, here = account(), read_connection(), parts()
    today = here.clock.today(who.time_zone)
    method = get_default_method(connection, who.id)
    refusal = _refusal(method)
    cards = owed_cards(
        list_owed_invoices(connection, who.id),
        catalogue=here.catalogue,
        locale=speech().locale,
        has_method=method is not None and refusal is None,
        by_transfer=who.payment_terms != "automatic",
        today=today,
    )
    asked = [card.invoice.owed for card in cards if not card.is_waiting]
    return respond(
        "owed/index.html",
        "owed/_index.html",
        cards=cards,
        owed=total(asked, who.currency),
        invoices=len(asked),
        method=method,
        refusal=refusal,
        by_transfer=who.payment_terms != "automatic",
    )


@blueprint.post("/billing/owed/method")
@requires(Permission.MANAGE_BILLING)
def replace_method() -> ResponseReturnValue:
    """On to the provider's page; a new method pays what is owed at once (M5)."""
    try:
        return begin_setup(url_for("owed.index"))
    except DomainError as error:
        flash(error_sentence(error), "bad")
        return see_other(url_for("owed.index"))


@blueprint.post("/invoices/<number>/pay")
@requires(Permission.BUY)
@stays_open
def pay(number: str) -> ResponseReturnValue:
    """Charge the amount that was shown, once however often this comes (Q4), and show how it went."""
    invoice, who, here = _invoice(number), account(), parts()
    stop_reading()
    try:
        with transaction() as session:
            attempt_id = pay_invoice(
                session,
                who.id,
                number,
                shown=_shown(invoice),
                actor=acting_person(),
                now=here.clock.now(),
            )
    except DomainError as error:
        flash(error_sentence(error), "warn")
        return see_other(url_for("owed.index"))
    collect(attempt_id)
    return see_other(url_for("owed.payment", number=number))


@blueprint.get("/invoices/<number>/payment")
@requires(Permission.SEE_MONEY)
def payment(number: str) -> ResponseReturnValue:
    """How the payment of an invoice went, and what to do now."""
    invoice = _invoice(number)
    return respond(
        "owed/payment.html",
        "owed/_payment.html",
        invoice=invoice,
        decline=decline(invoice.decline_code or ""),
    )


@blueprint.get("/invoices/<number>/return")
@requires(Permission.BUY)
def back_from_bank(number: str) -> ResponseReturnValue:
    """The return address of the bank's page: idempotent, and it trusts nothing that it is told."""
    _refresh(_invoice(number))
    return see_other(url_for("owed.payment", number=number))


@blueprint.post("/invoices/<number>/payment/check")
@requires(Permission.BUY)
@stays_open
def check(number: str) -> ResponseReturnValue:
    """Ask the provider again, for those who do not want to wait for the worker."""
    if not _refresh(_invoice(number)):
        flash_still_checked()
    return see_other(url_for("owed.payment", number=number))


@blueprint.post("/invoices/<number>/payment/cancel")
@requires(Permission.BUY)
@stays_open
def cancel(number: str) -> ResponseReturnValue:
    """Give up a payment that waits for the bank; it is cancelled at the provider first."""
    invoice = _invoice(number)
    if invoice.attempt_id is not None and invoice.to_confirm:
        give_up(invoice.attempt_id)
    return see_other(url_for("owed.payment", number=number))


def _refresh(invoice: OwedInvoice) -> bool:
    if invoice.attempt_id is None or invoice.attempt_status not in _UNSETTLED:
        return True
    return look_up(invoice.attempt_id)


def _shown(invoice: OwedInvoice) -> Money:
    """The amount on the button that was pressed; none where it cannot be read."""
    text = request.form.get("shown", "")
    readable = text.isascii() and text.isdigit() and len(text) <= _LONGEST_AMOUNT
    return Money(int(text) if readable else 0, invoice.owed.currency)


def _refusal(method: PaymentMethodRow | None) -> str | None:
    """Why the present method cannot be charged, as a sentence; None where it can, or there is none."""
    if method is None:
        return None
    today = parts().clock.today(account().time_zone)
    code = refusal_of(method.funding, method.expires_year, method.expires_month, today)
    return error_sentence(DomainError(code)) if code else None


def _invoice(number: str) -> OwedInvoice:
    return get_owed_invoice(read_connection(), account().id, number) or abort(404)
