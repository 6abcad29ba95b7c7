"""Whom the person at the desk serves: rule 7 of the road for the vendor's own people.

An account executive sees the customers assigned to them, an operator all of them. A customer that
one does not serve, and whatever belongs to it, answers exactly as an absent one: 404.
"""

from __future__ import annotations

from flask import abort

from portal.domain.permissions import StaffPermission, is_staff_allowed, serves_everyone
from portal.queries.bank_statements import Reader
from portal.queries.desk_accounts import DeskAccount, get_desk_account
from portal.services.audit import Actor
from portal.web.locale import bind, speech
from portal.web.signed_in import read_connection, signed_in

__all__ = ["acting_staff", "desk_account", "may", "reader", "served_by", "staff_id"]


def staff_id() -> int:
    """The StaffMember of the person at the desk."""
    return _staff()[0]


def served_by() -> int | None:
    """The StaffMember whose customers a list is narrowed to; None for who serves everyone."""
    key, role = _staff()
    return None if serves_everyone(role) else key


def reader() -> Reader:
    """The person at the desk, whom bank entries are narrowed to."""
    who = signed_in()
    assert who is not None, "a route of the desk asks for a person"
    return Reader(who.person_id, served_by())


def may(permission: StaffPermission) -> bool:
    """Whether the person at the desk has `permission`, for what a page offers."""
    return is_staff_allowed(_staff()[1], permission)


def desk_account(account_id: int) -> DeskAccount:
    """The customer's account, or 404; from here on the page speaks the customer's time zone."""
    found = get_desk_account(read_connection(), account_id, served_by())
    if found is None:
        abort(404)
    bind(speech().locale, found.time_zone)
    return found


def acting_staff() -> Actor:
    """The person at the desk as the actor of what the request does."""
    who = signed_in()
    assert who is not None, "a route of the desk asks for a person"
    return Actor("staff", who.name, who.person_id)


def _staff() -> tuple[int, str]:
    who = signed_in()
    assert who is not None and who.staff_id is not None, "a route of the desk asks for staff"
    assert who.staff_role is not None, "staff has a role"
    return who.staff_id, who.staff_role
