"""An order's page: how far it is, what to do if it is not paid, and the way back from the bank."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue

from portal.domain.order_lines import SUBSCRIPTION_KINDS
from portal.domain.orders import UNRESOLVED
from portal.domain.periods import local_date
from portal.domain.permissions import Permission
from portal.queries.orders import OrderLineRow, OrderRow, get_order
from portal.web.access import requires, stays_open
from portal.web.attempts import flash_still_checked, give_up, look_up
from portal.web.locale import speech
from portal.web.orders.declines import decline_sentence
from portal.web.orders.views import line_label
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection

blueprint = Blueprint("orders", __name__, url_prefix="/orders/<int:order_id>")


@blueprint.get("")
@requires(Permission.SEE_MONEY)
def show(order_id: int) -> ResponseReturnValue:
    """Placed, paid, provisioning, done; or what happened instead and what to do."""
    order, lines = _order(order_id)
    locale, catalogue = speech().locale, parts().catalogue
    named = [(line_label(line, catalogue, locale), line) for line in lines]
    return respond(
        "orders/show.html",
        "orders/_progress.html",
        order=order,
        lines=named,
        of_subscriptions=any(line.kind in SUBSCRIPTION_KINDS for line in lines),
        unresolved=order.status in UNRESOLVED,
        decline=decline_sentence(order.failure) if order.failure else None,
        processing_hours=catalogue.policy.order_processing_hours,
        paid_from=_paid_from(order, lines),
    )


@blueprint.get("/return")
@requires(Permission.BUY)
def back_from_bank(order_id: int) -> ResponseReturnValue:
    """The return address of the bank's page: idempotent, and it trusts nothing that it is told."""
    order, _lines = _order(order_id)
    _refresh(order)
    return see_other(url_for("orders.show", order_id=order_id))


@blueprint.post("/check")
@requires(Permission.BUY)
@stays_open
def check(order_id: int) -> ResponseReturnValue:
    """Ask the provider again, for those who do not want to wait for the worker."""
    order, _lines = _order(order_id)
    if not _refresh(order):
        flash_still_checked()
    return see_other(url_for("orders.show", order_id=order_id))


@blueprint.post("/abandon")
@requires(Permission.BUY)
@stays_open
def abandon(order_id: int) -> ResponseReturnValue:
    """Give an unresolved payment up; it is cancelled at the provider first (Q1)."""
    order, _lines = _order(order_id)
    if order.attempt_id is not None and order.status in UNRESOLVED:
        give_up(order.attempt_id)
    return see_other(url_for("orders.show", order_id=order_id))


def _paid_from(order: OrderRow, lines: tuple[OrderLineRow, ...]) -> date | None:
    """The first paid day of a trial that was bought ahead: its free days stay free (C5)."""
    ahead = any((line.details or {}).get("after_trial") for line in lines)
    if not ahead or order.paid_at is None or order.invoiced_from is None:
        return None
    paid_on = local_date(order.paid_at, account().time_zone)
    return order.invoiced_from if order.invoiced_from > paid_on else None


def _refresh(order: OrderRow) -> bool:
    if order.attempt_id is None or order.status not in UNRESOLVED:
        return True
    return look_up(order.attempt_id)


def _order(order_id: int) -> tuple[OrderRow, tuple[OrderLineRow, ...]]:
    found = get_order(read_connection(), account().id, order_id)
    if found is None:
        abort(404)
    return found
