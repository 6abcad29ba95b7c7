"""/desk/support: messages by age and state, and seeing to one; the packages are in packages.py."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffPermission
from portal.queries.desk_accounts import DeskAccount
from portal.queries.desk_support import list_desk_messages
from portal.queries.support import get_message, list_messages, list_service_requests
from portal.services.support_answers import answer_message, close_message, reopen_message
from portal.web.access import requires
from portal.web.desk.paging import LIST_PAGE, after_instant, cut, page_number
from portal.web.desk.requests.forms import ReplyForm
from portal.web.desk.serving import acting_staff, desk_account, served_by
from portal.web.desk.support import packages
from portal.web.desk.support.views import package_name
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_support", __name__, url_prefix="/desk")

_PAGE = 20
_STATES = ("new", "answered", "closed")


@blueprint.get("/support")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """What waits for an answer, the longest first; or what is answered or closed, the latest first."""
    state = request.args.get("state", "new")
    if state not in _STATES:
        abort(404)
    rows = list_desk_messages(
        read_connection(), served_by(), status=state, behind=after_instant(), limit=LIST_PAGE + 1
    )
    shown, following = cut(rows, lambda row: f"{row.changed_at.isoformat()}~{row.id}")
    return respond(
        "desk/support/index.html",
        "desk/support/_list.html",
        rows=shown,
        following=following,
        state=state,
        now=parts().clock.now(),
    )


@blueprint.get("/accounts/<int:account_id>/support")
@requires(StaffPermission.SERVE)
def of_account(account_id: int) -> ResponseReturnValue:
    """What one customer wrote, the newest first, and the packages it asked for or bought."""
    account, connection = desk_account(account_id), read_connection()
    page = page_number()
    rows = list_messages(connection, account_id, limit=_PAGE + 1, offset=(page - 1) * _PAGE)
    if page > 1 and not rows:
        abort(404)
    asked = list_service_requests(connection, account_id)
    return respond(
        "desk/support/of_account.html", account=account, messages=rows[:_PAGE], page=page,
        has_more=len(rows) > _PAGE, services=[(package_name(row.package_key), row) for row in asked],
    )  # fmt: skip


@blueprint.get("/accounts/<int:account_id>/support/<int:message_id>")
@requires(StaffPermission.SERVE)
def message(account_id: int, message_id: int) -> ResponseReturnValue:
    """What was written, what was said after it, and answering it."""
    return _message(desk_account(account_id), message_id, 200)


@blueprint.post("/accounts/<int:account_id>/support/<int:message_id>/reply")
@requires(StaffPermission.SERVE)
def reply(account_id: int, message_id: int) -> ResponseReturnValue:
    """Answer: the customer reads it on the message's page, and by mail."""
    form = ReplyForm()
    if not form.validate():
        return _message(desk_account(account_id), message_id, 422, form)
    return _act(account_id, message_id, _("Your reply is on its way."),
                lambda session: answer_message(
                    session, message_id, form.text.data or "", catalogue=parts().catalogue,
                    actor=acting_staff(), now=parts().clock.now(), seen=_seen(),
                ), form)  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/support/<int:message_id>/close")
@requires(StaffPermission.SERVE)
def close(account_id: int, message_id: int) -> ResponseReturnValue:
    """Nothing more is to be done about it."""
    return _act(account_id, message_id, _("The message is closed."),
                lambda session: close_message(
                    session, message_id, actor=acting_staff(), now=parts().clock.now(),
                    seen=_seen(),
                ))  # fmt: skip


@blueprint.post("/accounts/<int:account_id>/support/<int:message_id>/reopen")
@requires(StaffPermission.SERVE)
def reopen(account_id: int, message_id: int) -> ResponseReturnValue:
    """Something is to be done about it after all."""
    return _act(account_id, message_id, _("The message is open again."),
                lambda session: reopen_message(
                    session, message_id, actor=acting_staff(), now=parts().clock.now(),
                ))  # fmt: skip


def _seen() -> int | None:
    """How many replies the page showed."""
    return request.form.get("seen", type=int)


def _act(
    account_id: int, message_id: int, done: str, action: Callable[[Session], object],
    form: ReplyForm | None = None,
) -> ResponseReturnValue:  # fmt: skip
    """Do something with the message as it was shown; what was written meanwhile is shown instead."""
    desk_account(account_id)
    if get_message(read_connection(), account_id, message_id) is None:
        abort(404)
    stop_reading()
    try:
        with transaction() as session:
            action(session)
    except DomainError as error:
        return _message(desk_account(account_id), message_id, 422, form, error)
    flash(done, "good")
    return see_other(url_for("desk_support.message", account_id=account_id, message_id=message_id))


def _message(
    account: DeskAccount, message_id: int, status: int, form: ReplyForm | None = None,
    problem: DomainError | None = None,
) -> ResponseReturnValue:  # fmt: skip
    found = get_message(read_connection(), account.id, message_id)
    if found is None:
        abort(404)
    row, said = found
    return respond(
        "desk/support/message.html",
        None,
        status,
        account=account,
        message=row,
        said=said,
        form=form or ReplyForm(formdata=None),
        problem=error_sentence(problem) if problem is not None else None,
        vendor=parts().catalogue.vendor,
    )


packages.add_to(blueprint)
