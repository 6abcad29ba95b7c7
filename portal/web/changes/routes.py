"""Undoing a change that waits, from whatever page shows it; choosing who loses access by it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from portal.db import transaction
from portal.domain.errors import DomainError, Rejected
from portal.domain.permissions import Permission
from portal.domain.seat_removal import plan_losses
from portal.domain.subscriptions import ChangeKind
from portal.queries.holders import count_active_admins, list_subscription_held
from portal.queries.subscriptions import has_change, list_subscription_states
from portal.services.scheduling import undo_change
from portal.services.seat_removal import choose_who_loses
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.changes.views import change_line
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import local_path, respond, see_other
from portal.web.seat_removal.forms import PeopleForm
from portal.web.seat_removal.views import people_rows
from portal.web.signed_in import account, parts, read_connection, stop_reading

blueprint = Blueprint("changes", __name__, url_prefix="/changes")

_UNDONE: dict[ChangeKind, Any] = {
    ChangeKind.SEATS: _l("Undone: all licences stay."),
    ChangeKind.PLAN: _l("Undone: the plan stays as it is."),
    ChangeKind.ADD_ON: _l("Undone: the add-on stays as it is."),
    ChangeKind.PERIOD: _l("Undone: the billing period stays as it is."),
    ChangeKind.CANCEL: _l("Undone: the subscription goes on and renews as before."),
}


@blueprint.post("/<int:change_id>/undo")
@requires(Permission.BUY)
def undo(change_id: int) -> ResponseReturnValue:
    """Take a waiting change back (S5), and go on where one was (`next`)."""
    stop_reading()
    try:
        with transaction() as session:
            undone = undo_change(
                session,
                account().id,
                change_id,
                catalogue=parts().catalogue,
                actor=acting_person(),
                now=parts().clock.now(),
            )
    except DomainError as error:
        return _no_longer(change_id, error)
    flash(str(_UNDONE[undone.kind]), "good")
    return see_other(local_path(request.form.get("next"), url_for("licences.index")))


@blueprint.route("/<int:change_id>/people", methods=["GET", "POST"])
@requires(Permission.BUY)
def people(change_id: int) -> ResponseReturnValue:
    """Who loses a licence at the end of a reduction's renewal date, and choosing others (S6, S7)."""
    who, connection, catalogue = account(), read_connection(), parts().catalogue
    today = parts().clock.today(who.time_zone)
    states = list_subscription_states(connection, who.id, today)
    state = next((s for s in states if s.change(change_id) is not None), None)
    change = state.change(change_id) if state is not None else None
    if state is None or change is None:
        return _no_longer(change_id, DomainError("change_unknown"))
    if change.kind is not ChangeKind.SEATS:
        abort(404)
    form = PeopleForm()
    if request.method == "POST" and form.validate():
        if form.chosen is None:
            return see_other(url_for("licences.index"))
        try:
            _choose(change_id, form.chosen)
        except Rejected as rejected:
            form.problems(rejected)
        except DomainError as error:
            if error.code != "change_unknown":
                raise
            return _no_longer(change_id, error)
        else:
            flash(_("Your choice is saved. You can change it until the renewal."), "good")
            return see_other(url_for("licences.index"))
    held = list_subscription_held(read_connection(), who.id, state.subscription_id)
    admins = count_active_admins(read_connection(), who.id)
    losses = plan_losses(state, [one.held for one in held], active_admins=admins)
    loss = next((each for each in losses if each.on == change.effective_on), None)
    losing = loss.of_item(change.item_id or 0) if loss is not None else []
    ids = [one.member_id for one in losing]
    mine = [one for one in held if one.held.item_id == change.item_id]
    usual = form.usual.data if form.errors else ",".join(map(str, ids))
    return respond(
        "changes/people.html",
        None,
        422 if form.errors else 200,
        line=change_line(state, change, catalogue, speech().locale),
        form=form,
        usual=usual,
        people=people_rows(mine, set(form.free.data or ()) if form.errors else set(ids)),
        losing=[one for one in mine if one.held.member_id in ids],
        overhang=loss.plan.overhang if loss is not None else 0,
    )


def _no_longer(change_id: int, error: DomainError) -> ResponseReturnValue:
    """On to the licences from what waits no more, or is not undone alone: with the reason."""
    if not has_change(read_connection(), account().id, change_id):
        abort(404)
    flash(error_sentence(error), "warn")
    return see_other(local_path(request.form.get("next"), url_for("licences.index")))


def _choose(change_id: int, chosen: tuple[int, ...]) -> None:
    stop_reading()
    with transaction() as session:
        choose_who_loses(
            session,
            account().id,
            change_id,
            chosen,
            catalogue=parts().catalogue,
            actor=acting_person(),
            now=parts().clock.now(),
        )
