"""A request becomes an invoice in two clicks, its proration worked out (S2, I3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.offers import Offered
from portal.domain.permissions import StaffPermission
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, can_take
from portal.domain.subscriptions import SubscriptionState
from portal.domain.wishes import Seats, Switch, Wish
from portal.queries.desk_accounts import DeskAccount
from portal.queries.quotes import Holding, list_holdings
from portal.queries.requests import ChangeRequestRow, get_request
from portal.services.staff_quoting import invoice_offer
from portal.web.access import requires
from portal.web.buying import replaced_ids
from portal.web.desk.quoting.views import preview_offer, read_market
from portal.web.desk.serving import acting_staff, desk_account
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.requests.views import request_view
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["add_to"]


def add_to(blueprint: Blueprint) -> None:
    """The route, with those of the offers."""
    blueprint.add_url_rule(
        "/requests/<int:request_id>/invoice", view_func=invoice, methods=["GET", "POST"]
    )


@requires(StaffPermission.SERVE)
def invoice(account_id: int, request_id: int) -> ResponseReturnValue:
    """What the invoice of a request would be; then it is issued and on its way."""
    account = desk_account(account_id)
    row = get_request(read_connection(), account_id, request_id)
    if row is None:
        abort(404)
    kind, status = RequestKind(row.kind), RequestStatus(row.status)
    if request.method == "POST":
        return _issue(account, row)
    if not can_take(kind, status, RequestStep.INVOICE):
        return see_other(_of_request(account_id, request_id))
    if kind not in (RequestKind.MORE_SEATS, RequestKind.PLAN):
        return see_other(url_for("desk_quoting.draft", account_id=account_id, request=request_id))
    return _show(account, row)


def _wish(row: ChangeRequestRow, states: Sequence[SubscriptionState]) -> Wish:
    """What the request asks to buy; DomainError `item_gone` where it is not there any more."""
    item = next((x for s in states for x in s.items if x.item_id == row.item_id), None)
    if item is None:
        raise DomainError("item_gone", item_id=row.item_id)
    if row.kind == RequestKind.MORE_SEATS:
        return Seats(item.item_id, item.quantity + (row.quantity or 0))
    return Switch(item.item_id, row.target)


def _issue(account: DeskAccount, row: ChangeRequestRow) -> ResponseReturnValue:
    shown, version = request.form.get("shown", ""), request.form.get("version", type=int)
    replaces, catalogue, actor = replaced_ids(), parts().catalogue, acting_staff()
    try:
        offered = [Offered(_wish(row, read_market(account).states))]
        stop_reading()
        with transaction() as session:
            order = invoice_offer(
                session, account.id, offered, shown=shown, request_id=row.id,
                version=version or 0, replaces=replaces, catalogue=catalogue, actor=actor,
                now=parts().clock.now(),
            )  # fmt: skip
            order_id = order.id
    except DomainError as error:
        if error.code in ("request_overtaken", "request_went_on", "change_request_moved_on"):
            flash(error_sentence(error), "warn")
            return see_other(_of_request(account.id, row.id))
        again = desk_account(account.id)
        held = list_holdings(read_connection(), account.id)
        return _show(again, row, error, held)
    flash(_("The invoice is on its way to the customer."), "good")
    return see_other(url_for("desk_orders.show", account_id=account.id, order_id=order_id))


def _show(
    account: DeskAccount,
    row: ChangeRequestRow,
    problem: DomainError | None = None,
    holdings: Sequence[Holding] = (),
) -> ResponseReturnValue:
    market, offer, refusal = read_market(account), None, None
    try:
        offer = preview_offer(account, market, [Offered(_wish(row, market.states))])
    except DomainError as error:
        refusal = error_sentence(error)
    data = problem.data if problem is not None else {}
    in_the_way = cast("dict[int, str]", data.get("quotes", {}))
    held = {x.quote_id: x for x in holdings if x.quote_id in in_the_way}
    return respond(
        "desk/quoting/invoice.html",
        None,
        200 if problem is None else 422,
        account=account,
        asked=request_view(row, parts().catalogue, speech().locale),
        offer=offer,
        refusal=refusal,
        problem=error_sentence(problem) if problem is not None else None,
        replaced=list(held.values()),
        today=market.today,
        due_days=parts().catalogue.policy.invoice_due_days,
    )


def _of_request(account_id: int, request_id: int) -> str:
    return url_for("desk_requests.show", account_id=account_id, request_id=request_id)
