"""The address of the portal itself, and what happens before every request."""

from __future__ import annotations

from flask import Blueprint, Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.web import access, bad_input, locale
from portal.web.access import public
from portal.web.pages import this_page
from portal.web.signed_in import renew_token_when_due, signed_in
from portal.web.templating import page_address

__all__ = ["blueprint", "home_path", "install"]

blueprint = Blueprint("root", __name__)

# These neither speak a language nor know a person: they must not open a session or the database.
_BARE = {"assets.asset_file", "assets.favicon", "operation.healthz", "operation.readyz",
         "operation.metrics", "static"}  # fmt: skip


@blueprint.get("/")
@public
def home() -> ResponseReturnValue:
    """To the licences, the chooser of accounts, the desk, or the sign-in page."""
    return redirect(home_path(), 303)


def home_path() -> str:
    """Where the person of this request begins."""
    who = signed_in()
    paths = current_app.extensions["portal_paths"]
    if who is None:
        return url_for("auth.sign_in")
    if who.account is None and who.staff_role is not None:
        return "/desk"
    if who.account is None or "/licences" not in paths:
        return url_for("auth.accounts")
    return "/licences"


def _before() -> ResponseReturnValue | None:
    if request.endpoint in _BARE:
        return None
    bad_input.guard()
    locale.bind()
    refused = access.enforce()
    if refused is None:
        renew_token_when_due()
    return refused


def install(app: Flask) -> None:
    """Guard, language, permission: in this order, before every page."""
    app.before_request(_before)
    app.jinja_env.globals.update(signed_in=signed_in, this_page=this_page, url_for=page_address)
