"""Who may do what: roles, permissions, and what an account's payment terms leave to its people."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a member is in an account."""

    ADMIN = "admin"
    BILLING_ADMIN = "billing_admin"
    MEMBER = "member"


class StaffRole(StrEnum):
    """What a person is for the vendor."""

    ACCOUNT_EXECUTIVE = "account_executive"
    OPERATOR = "operator"


class Permission(StrEnum):
    """What a route asks for. One that spends or changes money or licences asks for BUY."""

    SEE_LICENCES = "see_licences"
    SEE_WALLET = "see_wallet"
    SEE_MONEY = "see_money"
    SEE_ACTIVITY = "see_activity"
    ASK_SUPPORT = "ask_support"
    BUY = "buy"
    MANAGE_BILLING = "manage_billing"
    MANAGE_MEMBERS = "manage_members"


class StaffPermission(StrEnum):
    """What a route of the desk asks for.

    SERVE is the daily work for customers: an account executive's own, an operator's all of them.
    What is taken back or given away (credit notes, credits of wallets) and the portal's own
    operation are an operator's.
    """

    SERVE = "serve_customers"
    CREDIT = "credit_customers"
    OPERATE = "operate"


_MEMBER = frozenset({Permission.SEE_LICENCES, Permission.SEE_WALLET})
_BILLING_ADMIN = _MEMBER | {
    Permission.SEE_MONEY,
    Permission.SEE_ACTIVITY,
    Permission.ASK_SUPPORT,
    Permission.BUY,
    Permission.MANAGE_BILLING,
}
_GRANTED = {
    Role.MEMBER: _MEMBER,
    Role.BILLING_ADMIN: _BILLING_ADMIN,
    Role.ADMIN: _BILLING_ADMIN | {Permission.MANAGE_MEMBERS},
}


def is_allowed(role: str, status: str, permission: Permission) -> bool:
    """Whether a member of `role` and `status` (invited, active, deactivated) has `permission`.

    A deactivated member may still sign in and read the licences page (S6).
    """
    if status != "active":
        return permission is Permission.SEE_LICENCES
    return permission in _GRANTED[Role(role)]


_STAFF_GRANTED = {
    StaffRole.ACCOUNT_EXECUTIVE: frozenset({StaffPermission.SERVE}),
    StaffRole.OPERATOR: frozenset(StaffPermission),
}


def is_staff_allowed(role: str, permission: StaffPermission) -> bool:
    """Whether one of the vendor's people has `permission`, for those customers whom the role serves."""
    return permission in _STAFF_GRANTED[StaffRole(role)]


def serves_everyone(role: str) -> bool:
    """Whether a staff role serves all customers; else only those assigned to the person."""
    return StaffRole(role) is StaffRole.OPERATOR
