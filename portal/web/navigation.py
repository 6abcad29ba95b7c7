"""What stands in the side navigation: the areas that exist and that the person may see."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request

from portal.domain.permissions import Permission, is_allowed, is_staff_allowed
from portal.queries.sign_ins import SignedIn
from portal.web.access import access_of, staff_permission
from portal.web.locale import words
from portal.web.signed_in import signed_in

__all__ = ["at_desk", "install", "navigation"]

_KEY = "portal_navigation"
_DESK, _DESK_SUPPORT = "/desk", "/desk/support"


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark `text` for translation; `words()` speaks it, at a fifth of a lazy string's cost."""
    return text


# Address, words, and other addresses that belong to the area.
_AREAS = (
    ("/licences", N_("Licences"), ("/subscriptions",)),
    ("/trial", N_("Trial"), ()),
    ("/billing", N_("Billing"), ()),
    ("/quotes", N_("Quotes"), ("/cart", "/checkout", "/orders")),
    ("/invoices", N_("Invoices"), ()),
    ("/wallet", N_("Wallet"), ()),
    ("/members", N_("Members"), ()),
    ("/requests", N_("Requests"), ()),
    ("/support", N_("Support"), ()),
    ("/activity", N_("Activity"), ()),
    (_DESK, N_("Desk"), ()),
)
_DESK_AREAS = (
    (_DESK, N_("To do"), ()),
    ("/desk/requests", N_("Requests"), ()),
    ("/desk/accounts", N_("Customers"), ()),
    (_DESK_SUPPORT, N_("Support"), ()),
    ("/desk/tasks", N_("Tasks"), ()),
    ("/desk/statements", N_("Bank statements"), ()),
    ("/desk/credit-grants", N_("Credits to approve"), ()),
    ("/desk/operation", N_("Operation"), ()),
)


@dataclass(frozen=True, slots=True)
class Area:
    """One entry: its address, its English words, who may go there, what else belongs to it."""

    path: str
    label: str
    access: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the navigation of this page; `count` of what waits there, where it is counted."""

    path: str
    label: str
    current: bool
    count: int = 0


def navigation(section: str | None = None) -> list[Entry]:
    """The person's entries; the area at address `section` is current, else that of the request."""
    who = signed_in()
    if who is None:
        return []
    here = section or request.path
    customers, desk = current_app.extensions[_KEY]
    return [
        Entry(area.path, words(area.label), _is_in(here, area),
              who.waiting_messages if area.path == _DESK_SUPPORT else 0)
        for area in (desk if at_desk() else customers)
        if _may_see(who, area.access) and _has_use_for(who, area.path)
    ]  # fmt: skip


def at_desk() -> bool:
    """Whether this is a page of the desk, for one of the vendor's people: not of their account."""
    who = signed_in()
    path = request.path
    return bool(who and who.staff_role) and (path == _DESK or path.startswith(f"{_DESK}/"))


def _is_in(path: str, area: Area) -> bool:
    if area.path == _DESK and at_desk():  # it is no area of its own there, but the first page
        return path == _DESK
    return any(path == prefix or path.startswith(prefix + "/") for prefix in area.prefixes)


def _has_use_for(who: SignedIn, path: str) -> bool:
    """Only who tries something is offered the page about it, and who cannot buy alone the requests."""
    if path == "/trial":
        return who.account is not None and bool(who.account.trials)
    if path == "/requests":
        return who.account is not None and who.account.payment_terms == "bank_transfer"
    return True


def _may_see(who: SignedIn, access: str) -> bool:
    of_staff = staff_permission(access)
    if of_staff is not None:
        return who.staff_role is not None and is_staff_allowed(who.staff_role, of_staff)
    if who.account is None or who.role is None or who.member_status is None:
        return False
    if access in {"public", "signed_in"}:
        return True
    return is_allowed(who.role, who.member_status, Permission(access))


def install(app: Flask) -> None:
    """Find out which areas this app has; call it after the last blueprint."""
    access_by_path: dict[str, str] = {}
    for rule in app.url_map.iter_rules():
        if rule.methods and "GET" in rule.methods:
            access_by_path[rule.rule] = access_of(app.view_functions[rule.endpoint]) or ""
    app.extensions[_KEY] = tuple(
        [
            Area(path, label, access_by_path[path], (path, *more))
            for path, label, more in areas
            if path in access_by_path
        ]
        for areas in (_AREAS, _DESK_AREAS)
    )
    app.extensions["portal_paths"] = frozenset(access_by_path)
    app.jinja_env.globals.update(
        navigation=navigation, at_desk=at_desk, has_page=lambda path: path in access_by_path
    )
