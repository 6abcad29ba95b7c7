"""The activity page."""

from __future__ import annotations

import re

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from portal.domain.permissions import Permission
from portal.web.access import requires
from portal.web.activity.reading import read_activity
from portal.web.pages import respond
from portal.web.signed_in import account

blueprint = Blueprint("activity", __name__, url_prefix="/activity")
_NUMBER = re.compile(r"\b(?:[A-Z0-9]+-)+\d+\b")


@blueprint.app_template_filter()
def unbroken_numbers(text: str) -> Markup:
    """A sentence in which no line ends at a hyphen of an order's or invoice's number."""
    spans = _NUMBER.sub(r'<span class="nowrap">\g<0></span>', str(escape(text)))
    return Markup(spans)  # noqa: S704 - escaped above, and a number holds nothing of HTML


@blueprint.get("")
@requires(Permission.SEE_ACTIVITY)
def index() -> ResponseReturnValue:
    """Who did what, when, with old and new values; the latest first."""
    who = account()
    found = read_activity(who.id, who.currency)

    def address(page: int = 1, about: str = found["group"]) -> str:
        return url_for("activity.index", page=page if page > 1 else None, about=about or None)

    return respond("activity/index.html", "activity/_list.html", **found, address=address)
