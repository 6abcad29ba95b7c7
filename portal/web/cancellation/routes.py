"""Cancelling a subscription (C3): everything on one page, then one button."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.labels import label_of
from portal.domain.permissions import Permission
from portal.domain.pricing import decide_vendor_tax
from portal.domain.subscriptions import ChangeKind
from portal.queries.cancellation import get_affected
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import (
    SubscriptionRow,
    has_subscription,
    list_subscription_rows,
)
from portal.services.cancelling import cancel_subscription
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.cancellation.forms import CancelForm
from portal.web.cancellation.views import cancellation_view
from portal.web.changes.views import change_line
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import has_address, respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("cancellation", __name__, url_prefix="/licences")


@blueprint.route("/<int:subscription_id>/cancel", methods=["GET", "POST"])
@requires(Permission.BUY)
def cancel(subscription_id: int) -> ResponseReturnValue:
    """What happens, when, what else can be done; a POST cancels. Afterwards it is confirmed here.

    It is the customer's own business whatever the payment terms are.
    """
    found = _rows(subscription_id)
    if found is None:
        return _ended(subscription_id)
    row, others = found
    here = url_for("cancellation.cancel", subscription_id=subscription_id)
    if row.state.ends_on is not None:
        # Pressed twice: it is done, and the page says so.
        return see_other(here) if request.method == "POST" else _cancelled(row)
    if not row.state.is_running:
        return _nothing_to_cancel(row)
    form = CancelForm()
    if request.method == "GET":
        return _page(row, others, form)
    if not form.validate():
        return _page(row, others, form, 422)
    stop_reading()
    try:
        with transaction() as session:
            cancel_subscription(
                session,
                account().id,
                subscription_id,
                shown_on=form.shown_on or date.min,  # no day was shown: none can be meant
                reason=form.reason.data or "",
                comment=form.comment.data or "",
                catalogue=parts().catalogue,
                actor=acting_person(),
                now=parts().clock.now(),
            )
    except DomainError as error:
        form.problem("", error_sentence(error))
        found = _rows(subscription_id)
        if found is None:
            return _ended(subscription_id)
        row, others = found
        # Meanwhile somebody else has cancelled it, perhaps: then the page says so.
        return _page(row, others, form, 422) if _is_open(row) else see_other(here)
    return see_other(here)


def _ended(subscription_id: int) -> ResponseReturnValue:
    """On to what there is: the link of a confirmation by e-mail outlives the subscription."""
    if not has_subscription(read_connection(), account().id, subscription_id):
        abort(404)
    return see_other(url_for("licences.index"))


def _rows(subscription_id: int) -> tuple[SubscriptionRow, list[SubscriptionRow]] | None:
    """The subscription, and the account's others; None where it has ended or never was."""
    who = account()
    today = parts().clock.today(who.time_zone)
    rows = list_subscription_rows(read_connection(), who.id, today)
    row = next((r for r in rows if r.state.subscription_id == subscription_id), None)
    if row is None:
        return None
    return row, [r for r in rows if r is not row]


def _is_open(row: SubscriptionRow) -> bool:
    return row.state.is_running and row.state.ends_on is None


def _page(
    row: SubscriptionRow, others: list[SubscriptionRow], form: CancelForm, status: int = 200
) -> ResponseReturnValue:
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    buying = get_account_buying(connection, who.id)
    decision = decide_vendor_tax(
        catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )
    view = cancellation_view(
        row.state,
        [other.state for other in others],
        get_affected(connection, who.id, row.state.subscription_id),
        get_price_book(connection, who.currency),
        decision,
        catalogue,
        today,
        speech().locale,
    )
    form.on.data = view.time.effective_on.isoformat()
    return respond(
        "cancellation/cancel.html",
        None,
        status,
        subscription_id=row.state.subscription_id,
        view=view,
        form=form,
        decision=decision,
        notice_days=catalogue.policy.change_notice_days,
    )


def _cancelled(row: SubscriptionRow) -> ResponseReturnValue:
    """It is cancelled already: until when it works, and the way back."""
    state, catalogue, locale = row.state, parts().catalogue, speech().locale
    change = state.changes_of(ChangeKind.CANCEL)[0]
    return respond(
        "cancellation/cancelled.html",
        product=catalogue.product(state.product_key).name.in_(locale),
        line=change_line(state, change, catalogue, locale),
        data_export_url=catalogue.product(state.product_key).data_export_url,
    )


def _nothing_to_cancel(row: SubscriptionRow) -> ResponseReturnValue:
    """A trial ends by itself, and so does a suspended subscription that is not paid (M5)."""
    state, catalogue = row.state, parts().catalogue
    return respond(
        "cancellation/ends_by_itself.html",
        None,
        422 if request.method == "POST" else 200,
        product=label_of(catalogue, state.product_key, None, None, None, speech().locale),
        status=state.status,
        trial_ends_on=row.trial_ends_on,
        ends_on=state.period.end if state.period is not None else None,
        data_export_url=catalogue.product(state.product_key).data_export_url,
        can_pay=has_address("/invoices"),
    )
