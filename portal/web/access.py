"""Every route declares its permission, or that it is public (rule 7 of the road)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal.domain.permissions import Permission, StaffPermission, is_allowed, is_staff_allowed
from portal.web.messages import problem_sentence
from portal.web.pages import see_other
from portal.web.signed_in import signed_in

__all__ = [
    "access_of",
    "check_every_route_declares",
    "enforce",
    "public",
    "requires",
    "signed_in_only",
    "staff_permission",
    "stays_open",
]  # fmt: skip

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "portal_access"
_STAYS_OPEN = "portal_stays_open"
PUBLIC, SIGNED_IN = "public", "signed_in"
_OF_STAFF = {permission.value: permission for permission in StaffPermission}


def _declare(access: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, access)
        return view

    return mark


def requires(permission: Permission | StaffPermission) -> Callable[[View], View]:
    """The route is for members of the current account that have `permission`, or for such staff."""
    return _declare(permission.value)


def stays_open(view: View) -> View:
    """A route that buys stays open while access is suspended: it pays what is owed (M5)."""
    setattr(view, _STAYS_OPEN, True)
    return view


def public(view: View) -> View:
    """The route is for everyone, signed in or not."""
    return _declare(PUBLIC)(view)


def signed_in_only(view: View) -> View:
    """The route is for any signed-in person and shows nothing of an account."""
    return _declare(SIGNED_IN)(view)


def access_of(view: Callable[..., Any]) -> str | None:
    """What `view` declares, or None."""
    return getattr(view, _ATTRIBUTE, None)


def staff_permission(access: str) -> StaffPermission | None:
    """The permission of staff that `access` names, or None where it is a customer's."""
    return _OF_STAFF.get(access)


def check_every_route_declares(app: Flask) -> None:
    """Refuse to start an app in which a route forgot to say who may use it."""
    forgot = sorted(
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if access_of(app.view_functions[rule.endpoint]) is None
    )
    if forgot:
        raise RuntimeError(f"routes without a declared permission: {', '.join(forgot)}")


def enforce() -> ResponseReturnValue | None:
    """Before every request: let through, ask to sign in, or refuse with the 403 page."""
    if request.endpoint is None:
        return None  # 404 and 405 are answered by the error pages
    access = access_of(current_app.view_functions[request.endpoint])
    assert access is not None, "the app does not start with a route that declares nothing"
    if access == PUBLIC:
        return None
    who = signed_in()
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    if who is None:
        if request.htmx:  # type: ignore[attr-defined]
            return "", 401, {"HX-Redirect": url_for("auth.sign_in")}
        return redirect(url_for("auth.sign_in", next=wanted), 303)
    if access == SIGNED_IN:
        return None
    of_staff = staff_permission(access)
    if of_staff is not None:
        if who.staff_role is None or not is_staff_allowed(who.staff_role, of_staff):
            abort(403)
        return None
    if who.account is None or who.role is None or who.member_status is None:
        return redirect(url_for("auth.accounts", next=wanted), 303)
    if not is_allowed(who.role, who.member_status, Permission(access)):
        abort(403)
    if who.account.is_suspended and _is_refused_while_suspended(access):
        flash(problem_sentence("account_suspended", {}), "warn")
        return see_other(url_for("owed.index"))
    return None


def _is_refused_while_suspended(access: str) -> bool:
    """The portal is read-only while access is suspended; paying, leaving and reading stay (M5)."""
    assert request.endpoint is not None
    view = current_app.view_functions[request.endpoint]
    return (
        request.method == "POST"
        and access == Permission.BUY.value
        and not getattr(view, _STAYS_OPEN, False)
    )
