"""The activity page."""

from __future__ import annotations

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.domain.permissions import Permission
from portal.web.access import requires
from portal.web.activity.reading import read_activity
from portal.web.pages import respond
from portal.web.signed_in import account

blueprint = Blueprint("activity", __name__, url_prefix="/activity")


@blueprint.get("")
@requires(Permission.SEE_ACTIVITY)
def index() -> ResponseReturnValue:
    """Who did what, when, with old and new values; the latest first."""
    who = account()
    found = read_activity(who.id, who.currency)

    def address(page: int = 1, about: str = found["group"]) -> str:
        return url_for("activity.index", page=page if page > 1 else None, about=about or None)

    return respond("activity/index.html", "activity/_list.html", **found, address=address)
