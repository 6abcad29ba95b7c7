"""Who may do what: a table of roles, and what being deactivated leaves (S6)."""

from __future__ import annotations

import pytest

from portal.domain.permissions import (
    Permission,
    Role,
    StaffPermission,
    StaffRole,
    is_allowed,
    is_staff_allowed,
    serves_everyone,
)

EVERYTHING = set(Permission)
NOT_PEOPLE = EVERYTHING - {Permission.MANAGE_MEMBERS}
READS = {Permission.SEE_LICENCES}
MEMBER = READS | {Permission.SEE_WALLET}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.ADMIN, EVERYTHING), (Role.BILLING_ADMIN, NOT_PEOPLE), (Role.MEMBER, MEMBER)],
)
def test_what_each_role_may_do(role: Role, allowed: set[Permission]) -> None:
    assert {p for p in Permission if is_allowed(role, "active", p)} == allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("status", ["deactivated", "invited", "anything else"])
def test_S6_who_is_not_active_may_read_the_licences_page_and_nothing_else(
    role: Role, status: str
) -> None:
    assert {p for p in Permission if is_allowed(role, status, p)} == READS


def test_a_role_that_does_not_exist_is_a_mistake_and_not_a_permission() -> None:
    with pytest.raises(ValueError, match="owner"):
        is_allowed("owner", "active", Permission.BUY)


def test_an_account_executive_serves_their_own_and_an_operator_does_everything() -> None:
    def allowed(role: StaffRole) -> set[StaffPermission]:
        return {each for each in StaffPermission if is_staff_allowed(role, each)}

    assert allowed(StaffRole.ACCOUNT_EXECUTIVE) == {StaffPermission.SERVE}
    assert allowed(StaffRole.OPERATOR) == set(StaffPermission)
    assert not serves_everyone(StaffRole.ACCOUNT_EXECUTIVE)
    assert serves_everyone(StaffRole.OPERATOR)


@pytest.mark.parametrize("role", ["", "admin", "OPERATOR"])
def test_what_is_no_role_of_staff_is_a_mistake_and_not_a_permission(role: str) -> None:
    with pytest.raises(ValueError, match="not a valid StaffRole"):
        is_staff_allowed(role, StaffPermission.SERVE)
    with pytest.raises(ValueError, match="not a valid StaffRole"):
        serves_everyone(role)


def test_permissions_of_customers_and_of_staff_have_no_name_in_common() -> None:
    """A route declares either by its name alone."""
    assert not {each.value for each in Permission} & {each.value for each in StaffPermission}
