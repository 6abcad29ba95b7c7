"""Switching the language: on every page, remembered for the person, keeping what was typed.

The language menu's buttons belong to the page's main form (`form="…"`, `formaction`), so the
browser posts what was typed along with the choice, with or without JavaScript. The answer is a
redirect back to the page; what was typed travels in the signed session cookie, once, for a minute,
and only up to 2 KB (a cookie has 4). `kept_input()` gives it to the form of that page, in the
account it was typed in: another customer's details are never offered.
"""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, abort, g, request, session, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import update
from werkzeug.datastructures import ImmutableMultiDict

from portal.db import transaction
from portal.models import Person
from portal.web.access import public
from portal.web.locale import CHOSEN_KEY, LOCALES, SESSION_KEY
from portal.web.pages import local_path, respond, see_other, this_page
from portal.web.security import account_in_use
from portal.web.signed_in import parts, signed_in, stop_reading

__all__ = ["blueprint", "keep_input", "kept_input"]

blueprint = Blueprint("languages", __name__)

_KEPT = "typed"
_MOST = 2_000  # characters of names and values together
_SECONDS = 60
_NEVER_KEPT = ("csrf", "password", "token", "next", "secret", "cvc", "card_number")


@blueprint.get("/languages")
@public
def listing() -> ResponseReturnValue:
    """All languages as buttons: the way without a menu."""
    back = local_path(request.args.get("next"), url_for("languages.listing"))
    return respond("auth/languages.html", back=back)


@blueprint.post("/languages/<locale>")
@public
def switch(locale: str) -> Response:
    """Speak `locale` from now on, and go back to the page with what was typed in it."""
    if locale not in LOCALES:
        abort(404)
    back = local_path(
        request.args.get("next") or request.form.get("next"), url_for("languages.listing")
    )
    who = signed_in()
    if who is not None and who.locale != locale:
        stop_reading()
        with transaction() as session_:
            session_.execute(update(Person).where(Person.id == who.person_id).values(locale=locale))
    if who is None:  # the sign-in that follows writes it down for the person
        session[CHOSEN_KEY] = True
    session[SESSION_KEY] = locale
    keep_input(back, account_in_use())
    return see_other(back)


def keep_input(page: str, account_id: int) -> None:
    """Keep what this request's form holds for the next GET of `page`; no tokens, no passwords.

    `account_id` is that of the account it was typed in, 0 where that is none.
    """
    typed = [
        [name, value]
        for name, value in request.form.items(multi=True)
        if not any(part in name.lower() for part in _NEVER_KEPT)
    ]
    session.pop(_KEPT, None)
    if typed and sum(len(name) + len(value) for name, value in typed) <= _MOST:
        until = int(parts().clock.now().timestamp()) + _SECONDS
        session[_KEPT] = {
            "page": page, "until": until, "account": account_id, "fields": typed,
        }  # fmt: skip


def kept_input() -> ImmutableMultiDict[str, str] | None:
    """What was typed on this very page just before its language was switched, or None.

    It is taken out of the session by the first call and stays the same for the whole request.
    """
    if "kept_input" not in g:
        g.kept_input = _take()
    return cast("ImmutableMultiDict[str, str] | None", g.kept_input)


def _take() -> ImmutableMultiDict[str, str] | None:
    if request.method != "GET" or _KEPT not in session:
        return None
    kept = session[_KEPT]
    if kept["until"] < parts().clock.now().timestamp():
        session.pop(_KEPT)
        return None
    if kept["page"] != this_page():
        return None
    session.pop(_KEPT)
    if kept.get("account") != account_in_use():
        return None
    return ImmutableMultiDict([(name, value) for name, value in kept["fields"]])
