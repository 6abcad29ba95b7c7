"""What stands in the side navigation: the areas that exist and that the person may see."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app, request

from portal.domain.permissions import Permission, StaffRole, is_allowed
from portal.queries.sign_ins import SignedIn
from portal.web.access import access_of
from portal.web.locale import words
from portal.web.signed_in import signed_in

__all__ = ["install", "navigation"]

_KEY = "portal_navigation"
_STAFF_ROLES = {role.value for role in StaffRole}


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
    ("/support", N_("Support"), ("/requests",)),
    ("/activity", N_("Activity"), ()),
    ("/desk", N_("Desk"), ()),
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
    """One link of the navigation of this page."""

    path: str
    label: str
    current: bool


def navigation(section: str | None = None) -> list[Entry]:
    """The person's entries; the area at address `section` is current, else that of the request."""
    who = signed_in()
    if who is None:
        return []
    here = section or request.path
    return [
        Entry(area.path, words(area.label), _is_in(here, area))
        for area in current_app.extensions[_KEY]
        if _may_see(who, area.access) and (area.path != "/trial" or _has_trial(who))
    ]


def _is_in(path: str, area: Area) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in area.prefixes)


def _has_trial(who: SignedIn) -> bool:
    """Only who tries something is offered the page about it."""
    return who.account is not None and bool(who.account.trials)


def _may_see(who: SignedIn, access: str) -> bool:
    if access == "staff":
        return who.staff_role in _STAFF_ROLES
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
    app.extensions[_KEY] = [
        Area(path, label, access_by_path[path], (path, *more))
        for path, label, more in _AREAS
        if path in access_by_path
    ]
    app.extensions["portal_paths"] = frozenset(access_by_path)
    app.jinja_env.globals.update(
        navigation=navigation, has_page=lambda path: path in access_by_path
    )
