"""Sign-in by link, accounts, sessions."""

from __future__ import annotations

import hashlib

from flask import Blueprint, abort, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.db import transaction
from portal.domain.email_addresses import known_email
from portal.domain.errors import DomainError
from portal.extensions import limiter
from portal.queries.accounts import list_accounts_of
from portal.queries.links import find_link
from portal.queries.sessions import list_sessions
from portal.services import sign_in as signing_in
from portal.web.access import public, signed_in_only
from portal.web.auth.browsers import browser_name
from portal.web.auth.forms import SignInForm
from portal.web.locale import SESSION_KEY, chosen_before_sign_in
from portal.web.pages import local_path, respond, see_other
from portal.web.root import home_path
from portal.web.signed_in import (
    ROTATED_AT,
    parts,
    read_connection,
    signed_in,
    stop_reading,
    token_hash,
)

__all__ = ["blueprint"]

blueprint = Blueprint("auth", __name__)


def _mailbox_key() -> str:
    """The address that is typed, hashed: the limiter's store knows no e-mail addresses."""
    typed = known_email(request.form.get("email", ""))
    return "email:" + hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()


@blueprint.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The form: an e-mail address."""
    if signed_in() is not None:
        return redirect(local_path(request.args.get("next"), "") or home_path(), 303)
    form = SignInForm()
    if not form.next.data:
        form.next.data = local_path(request.args.get("next"), "")
    return respond("auth/sign_in.html", form=form)


@blueprint.post("/sign-in")
@public
@limiter.limit("30 per 10 minutes")
@limiter.limit("6 per 10 minutes", key_func=_mailbox_key)
def send_link() -> ResponseReturnValue:
    """Mail a link, if the address may sign in; the answer is the same if not."""
    form = SignInForm()
    if not form.validate():
        return respond("auth/sign_in.html", None, 422, form=form)
    stop_reading()
    with transaction() as writing:
        signing_in.send_link(
            writing,
            form.email.data or "",
            address=f"{parts().settings.public_url}{url_for('auth.sign_in')}",
            next_path=local_path(form.next.data, ""),
            locale=chosen_before_sign_in(),
            now=parts().clock.now(),
        )
    return see_other(url_for("auth.sent"))


@blueprint.get("/sign-in/sent")
@public
def sent() -> ResponseReturnValue:
    """Check your mailbox."""
    return respond("auth/sent.html", minutes=signing_in.LINK_MINUTES)


@blueprint.get("/sign-in/<token>")
@public
def link(token: str) -> ResponseReturnValue:
    """Ask for one press of a button: mail scanners open links, and must not use them up."""
    email = find_link(read_connection(), token_hash(token), parts().clock.now())
    if email is None:
        return respond("auth/link_invalid.html", None, 410)
    return respond("auth/confirm.html", email=email, token=token)


@blueprint.post("/sign-in/<token>")
@public
@limiter.limit("60 per 10 minutes")
def use_link(token: str) -> ResponseReturnValue:
    """Use up the link and begin a session."""
    stop_reading()
    try:
        with transaction() as writing:
            opened = signing_in.open_session(
                writing,
                token,
                browser=request.headers.get("User-Agent", "").replace("\0", ""),
                address=request.remote_addr or "",
                locale=chosen_before_sign_in(),
                now=parts().clock.now(),
            )
    except DomainError:
        return respond("auth/link_invalid.html", None, 410)
    _begin(opened.token, opened.locale)
    wanted = local_path(opened.next_path, "")
    home = home_path()
    if wanted and (opened.account_id is not None or home == url_for("desk.index")):
        return see_other(wanted)
    if wanted and home == url_for("auth.accounts"):
        return see_other(url_for("auth.accounts", next=wanted))
    return see_other(home)


@blueprint.post("/sign-out")
@signed_in_only
def sign_out() -> ResponseReturnValue:
    """End this session; the browser forgets everything but the language."""
    who = signed_in()
    assert who is not None
    stop_reading()
    with transaction() as writing:
        signing_in.end_session(writing, who.person_id, who.session_id, now=parts().clock.now())
    _forget(who.locale)
    flash(_("You are signed out."), "good")
    return see_other(url_for("auth.sign_in"))


@blueprint.get("/accounts")
@signed_in_only
def accounts() -> ResponseReturnValue:
    """The accounts of this person; `next` is the page that is wanted in the chosen one."""
    who = signed_in()
    assert who is not None
    choices = list_accounts_of(read_connection(), who.person_id)
    if not choices and who.staff_role is not None:
        return redirect(home_path(), 303)
    return respond("auth/accounts.html", who=who, choices=choices,
                   wanted=local_path(request.args.get("next"), ""))  # fmt: skip


@blueprint.post("/accounts/<int:account_id>")
@signed_in_only
def enter_account(account_id: int) -> ResponseReturnValue:
    """Go on in another account, at the page that was wanted."""
    who = signed_in()
    assert who is not None
    stop_reading()
    try:
        with transaction() as writing:
            token = signing_in.switch_account(
                writing, who.session_id, who.person_id, account_id, now=parts().clock.now()
            )
    except DomainError:
        abort(404)
    _begin(token, who.locale)
    return see_other(local_path(request.form.get("next"), "") or home_path())


@blueprint.get("/sessions")
@signed_in_only
def sessions() -> ResponseReturnValue:
    """Where this person is signed in."""
    who = signed_in()
    assert who is not None
    rows = list_sessions(read_connection(), who.person_id, parts().clock.now())
    return respond("auth/sessions.html", who=who, rows=rows, browser_name=browser_name)


@blueprint.post("/sessions/<int:session_id>/end")
@signed_in_only
def end_session(session_id: int) -> ResponseReturnValue:
    """End one session, this one included."""
    who = signed_in()
    assert who is not None
    stop_reading()
    with transaction() as writing:
        ended = signing_in.end_session(writing, who.person_id, session_id, now=parts().clock.now())
    if not ended:
        abort(404)
    if who.session_id in ended:  # by whichever row the page showed
        _forget(who.locale)
        flash(_("You are signed out."), "good")
        return see_other(url_for("auth.sign_in"))
    flash(_("That session has ended."), "good")
    return see_other(url_for("auth.sessions"))


@blueprint.post("/sessions/end-others")
@signed_in_only
def end_others() -> ResponseReturnValue:
    """End every session but this one."""
    who = signed_in()
    assert who is not None
    stop_reading()
    with transaction() as writing:
        count = signing_in.end_other_sessions(
            writing, who.person_id, who.session_id, now=parts().clock.now()
        )
    if count:
        flash(ngettext("%(num)s other session has ended.", "%(num)s other sessions have ended.",
                       count), "good")  # fmt: skip
    else:
        flash(_("You are signed in nowhere else."), "info")
    return see_other(url_for("auth.sessions"))


def _begin(token: str, locale: str) -> None:
    """A new cookie from nothing: what an attacker may have planted before sign-in is gone."""
    session.clear()
    session["_user_id"] = token
    session["_fresh"] = True
    session[SESSION_KEY] = locale
    session[ROTATED_AT] = int(parts().clock.now().timestamp())
    g.pop("_login_user", None)


def _forget(locale: str) -> None:
    session.clear()
    session[SESSION_KEY] = locale
    g.pop("_login_user", None)
