"""/desk/accounts/…/orders: an order that waits for its transfer, granted early or taken back (Q3)."""

from __future__ import annotations

from flask import Blueprint, abort, flash, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import TextAreaField
from wtforms.validators import Length

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.order_lines import SUBSCRIPTION_KINDS
from portal.domain.permissions import StaffPermission
from portal.queries.orders import OrderLineRow, OrderRow, get_order
from portal.services.transfer_lapsing import withdraw_order
from portal.services.transfer_orders import grant_early
from portal.web.access import requires
from portal.web.checkout.forms import required
from portal.web.desk.serving import acting_staff, desk_account
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.orders.declines import decline_sentence
from portal.web.orders.views import line_label
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint(
    "desk_orders", __name__, url_prefix="/desk/accounts/<int:account_id>/orders/<int:order_id>"
)


class GrantForm(PortalForm):
    """Why an order is granted before its money: it stands in the activity of the account."""

    reason = TextAreaField(
        _l("Why before the payment"), [*required(_l("Enter the reason.")), Length(max=500)]
    )


@blueprint.get("")
@requires(StaffPermission.SERVE)
def show(account_id: int, order_id: int) -> ResponseReturnValue:
    """What was ordered, its invoice, and whether it works yet."""
    return _show(account_id, order_id, GrantForm(formdata=None))


@blueprint.post("/grant")
@requires(StaffPermission.SERVE)
def grant(account_id: int, order_id: int) -> ResponseReturnValue:
    """Have it work before the money has come: an explicit choice, recorded with its reason."""
    desk_account(account_id)
    form = GrantForm()
    if not form.validate():
        return _show(account_id, order_id, form, 422)
    _get(account_id, order_id)
    stop_reading()
    try:
        with transaction() as session:
            grant_early(
                session, account_id, order_id, reason=form.reason.data or "",
                catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
            )  # fmt: skip
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("It works now. The invoice stays open until it is paid."), "good")
    return _back(account_id, order_id)


@blueprint.post("/withdraw")
@requires(StaffPermission.SERVE)
def withdraw(account_id: int, order_id: int) -> ResponseReturnValue:
    """Take it back, and credit its invoice."""
    desk_account(account_id)
    _get(account_id, order_id)
    stop_reading()
    try:
        with transaction() as session:
            withdraw_order(
                session, account_id, order_id, catalogue=parts().catalogue, actor=acting_staff(),
                now=parts().clock.now(),
            )  # fmt: skip
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("The order is withdrawn, and its invoice is credited."), "good")
    return _back(account_id, order_id)


def _get(account_id: int, order_id: int) -> tuple[OrderRow, tuple[OrderLineRow, ...]]:
    found = get_order(read_connection(), account_id, order_id)
    if found is None:
        abort(404)
    return found


def _back(account_id: int, order_id: int) -> ResponseReturnValue:
    return see_other(url_for("desk_orders.show", account_id=account_id, order_id=order_id))


def _show(
    account_id: int, order_id: int, form: GrantForm, status: int = 200
) -> ResponseReturnValue:
    account = desk_account(account_id)
    order, lines = _get(account_id, order_id)
    catalogue, locale = parts().catalogue, speech().locale
    return respond(
        "desk/orders/show.html",
        None,
        status,
        account=account,
        order=order,
        lines=[(line_label(line, catalogue, locale), line) for line in lines],
        of_subscriptions=any(line.kind in SUBSCRIPTION_KINDS for line in lines),
        ended=decline_sentence(order.failure) if order.failure else None,
        form=form,
    )
