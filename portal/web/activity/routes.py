"""The activity page."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from portal.domain.permissions import Permission
from portal.queries.activity import list_events, list_item_keys, list_member_names
from portal.web.access import requires
from portal.web.activity.sentences import GROUPS, actions_of, ids_in, tell
from portal.web.locale import speech
from portal.web.pages import respond
from portal.web.signed_in import account, parts, read_connection

blueprint = Blueprint("activity", __name__, url_prefix="/activity")

PAGE = 30
_LAST_PAGE = 10_000


@blueprint.get("")
@requires(Permission.SEE_ACTIVITY)
def index() -> ResponseReturnValue:
    """Who did what, when, with old and new values; the latest first."""
    group = request.args.get("about", "")
    page_text = request.args.get("page", "1")
    page = int(page_text) if page_text.isascii() and page_text.isdigit() else 0
    if (group and group not in GROUPS) or not 1 <= page <= _LAST_PAGE:
        abort(404)
    connection, who = read_connection(), account()
    events = list_events(
        connection,
        who.id,
        actions=actions_of(group) if group else None,
        limit=PAGE + 1,
        offset=(page - 1) * PAGE,
    )
    if page > 1 and not events:
        abort(404)
    shown = events[:PAGE]
    items = list_item_keys(connection, who.id, ids_in(shown, "item_id"))
    names = list_member_names(connection, who.id, ids_in(shown, "member_id"))
    return respond(
        "activity/index.html",
        "activity/_list.html",
        events=[tell(each, items, names, parts().catalogue, speech().locale, who.currency)
                 for each in shown],
        has_more=len(events) > PAGE,
        page=page,
        group=group,
        groups=GROUPS,
    )  # fmt: skip
