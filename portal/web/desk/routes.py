"""/desk: what waits for the person at the desk, and whose transfers are overdue."""

from __future__ import annotations

from flask import Blueprint
from flask.typing import ResponseReturnValue

from portal.domain.permissions import StaffPermission
from portal.queries.desk_queue import count_queue, list_overdue, list_waiting_requests
from portal.queries.desk_support import list_desk_messages
from portal.queries.desk_tasks import list_open_tasks
from portal.web.access import requires
from portal.web.desk.paging import LIST_PAGE, after_date, cut
from portal.web.desk.serving import reader, served_by
from portal.web.desk.tasks.sentences import task_views
from portal.web.pages import respond
from portal.web.signed_in import parts, read_connection

__all__ = ["blueprint"]

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

_OLDEST = 10


@blueprint.get("")
@requires(StaffPermission.SERVE)
def index() -> ResponseReturnValue:
    """What waits: requests, messages, transfers that did not come, bank entries, tasks."""
    connection, mine = read_connection(), served_by()
    catalogue = parts().catalogue
    today, notice = (
        parts().clock.today(catalogue.vendor.time_zone), catalogue.policy.change_notice_days,
    )  # fmt: skip
    return respond(
        "desk/index.html",
        counts=count_queue(connection, reader(), today),
        requests=list_waiting_requests(connection, mine, today, notice, limit=_OLDEST),
        messages=list_desk_messages(connection, mine, status="new", behind=None, limit=_OLDEST),
        overdue=list_overdue(connection, mine, today, behind=None, limit=_OLDEST),
        tasks=task_views(list_open_tasks(connection, mine, kind="", behind=None, limit=_OLDEST)),
        now=parts().clock.now(),
        today=today,
        is_everyone=mine is None,
    )


@blueprint.get("/overdue")
@requires(StaffPermission.SERVE)
def overdue() -> ResponseReturnValue:
    """Every transfer that did not come in time, the longest overdue first."""
    today = parts().clock.today(parts().catalogue.vendor.time_zone)
    rows = list_overdue(
        read_connection(), served_by(), today, behind=after_date(), limit=LIST_PAGE + 1
    )
    shown, following = cut(rows, lambda row: f"{row.due_on.isoformat()}~{row.id}")
    return respond("desk/overdue.html", rows=shown, following=following, today=today)
