"""/billing/payment-method/remove: what still needs the method, or one button that removes it."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.labels import label_of
from portal.domain.payment_methods import MethodNeed, NeedKind, plan_method_needs
from portal.domain.permissions import Permission
from portal.queries.method_needs import list_owed
from portal.queries.payment_methods import get_default_method
from portal.queries.subscriptions import list_subscription_states
from portal.services.method_removal import remove_method
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

__all__ = ["add_to"]

_MORE_THAN_ANY_ID = 2**63


def add_to(blueprint: Blueprint) -> None:
    """Bind the page to the payment method's addresses."""
    blueprint.add_url_rule("/remove", "remove", remove, methods=["GET", "POST"])


@requires(Permission.MANAGE_BILLING)
def remove() -> ResponseReturnValue:
    """Ask once more, or say why it stays; a POST removes the method that was shown."""
    if request.method == "GET":
        return _page()
    account_id, shown = account().id, request.form.get("method", 0, type=int)
    if not 0 < shown < _MORE_THAN_ANY_ID:
        shown = 0  # nothing has this number
    stop_reading()
    try:
        with transaction() as session:
            removed = remove_method(
                session, account_id, shown, actor=acting_person(), now=parts().clock.now()
            )
    except DomainError as error:
        return _page(error_sentence(error), 422)
    if removed:
        flash(_("Your payment method is removed. Nothing is charged any more."), "good")
    else:
        flash(_("This payment method is not in use any more. Nothing was changed."), "info")
    return see_other(url_for("payment_method.show"))


def _page(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    who, connection = account(), read_connection()
    method = get_default_method(connection, who.id)
    if method is None:  # removed meanwhile, or never there
        return see_other(url_for("payment_method.show"))
    states = list_subscription_states(connection, who.id, parts().clock.today(who.time_zone))
    needs = plan_method_needs(states, list_owed(connection, who.id))
    return respond(
        "payment_method/remove.html",
        None,
        status,
        method=method,
        needs=[(need, _label(need)) for need in needs],
        problem=problem,
    )


def _label(need: MethodNeed) -> str:
    if need.kind is not NeedKind.RENEWAL:
        return need.name
    return label_of(parts().catalogue, need.name, None, None, None, speech().locale)
