"""One page of an account's activity in words: for the customer's own page and for the desk's."""

from __future__ import annotations

from typing import Any

from flask import abort, request

from portal.queries.activity import list_events, list_item_keys, list_member_names
from portal.web.activity.sentences import GROUPS, actions_of, ids_in, tell
from portal.web.locale import speech
from portal.web.signed_in import parts, read_connection

__all__ = ["PAGE", "read_activity"]

PAGE = 30
_LAST_PAGE = 10_000


def read_activity(account_id: int, currency: str) -> dict[str, Any]:
    """What `activity/_list.html` shows of the account: the page and the group of the address."""
    group = request.args.get("about", "")
    page_text = request.args.get("page", "1")
    page = int(page_text) if page_text.isascii() and page_text.isdigit() else 0
    if (group and group not in GROUPS) or not 1 <= page <= _LAST_PAGE:
        abort(404)
    connection = read_connection()
    events = list_events(
        connection,
        account_id,
        actions=actions_of(group) if group else None,
        limit=PAGE + 1,
        offset=(page - 1) * PAGE,
    )
    if page > 1 and not events:
        abort(404)
    shown = events[:PAGE]
    items = list_item_keys(connection, account_id, ids_in(shown, "item_id"))
    names = list_member_names(connection, account_id, ids_in(shown, "member_id"))
    return {
        "events": [tell(each, items, names, parts().catalogue, speech().locale, currency)
                   for each in shown],
        "has_more": len(events) > PAGE,
        "page": page,
        "group": group,
        "groups": GROUPS,
    }  # fmt: skip
