"""/desk/requests: what customers ask for, by age and state; and seeing to one of them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.domain.requests import (
    OPEN_STATUSES,
    RequestKind,
    RequestStatus,
    RequestStep,
    can_take,
    plan_timeline,
)
from portal.queries.desk_accounts import DeskAccount
from portal.queries.requests import (
    get_request,
    get_request_to_handle,
    get_story,
    list_closed_queue,
    list_open_queue,
    list_requests,
)
from portal.services.request_handling import (
    confirm_request,
    decline_request,
    finish_request,
    take_request,
)
from portal.services.request_sending import write_message
from portal.web.access import requires
from portal.web.desk.paging import LIST_PAGE, after_instant, cut
from portal.web.desk.requests.forms import DeclineForm, ReplyForm
from portal.web.desk.requests.outcome import outcome_of
from portal.web.desk.serving import acting_staff, desk_account, served_by, staff_id
from portal.web.forms import PortalForm
from portal.web.locale import speech
from portal.web.messages import error_sentence, problem_sentence
from portal.web.pages import respond, see_other
from portal.web.requests.views import request_view, request_views
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_requests", __name__, url_prefix="/desk")

_MOST_OF_ACCOUNT = 50
_STATES = ("open", *(status.value for status in OPEN_STATUSES), "closed")


@blueprint.get("/requests")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """The queue: the longest waiting first; or what is finished, the latest first."""
    state = request.args.get("state", "open")
    if state not in _STATES:
        abort(404)
    connection, mine, behind = read_connection(), served_by(), after_instant()
    if state == "closed":
        rows = list_closed_queue(connection, mine, behind=behind, limit=LIST_PAGE + 1)
    else:
        status = "" if state == "open" else state
        rows = list_open_queue(
            connection, mine, status=status, behind=behind, limit=LIST_PAGE + 1
        )  # fmt: skip
    shown, following = cut(
        rows,
        lambda row: (
            f"{(row.request.closed_at or row.request.sent_at).isoformat()}~{row.request.id}"
        ),
    )
    locale, catalogue = speech().locale, parts().catalogue
    return respond(
        "desk/requests/index.html",
        "desk/requests/_list.html",
        rows=[(row, request_view(row.request, catalogue, locale)) for row in shown],
        following=following,
        state=state,
        states=_STATES,
        now=parts().clock.now(),
        today=parts().clock.today(catalogue.vendor.time_zone),
    )


@blueprint.get("/accounts/<int:account_id>/requests")
@requires(StaffPermission.SERVE)
def of_account(account_id: int) -> ResponseReturnValue:
    """The latest requests of one customer."""
    account = desk_account(account_id)
    found = list_requests(read_connection(), account_id, limit=_MOST_OF_ACCOUNT)
    views = request_views(found, parts().catalogue, speech().locale)
    return respond("desk/requests/of_account.html", account=account, requests=views)


@blueprint.get("/accounts/<int:account_id>/requests/<int:request_id>")
@requires(StaffPermission.SERVE)
def show(account_id: int, request_id: int) -> ResponseReturnValue:
    """What is asked, what it comes to, what was said, and what can be done about it."""
    return _show(desk_account(account_id), request_id, 200)


@blueprint.post("/accounts/<int:account_id>/requests/<int:request_id>/take")
@requires(StaffPermission.SERVE)
def take(account_id: int, request_id: int) -> ResponseReturnValue:
    """See to it from now on."""
    return _act(account_id, request_id, _("You see to this request now. The customer was told."),
                lambda session, version: take_request(
                    session, account_id, request_id, version=version,
                    catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
                ))  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/requests/<int:request_id>/confirm")
@requires(StaffPermission.SERVE)
def confirm(account_id: int, request_id: int) -> ResponseReturnValue:
    """Let what was shown wait for its renewal."""
    shown = request.form.get("shown", "")
    return _act(account_id, request_id, _("It is confirmed, and waits for the renewal."),
                lambda session, version: confirm_request(
                    session, account_id, request_id, version=version, shown=shown,
                    catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
                ))  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/requests/<int:request_id>/finish")
@requires(StaffPermission.SERVE)
def finish(account_id: int, request_id: int) -> ResponseReturnValue:
    """What was asked in words is done."""
    return _act(account_id, request_id, _("The request is done. The customer was told."),
                lambda session, version: finish_request(
                    session, account_id, request_id, version=version,
                    catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
                ))  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/requests/<int:request_id>/decline")
@requires(StaffPermission.SERVE)
def decline(account_id: int, request_id: int) -> ResponseReturnValue:
    """Say no, with the reason."""
    form = DeclineForm()
    if not form.validate():
        return _show(desk_account(account_id), request_id, 422, decline_form=form)
    return _act(account_id, request_id, _("The request is declined. The customer was told why."),
                lambda session, version: decline_request(
                    session, account_id, request_id, form.reason.data or "", version=version,
                    catalogue=parts().catalogue, actor=acting_staff(), now=parts().clock.now(),
                ), form)  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/requests/<int:request_id>/messages")
@requires(StaffPermission.SERVE)
def reply(account_id: int, request_id: int) -> ResponseReturnValue:
    """Write to the customer about it."""
    account, form = desk_account(account_id), ReplyForm()
    if get_request(read_connection(), account_id, request_id) is None:
        abort(404)
    if not form.validate():
        return _show(account, request_id, 422, reply_form=form)
    stop_reading()
    with transaction() as session:
        write_message(
            session, account_id, request_id, form.text.data or "", catalogue=parts().catalogue,
            actor=acting_staff(), now=parts().clock.now(),
        )  # fmt: skip
    flash(_("Your reply is on its way."), "good")
    return see_other(url_for("desk_requests.show", account_id=account_id, request_id=request_id))


def _act(
    account_id: int, request_id: int, done: str, action: Callable[[Session, int], object],
    decline_form: DeclineForm | None = None,
) -> ResponseReturnValue:  # fmt: skip
    """Do something with the request as it was shown; a colleague's work meanwhile is shown instead."""
    desk_account(account_id)
    if get_request(read_connection(), account_id, request_id) is None:
        abort(404)
    version = request.form.get("version", type=int) or 0
    stop_reading()
    try:
        with transaction() as session:
            action(session, version)
    except DomainError as error:
        return _show(desk_account(account_id), request_id, 422, error, decline_form=decline_form)
    flash(done, "good")
    return see_other(url_for("desk_requests.show", account_id=account_id, request_id=request_id))


def _show(
    account: DeskAccount, request_id: int, status: int, problem: DomainError | None = None, *,
    reply_form: PortalForm | None = None, decline_form: PortalForm | None = None,
) -> ResponseReturnValue:  # fmt: skip
    connection, catalogue = read_connection(), parts().catalogue
    found = get_request_to_handle(connection, account.id, request_id)
    if found is None:
        abort(404)
    row = found.request
    story = get_story(connection, request_id)
    kind, reached = RequestKind(row.kind), RequestStatus(row.status)
    outcome = outcome_of(connection, found, account, catalogue, speech().locale)
    return respond(
        "desk/requests/show.html",
        None,
        status,
        account=account,
        asked=request_view(row, catalogue, speech().locale),
        invoiced=found.invoiced,
        today=parts().clock.today(account.time_zone),
        timeline_entries=plan_timeline(kind, reached, story.steps),
        said=story.said,
        outcome=outcome,
        outcome_problem=_sentence(outcome.problem) if outcome and outcome.problem else None,
        open_to={step.value for step in RequestStep if can_take(kind, reached, step)},
        is_mine=row.handled_by_id == staff_id(),
        reply_form=reply_form or ReplyForm(formdata=None),
        decline_form=decline_form or DeclineForm(formdata=None),
        problem=_sentence(problem) if problem is not None else None,
        vendor=catalogue.vendor,
        now=parts().clock.now(),
        notice_days=catalogue.policy.change_notice_days,
    )


def _sentence(error: DomainError) -> str:
    """Why it is refused; a cancellation is undone by the customer, so nobody here is told to (C3)."""
    if error.code == "subscription_ends":
        return problem_sentence("cancelled_by_customer", error.data)
    return error_sentence(error)
