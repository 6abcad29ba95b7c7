"""/desk/tasks: every desk task in words, by kind, open and done."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.permissions import StaffPermission
from portal.queries.desk_tasks import get_task, list_done_tasks, list_open_tasks, list_tasks_of
from portal.services.desk_tasks import finish_task, reopen_task
from portal.web.access import requires
from portal.web.desk.paging import LIST_PAGE, after_instant, cut
from portal.web.desk.serving import acting_staff, desk_account, served_by
from portal.web.desk.tasks.sentences import KINDS, task_views
from portal.web.pages import local_path, respond, see_other
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["blueprint"]

blueprint = Blueprint("desk_tasks", __name__, url_prefix="/desk")

_MOST_OF_ACCOUNT = 50


@blueprint.get("/tasks")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """The open tasks, the longest waiting first; or those that are done, the latest first."""
    kind, state = request.args.get("kind", ""), request.args.get("state", "open")
    if (kind and kind not in KINDS) or state not in ("open", "done"):
        abort(404)
    read = list_open_tasks if state == "open" else list_done_tasks
    rows = read(
        read_connection(), served_by(), kind=kind, behind=after_instant(), limit=LIST_PAGE + 1
    )
    shown, following = cut(
        rows, lambda row: f"{(row.done_at or row.created_at).isoformat()}~{row.id}"
    )
    return respond(
        "desk/tasks/index.html",
        "desk/tasks/_list.html",
        tasks=task_views(shown),
        following=following,
        kind=kind,
        state=state,
        kinds=KINDS,
    )


@blueprint.get("/accounts/<int:account_id>/tasks")
@requires(StaffPermission.SERVE)
def of_account(account_id: int) -> ResponseReturnValue:
    """The latest tasks of one customer."""
    account = desk_account(account_id)
    rows = list_tasks_of(read_connection(), account_id, limit=_MOST_OF_ACCOUNT)
    return respond("desk/tasks/of_account.html", account=account, tasks=task_views(rows))


@blueprint.post("/tasks/<int:task_id>/done")
@requires(StaffPermission.SERVE)
def done(task_id: int) -> ResponseReturnValue:
    """It has been seen to."""
    _task_or_404(task_id)
    stop_reading()
    with transaction() as session:
        was_open = finish_task(
            session, task_id, catalogue=parts().catalogue, actor=acting_staff(),
            now=parts().clock.now(),
        )  # fmt: skip
    if was_open:
        flash(_("The task is done."), "good")
    else:
        flash(_("Somebody else has done this task meanwhile."), "info")
    return see_other(local_path(request.form.get("next"), url_for("desk_tasks.index")))


@blueprint.post("/tasks/<int:task_id>/reopen")
@requires(StaffPermission.SERVE)
def reopen(task_id: int) -> ResponseReturnValue:
    """It is to be done after all."""
    _task_or_404(task_id)
    stop_reading()
    with transaction() as session:
        was_done = reopen_task(session, task_id)
    if was_done:
        flash(_("The task is open again."), "good")
    else:
        flash(_("The task is open."), "info")
    return see_other(local_path(request.form.get("next"), url_for("desk_tasks.index")))


def _task_or_404(task_id: int) -> None:
    if get_task(read_connection(), task_id, served_by()) is None:
        abort(404)
