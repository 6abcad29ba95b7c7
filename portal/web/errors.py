"""What people see when something cannot be answered: a page in their language, never a trace.

For htmx the same words come as a fragment for the page's notices. Whatever goes wrong while an
error is answered ends in a plain page, so that an error never becomes a worse one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from urllib.parse import quote, urlsplit

from flask import (
    Flask,
    Response,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    session,
)
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_wtf.csrf import CSRFError
from markupsafe import escape
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError, TooManyRequests

from portal.domain.errors import DomainError, Rejected
from portal.extensions import limiter, login_manager
from portal.queries.accounts import Admin, list_admins
from portal.web.languages import keep_input
from portal.web.locale import LOCALES, SESSION_KEY, bind, is_bound
from portal.web.messages import error_sentence
from portal.web.operation import log, request_id
from portal.web.pages import local_path, wants_fragment
from portal.web.security import account_of_form
from portal.web.signed_in import parts, read_connection, signed_in

__all__ = ["error_page", "install"]

_SERVER_ERROR = 500


def error_page(
    status: int,
    title: str,
    text: str,
    *,
    way: tuple[str, str] | None = None,
    people: Sequence[Admin] = (),
    reference: str | None = None,
) -> Response:
    """The page of an error: what happened, what to do, where to go (`way` is address and words)."""
    if status >= _SERVER_ERROR:  # nobody is looked up while the database may be the trouble
        g._login_user = login_manager.anonymous_user()
    context = {"title": title, "text": text, "way": way, "people": people, "reference": reference}
    if request.path.startswith("/api/"):
        return make_response(jsonify(error=title, detail=text), status)
    if wants_fragment():
        response = make_response(render_template("errors/_fragment.html", **context), status)
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML"
    else:
        layout = "layouts/page.html" if signed_in() is not None else "layouts/plain.html"
        page = render_template("errors/error.html", layout=layout, failed=True, **context)
        response = make_response(page, status)
    response.headers["Vary"] = "HX-Request"
    return response


def _speak_at_all_costs() -> None:
    """Bind a language without asking the database, where none is bound yet."""
    if not is_bound():
        chosen = session.get(SESSION_KEY)
        locale = chosen if chosen in LOCALES else request.accept_languages.best_match(LOCALES)
        bind(locale or "en", parts().catalogue.vendor.time_zone)


def _home() -> tuple[str, str]:
    return "/", _("Go to the first page")


def _way_back() -> tuple[str, str]:
    """The page the person came from, if it is ours."""
    came_from = urlsplit(request.referrer or "")
    path = local_path(came_from.path + (f"?{came_from.query}" if came_from.query else ""), "")
    if path and came_from.netloc == request.host:
        return path, _("Go back to the page and try again")
    return _home()


def _bad_request(_error: HTTPException) -> Response:
    return error_page(
        400, _("This request cannot be read"),
        _("Something in the address or in the form is not as it should be. Nothing was changed."),
        way=_way_back(),
    )  # fmt: skip


def _csrf(_error: CSRFError) -> Response:
    """A form without the session's token: sent by another site, or open since an earlier sign-in."""
    way = _way_back()
    ours = request.headers.get("Origin") == request.host_url.rstrip("/")
    if ours and way[0] != "/":
        keep_input(way[0], account_of_form())  # it may be another's that is in use by now
    return error_page(
        403, _("This form is no longer valid"),
        _("The page was open for too long, or you have signed in again since. "
          "Nothing was changed. Open the page again and send the form once more."),
        way=way,
    )  # fmt: skip


def _unauthorized(_error: HTTPException) -> Response:
    return error_page(
        401, _("Please sign in"), _("You are not signed in, or your session has ended."),
        way=("/sign-in", _("Sign in")),
    )  # fmt: skip


def _forbidden(_error: HTTPException) -> Response:
    who = signed_in()
    people: Sequence[Admin] = ()
    text = _("Your role does not include this page.")
    if who is not None and who.account is not None:
        people = list_admins(read_connection(), who.account.id)
        if people:
            text = _("Your role in %(account)s does not include this page. These people can help you:",
                     account=who.account.name)  # fmt: skip
    return error_page(403, _("You cannot open this page"), text, way=_home(), people=people)


def _without_slash() -> str | None:
    """Where /licences/ was asked for: /licences, if that is a page of ours; else None.

    Two slashes in a row are left alone: a browser reads //name as another site.
    """
    path = request.path[:-1]
    if (
        request.routing_exception is None
        or request.method not in {"GET", "HEAD"}
        or not request.path.endswith("/")
        or "//" in request.path
        or not local_path(path, "")
    ):
        return None
    adapter = current_app.create_url_adapter(request)
    try:
        if adapter is None or not adapter.match(path, request.method):
            return None
    except HTTPException:  # no such page, none for a GET, or a redirect of its own
        return None
    query = request.query_string.decode("utf-8", "replace")
    return quote(path) + (f"?{query}" if query else "")


def _not_found(_error: HTTPException) -> Response:
    elsewhere = _without_slash()
    if elsewhere is not None:
        return make_response(redirect(elsewhere, 308))
    return error_page(
        404, _("There is no such page"),
        _("The address may be wrong, or what stood here belongs to another account."),
        way=_home(),
    )  # fmt: skip


def _method(error: HTTPException) -> Response:
    response = error_page(
        405, _("This page cannot be opened directly"),
        _("Use the links and buttons of the portal. Nothing was changed."), way=_home(),
    )  # fmt: skip
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers["Allow"] = value
    return response


def _too_large(_error: HTTPException) -> Response:
    response = error_page(
        413, _("That is too much at once"),
        _("What was sent is larger than the portal accepts. Nothing was changed."),
        way=_way_back(),
    )  # fmt: skip
    # The rest of the body is not read: the connection cannot serve another request.
    response.headers["Connection"] = "close"
    return response


def _media_type(_error: HTTPException) -> Response:
    return error_page(
        415, _("The portal cannot read this kind of data"),
        _("Nothing was changed. Use the forms of the portal."), way=_way_back(),
    )  # fmt: skip


def _unprocessable(_error: HTTPException) -> Response:
    return error_page(
        422, _("Something in the form needs another look"),
        _("The portal could not work with what was sent. Nothing was changed."), way=_way_back(),
    )  # fmt: skip


def _too_many(_error: TooManyRequests) -> Response:
    """The limiter itself adds Retry-After, to the second."""
    current = limiter.current_limit
    minutes = max(1, ceil((current.limit.get_expiry() if current else 60) / 60))
    return error_page(
        429,
        _("Too many attempts"),
        ngettext(
            "Please try again in a minute.",
            "Please try again later, in %(num)s minutes at the latest.",
            minutes,
        ),
        way=_way_back(),
    )


def _other(error: HTTPException) -> Response:
    status = error.code or _SERVER_ERROR
    if status < 400:
        return make_response(error.get_response(request.environ))
    return error_page(
        status, _("This request cannot be answered"), _("Nothing was changed."), way=_home()
    )


def _domain(error: DomainError) -> Response:
    """A rule said no and the route did not expect it: the reason, and nothing changed."""
    status = 422 if isinstance(error, Rejected) else 409
    log.warning("unhandled_domain_error", code=error.code, request_id=request_id())
    return error_page(status, _("This is not possible"), error_sentence(error), way=_way_back())


def _busy(error: Exception) -> Response:
    log.error("database_unavailable", request_id=request_id(), kind=type(error).__name__)
    response = error_page(
        503, _("The portal is busy"),
        _("It could not finish in time and changed nothing. Please try again in a moment."),
        way=_way_back(), reference=request_id(),
    )  # fmt: skip
    response.headers["Retry-After"] = "5"
    return response


def _failed(error: InternalServerError) -> Response:
    cause = error.original_exception or error
    kind, where = type(cause).__name__, request.url_rule.rule if request.url_rule else None
    # A database error repeats the values it was given, which may be a person's.
    trace = None if isinstance(cause, DBAPIError) else cause
    log.error("request_failed", request_id=request_id(), kind=kind, route=where, exc_info=trace)
    return error_page(
        500, _("Something went wrong on our side"),
        _("We have recorded it. Please try again; if it happens again, tell us the reference."),
        way=_home(), reference=request_id(),
    )  # fmt: skip


_LAST_RESORT = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Error</title></head>'
    "<body><h1>Something went wrong</h1><p>Please try again. Reference: {}</p></body></html>"
)


def install(app: Flask) -> None:
    """Answer every error with its page."""
    pages = {
        400: _bad_request, 401: _unauthorized, 403: _forbidden, 404: _not_found, 405: _method,
        413: _too_large, 415: _media_type, 422: _unprocessable, 429: _too_many, 500: _failed,
        CSRFError: _csrf, HTTPException: _other, DomainError: _domain,
        OperationalError: _busy, InterfaceError: _busy, PoolTimeout: _busy,
    }  # fmt: skip

    busy = (OperationalError, InterfaceError, PoolTimeout)

    def safely(page, error):
        try:
            _speak_at_all_costs()
            return page(error)
        except Exception as second:
            log.error("error_page_failed", request_id=request_id(), exc_info=second)
            status = error.code if isinstance(error, HTTPException) else None
            status = status or (503 if isinstance(error, busy) else _SERVER_ERROR)
            return make_response(_LAST_RESORT.format(escape(request_id())), status)

    for kind, page in pages.items():
        app.register_error_handler(kind, lambda error, page=page: safely(page, error))
