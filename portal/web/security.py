"""The headers of every answer, errors included; the forms' token; how far proxies are believed."""

from __future__ import annotations

from functools import lru_cache
from secrets import token_hex

from flask import Flask, Response, current_app, request, session
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.config import Settings
from portal.web.signed_in import signed_in

__all__ = ["account_in_use", "account_of_form", "install"]

_KEPT = "assets"  # the only blueprint whose answers are everybody's
# Chrome holds form-action against the redirect that follows a form, too: where cards are taken
# by Stripe, the way to its payment page must be open.
_STRIPE_PAGES = " https://checkout.stripe.com https://hooks.stripe.com"


def _headers(settings: Settings) -> dict[str, str]:
    form_action = "'self'" + (_STRIPE_PAGES if settings.stripe_secret_key else "")
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "manifest-src": "'self'",
        "form-action": form_action,
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Links in mails hold tokens: other sites learn at most our origin.
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if settings.secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return headers


def csrf_token() -> str:
    """What a form sends along: the session's secret, signed as Flask-WTF does it.

    It has no age (WTF_CSRF_TIME_LIMIT), so it is signed once for a session, not for every page.
    The account stands in it: every sign-in and every account that is entered begins a new secret.
    """
    raw = session.get("csrf_token")
    if not isinstance(raw, str):
        raw = session["csrf_token"] = f"{token_hex(20)}.{account_in_use()}"
    return _signed(str(current_app.secret_key), raw)


def account_in_use() -> int:
    """The id of the account that this request works in; 0 where it works in none."""
    who = signed_in()
    return who.account.id if who is not None and who.account is not None else 0


def account_of_form() -> int:
    """The account in which the form of this request was opened, however long ago.

    0 where it was opened in none, or where its token was not made here.
    """
    token = request.form.get("csrf_token") or request.headers.get("X-CSRFToken", "")
    try:
        raw = str(_serializer(str(current_app.secret_key)).loads(token))
    except BadData:
        return 0
    account_id = raw.rpartition(".")[2]
    return int(account_id) if account_id.isascii() and account_id.isdigit() else 0


@lru_cache(maxsize=4096)
def _signed(secret_key: str, raw: str) -> str:
    return str(_serializer(secret_key).dumps(raw))


def _serializer(secret_key: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret_key, salt="wtf-csrf-token")


def install(app: Flask) -> None:
    """Put the headers on every answer and read what the trusted proxies say."""
    settings: Settings = app.extensions["portal"].settings
    headers = list(_headers(settings).items())

    def protect(response: Response) -> Response:
        for name, value in headers:
            response.headers[name] = value
        # What is on screen or downloaded belongs to one person: nothing but assets is kept by a
        # cache or on a disk, whatever the view (Flask's send_file has a header of its own) says.
        if request.blueprint != _KEPT:
            response.headers["Cache-Control"] = "no-store"
        response.headers.setdefault("Cache-Control", "no-store")
        if request.endpoint in {"auth.link", "consents.show"}:  # the address is a secret
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.after_request(protect)
    app.jinja_env.globals["csrf_token"] = csrf_token
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops, x_port=0, x_prefix=0
        )
