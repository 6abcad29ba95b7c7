"""How a route answers: a page, its fragment for htmx, or a way onwards."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, request

__all__ = ["has_address", "local_path", "respond", "see_other", "this_page", "wants_fragment"]

_LONGEST_PATH = 1_000


def wants_fragment() -> bool:
    """True where htmx asked for a part of the page; a boosted link or the back button wants all."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def respond(
    template: str, fragment: str | None = None, status: int = 200, /, **context: Any
) -> Response:
    """The page `template`, or `fragment` alone where htmx asked; both have the same `context`.

    With a status of 400 or more the page's title begins with "Error:" and its error summary
    takes the focus.
    """
    alone = fragment is not None and wants_fragment()
    chosen = fragment if alone and fragment is not None else template
    context.setdefault("failed", status >= 400)
    # Not flask.render_template: what it adds to each context are globals of our environment, too.
    page = current_app.jinja_env.get_template(chosen).render(context)
    response = current_app.response_class(page, status)
    response.headers["Vary"] = "HX-Request"
    return response


def has_address(path: str, method: str = "GET") -> bool:
    """Whether the portal has a page (or another answer) at `path`."""
    return current_app.url_map.bind("portal").test(path, method)


def see_other(url: str) -> Response:
    """On to `url` after a POST: 303, or for htmx a 200 that makes the browser go there."""
    if request.htmx:  # type: ignore[attr-defined]
        response = current_app.response_class(status=200)
        response.headers["HX-Redirect"] = url
    else:
        response = current_app.response_class(status=303)
        response.headers["Location"] = url
    response.headers["Vary"] = "HX-Request"
    return response


def local_path(candidate: str | None, otherwise: str = "/") -> str:
    """`candidate` if it is a path of this portal, else `otherwise`: never another site's address."""
    path = candidate or ""
    if len(path) > _LONGEST_PATH or not path.isprintable():
        return otherwise
    try:
        parts = urlsplit(path)
    except ValueError:  # "//[" begins an address of IPv6 and does not end it
        return otherwise
    if (
        parts.scheme
        or parts.netloc
        or not path.startswith("/")
        or path.startswith(("//", "/\\"))
        or "\\" in path
    ):
        return otherwise
    return path


def this_page() -> str:
    """The address under which the page on screen can be fetched again."""
    rule = request.url_rule
    if rule is not None and rule.methods and "GET" in rule.methods:
        return local_path(request.full_path.rstrip("?"))
    return "/"
