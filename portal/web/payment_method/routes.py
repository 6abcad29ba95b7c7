"""/billing/payment-method: the method in use, and the way to the provider's page and back."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.payment_methods import card_brand, expires_before
from portal.domain.permissions import Permission
from portal.payments.gateway import GatewayRefused, GatewayUnknown, Patience
from portal.queries.payment_methods import (
    MethodSetupRow,
    get_default_method,
    get_method_setup,
)
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.method_setup import finish_method_setup
from portal.web.access import requires
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.payment_method import removal
from portal.web.payment_method.expiring import expiring_card
from portal.web.payment_method.sentences import refusal_sentence
from portal.web.payment_method.starting import begin_setup, open_setup
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["blueprint"]

_CHECK_AGAIN_SECONDS = 5

blueprint = Blueprint("payment_method", __name__, url_prefix="/billing/payment-method")
removal.add_to(blueprint)
blueprint.add_app_template_filter(card_brand)


@blueprint.get("")
@requires(Permission.MANAGE_BILLING)
def show() -> ResponseReturnValue:
    """The present method and how to replace it."""
    return _page()


@blueprint.post("/setups")
@requires(Permission.MANAGE_BILLING)
def start() -> ResponseReturnValue:
    """Begin to save a method; the present one stays until the new one is confirmed (M3)."""
    try:
        return begin_setup(url_for("payment_method.show"))
    except DomainError as error:
        return _page(problem=error_sentence(error), status=422)


@blueprint.get("/setups/<int:setup_id>")
@requires(Permission.MANAGE_BILLING)
def show_setup(setup_id: int) -> ResponseReturnValue:
    """Our own page on the way: on to the provider, or what became of the visit."""
    setup = _own_setup(setup_id)
    response = _setup_page(setup)
    if setup.status == "open":
        response.headers["Refresh"] = f"0; url={setup.page_url}"
    return response


@blueprint.post("/setups/<int:setup_id>/open")
@requires(Permission.MANAGE_BILLING)
def open_again(setup_id: int) -> ResponseReturnValue:
    """The provider did not answer: ask once more, with the same key (M1)."""
    setup = _own_setup(setup_id)
    open_setup(setup.id)
    return see_other(url_for("payment_method.show_setup", setup_id=setup.id))


@blueprint.get("/setups/<int:setup_id>/return")
@requires(Permission.MANAGE_BILLING)
def returned(setup_id: int) -> ResponseReturnValue:
    """Back from the provider's page: its query is not trusted, the visit is read again."""
    setup = _own_setup(setup_id)
    there = parts()
    stop_reading()
    try:
        finish_method_setup(
            transaction,
            there.gateway,
            setup.id,
            now=there.clock.now(),
            patience=Patience.ON_SCREEN,
        )
    except (GatewayUnknown, GatewayRefused):
        # The webhook settles it in any case; meanwhile the page looks again by itself.
        response = _setup_page(setup, checking=True)
        response.headers["Refresh"] = str(_CHECK_AGAIN_SECONDS)
        return response
    except DomainError as error:
        flash(error_sentence(error), "bad")
        return redirect(setup.return_path, 303)
    setup = _own_setup(setup_id)
    if setup.status == "completed":
        flash(_("Your payment method is saved. It is used from now on."), "good")
    elif setup.status == "refused":
        flash(refusal_sentence(setup.refusal), "bad")
    else:
        _nothing_changed()
    return redirect(setup.return_path, 303)


@blueprint.get("/setups/<int:setup_id>/cancelled")
@requires(Permission.MANAGE_BILLING)
def cancelled(setup_id: int) -> ResponseReturnValue:
    """Back without having saved anything; the visit itself is the provider's to end."""
    setup = _own_setup(setup_id)
    _nothing_changed()
    return redirect(setup.return_path, 303)


def _nothing_changed() -> None:
    flash(_("No payment method was saved. Nothing was changed."), "info")


def _own_setup(setup_id: int) -> MethodSetupRow:
    return get_method_setup(read_connection(), account().id, setup_id) or abort(404)


def _page(problem: str | None = None, status: int = 200) -> Response:
    here, connection = account(), read_connection()
    method = get_default_method(connection, here.id)
    today = parts().clock.today(here.time_zone)
    states = list_subscription_states(connection, here.id, today)
    return respond(
        "payment_method/page.html",
        None,
        status,
        method=method,
        expired=method is not None
        and expires_before(method.expires_year, method.expires_month, today),
        expiring=expiring_card(method, states, here.payment_terms),
        buying=get_account_buying(connection, here.id),
        vendor=parts().catalogue.vendor,
        by_transfer=here.payment_terms != "automatic",
        debit_offered=here.currency == "EUR",
        configured=parts().gateway.name != "none",
        problem=problem,
    )


def _setup_page(setup: MethodSetupRow, *, checking: bool = False) -> Response:
    return respond(
        "payment_method/setup.html",
        setup=setup,
        state="checking" if checking else setup.status,
        refusal=refusal_sentence(setup.refusal) if setup.status == "refused" else None,
    )
