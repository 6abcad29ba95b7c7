"""/licences/…/remove: how many seats, the renewal they are gone from, who loses access (S3 to S7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.labels import item_label
from portal.domain.permissions import Permission
from portal.domain.pricing import decide_vendor_tax
from portal.domain.seat_removal import (
    RemovalFrame,
    SeatRemoval,
    frame_removal,
    plan_seat_removal,
    waits_already,
)
from portal.domain.seats import may_change_seats
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.formats import format_day
from portal.queries.holders import HeldBy, count_active_admins, list_subscription_held
from portal.queries.quotes import AccountBuying, get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.seat_removal import remove_seats
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.licences.views import why_not
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.seat_removal.forms import RemovalForm
from portal.web.seat_removal.views import (
    Outcome,
    RemovalPage,
    outcome,
    people_rows,
    removable_items,
)
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("seat_removal", __name__, url_prefix="/licences")


@blueprint.route("/<int:subscription_id>/remove", methods=["GET", "POST"])
@requires(Permission.BUY)
def remove(subscription_id: int) -> ResponseReturnValue:
    """Enter how many; see the dates, the invoice, who loses access; review; confirm.

    A POST with `action=preview` or `review` writes nothing; `confirm` asks for the reduction.
    """
    who, connection = account(), read_connection()
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(connection, who.id, today)
    state = next((s for s in states if s.subscription_id == subscription_id), None)
    if state is None:
        abort(404)
    buying = get_account_buying(connection, who.id)
    item = _item(state)
    action = request.form.get("action", "review")
    if action == "confirm":
        done = waits_already(state, item.item_id, request.form.get("shown", ""))
        if done is not None:
            return _done(done)  # the second of two clicks (Q4)
    frame, blocked = _frame(state, item)
    if frame is None:
        return _explain(state, item, blocked, buying)
    page = _page(state, item, frame)
    form = RemovalForm()
    if request.method == "GET":
        form.remove.data = form.remove.data or request.args.get("remove", "")
    if request.method == "POST" and not form.validate():
        return _answer(page, form, buying, status=422)
    if not form.remove.data and (request.method == "GET" or action == "preview"):
        return _answer(page, form, buying)  # nothing typed yet is no mistake
    seen = _Seen(
        list_subscription_held(connection, who.id, subscription_id),
        count_active_admins(connection, who.id),
    )
    removal: SeatRemoval | None = None
    try:
        number = form.number(frame.most)
        removal = seen.plan(page, state, number, today, form.chosen)
        if request.method == "POST" and action == "confirm":
            return _confirmed(page, form, number)
    except DomainError as error:
        _put(form, error)
        status = 422 if request.method == "POST" else 200
        return _answer(page, form, buying, seen, removal, refused=error.code, status=status)
    usual = removal if form.chosen is None else seen.plan(page, state, number, today, None)
    form.usual.data = ",".join(str(one.member_id) for one in usual.losing)
    review = request.method == "POST" and action == "review"
    return _answer(page, form, buying, seen, removal, review=review)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Who holds licences of the subscription, and how many admins there are."""

    held: list[HeldBy]
    active_admins: int

    def plan(
        self, page: RemovalPage, state: SubscriptionState, number: int, today: date,
        chosen: tuple[int, ...] | None,
    ) -> SeatRemoval:  # fmt: skip
        return plan_seat_removal(
            state,
            page.item.item_id,
            number,
            held=[one.held for one in self.held],
            active_admins=self.active_admins,
            asked_on=today,
            notice_days=page.notice_days,
            chosen=chosen,
        )

    def of_item(self, item_id: int) -> list[HeldBy]:
        return [one for one in self.held if one.held.item_id == item_id]


def _confirmed(page: RemovalPage, form: RemovalForm, number: int) -> ResponseReturnValue:
    """Ask for the reduction as it was shown, and go to where it waits."""
    who, now = account(), parts().clock.now()
    chosen = form.chosen
    stop_reading()
    with transaction() as session:
        on = remove_seats(
            session,
            who.id,
            page.subscription_id,
            page.item.item_id,
            number,
            chosen=chosen,
            shown=request.form.get("shown", ""),
            catalogue=parts().catalogue,
            actor=acting_person(),
            now=now,
        )
    return _done(on)


def _done(on: date) -> ResponseReturnValue:
    day = format_day(on, speech().locale)
    flash(_("Your licences change on %(day)s. Until then you can undo it here.", day=day), "good")
    return see_other(url_for("licences.index"))


def _answer(
    page: RemovalPage,
    form: RemovalForm,
    buying: AccountBuying,
    seen: _Seen | None = None,
    removal: SeatRemoval | None = None,
    *,
    refused: str | None = None,
    review: bool = False,
    status: int = 200,
) -> ResponseReturnValue:
    held = seen.of_item(page.item.item_id) if seen is not None else []
    names = {one.held.assignment_id: one for one in held}
    losing = [names[one.assignment_id] for one in removal.losing] if removal is not None else []
    ticked = {one.held.member_id for one in losing} or set(form.free.data or ())
    return respond(
        "seat_removal/confirm.html" if review else "seat_removal/page.html",
        None if review else "seat_removal/_outcome.html",
        status,
        page=page,
        form=form,
        buying=buying,
        outcome=_outcome(removal, buying) if removal is not None else None,
        losing=losing,
        people=people_rows(held, ticked),
        admins=[one for one in held if one.held.is_admin and not one.held.consented],
        refused=refused,
    )


def _outcome(removal: SeatRemoval, buying: AccountBuying) -> Outcome:
    catalogue = parts().catalogue
    decision = decide_vendor_tax(
        catalogue.vendor, buying.country, buying.vat_number, buying.vat_status
    )
    return outcome(removal, decision, buying.currency, catalogue, speech().locale)


def _put(form: RemovalForm, error: DomainError) -> None:
    if isinstance(error, Rejected):
        form.problems(error)
    elif error.code in {"admins_must_consent", "too_many_removed", "nothing_removed"}:
        form.problem("remove", error_sentence(error))
    else:
        form.problem("", error_sentence(error))


def _item(state: SubscriptionState) -> ItemState:
    """The item of `?item=`, the plan where none is named; 404 for one without seats."""
    wanted = request.args.get("item")
    if wanted is None:
        return state.plan_item
    found = state.item(request.args.get("item", type=int))
    if found is None or not found.per_seat:
        abort(404)
    return found


def _frame(state: SubscriptionState, item: ItemState) -> tuple[RemovalFrame | None, str]:
    """When it would take effect, or the code of why the customer cannot remove any alone."""
    who, catalogue = account(), parts().catalogue
    blocked = may_change_seats(state, item, catalogue, who.payment_terms)
    if blocked is not None:
        return None, blocked
    today = parts().clock.today(who.time_zone)
    try:
        frame = frame_removal(state, item.item_id, today, catalogue.policy.change_notice_days)
    except DomainError as error:
        return None, error.code
    if not frame.seats:
        return None, "item_ends"
    return (frame, "") if frame.most else (None, "last_licence")


def _page(state: SubscriptionState, item: ItemState, frame: RemovalFrame) -> RemovalPage:
    catalogue, locale = parts().catalogue, speech().locale
    assert state.interval is not None, "what has a renewal has a billing period"
    return RemovalPage(
        subscription_id=state.subscription_id,
        product=catalogue.product(state.product_key).name.in_(locale),
        label=item_label(catalogue, state.product_key, item, locale),
        item=item,
        items=removable_items(state, catalogue, account().payment_terms, locale),
        interval=state.interval,
        frame=frame,
        notice_days=catalogue.policy.change_notice_days,
    )


def _explain(
    state: SubscriptionState, item: ItemState, blocked: str, buying: AccountBuying
) -> ResponseReturnValue:
    catalogue = parts().catalogue
    return respond(
        "seat_removal/not_possible.html",
        None,
        422 if request.method == "POST" else 200,
        label=item_label(catalogue, state.product_key, item, speech().locale),
        subscription_id=state.subscription_id,
        blocked=blocked,
        reason=why_not(state, item, catalogue),
        last_day=state.ends_on - timedelta(days=1) if state.ends_on else None,
        buying=buying,
        vendor=catalogue.vendor,
    )
