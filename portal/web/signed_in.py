"""The person behind the request, read once, lazily, with the request's reading connection."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from flask import Flask, current_app, g, request, session
from flask_login import current_user
from sqlalchemy.engine import Connection

from portal.db import reading, transaction
from portal.extensions import login_manager
from portal.parts import Parts
from portal.queries.sign_ins import AccountFacts, SignedIn, get_signed_in
from portal.services.sign_in import ROTATE_AFTER, renew_token

__all__ = [
    "ROTATED_AT",
    "account",
    "install",
    "parts",
    "read_connection",
    "renew_token_when_due",
    "signed_in",
    "stop_reading",
    "token_hash",
]

ROTATED_AT = "rotated_at"
"""Where the cookie keeps when its token was made (seconds since 1970)."""


def parts() -> Parts:
    """The parts of the running app."""
    return cast(Parts, current_app.extensions["portal"])


def read_connection() -> Connection:
    """The connection that this request reads with: opened at the first read, closed at its end."""
    if "reading" not in g:
        g.reading_context = reading()
        g.reading = g.reading_context.__enter__()
    return cast(Connection, g.reading)


def stop_reading(_error: BaseException | None = None) -> None:
    """Give the reading connection back (before a write, and at the end of the request)."""
    context = g.pop("reading_context", None)
    g.pop("reading", None)
    if context is not None:
        context.__exit__(None, None, None)


def token_hash(token: str) -> str:
    """What is stored of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def signed_in() -> SignedIn | None:
    """Who is signed in, or None."""
    user = current_user._get_current_object()
    return user if isinstance(user, SignedIn) else None


def account() -> AccountFacts:
    """The current account of a route that requires a permission in it."""
    who = signed_in()
    assert who is not None and who.account is not None, "the route declares no account permission"
    return who.account


def renew_token_when_due() -> None:
    """On a POST: replace a session token that is an hour old (a GET writes nothing)."""
    made = session.get(ROTATED_AT)
    if request.method != "POST" or not isinstance(made, int):
        return
    now = parts().clock.now()
    who = signed_in()
    if who is None or now.timestamp() - made < ROTATE_AFTER.total_seconds():
        return
    stop_reading()
    with transaction() as writing:
        token = renew_token(writing, who.session_id, now=now)
    if token is not None:
        session["_user_id"] = token
        session[ROTATED_AT] = int(now.timestamp())
        g.pop("_login_user", None)  # the session goes on in a new row


def install(app: Flask) -> None:
    """Bind flask-login: its user id is the session's token, looked up by its hash."""
    login_manager.init_app(app)
    login_manager.session_protection = None  # sessions are ours: rotated, listed, ended

    def load(token: str) -> Any:
        return get_signed_in(read_connection(), token_hash(token), parts().clock.now())

    login_manager.user_loader(load)
    app.teardown_request(stop_reading)
