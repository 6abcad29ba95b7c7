"""Who may get a licence (S7, S9)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.domain.assignments import (
    may_assign,
    plan_assignments,
    recorded_overhang,
    require_licence_to_return,
)
from portal.domain.errors import DomainError
from portal.domain.subscriptions import ItemState, SubscriptionState


def item(item_id: int, quantity: int, assigned: int, *, per_seat: bool = True) -> ItemState:
    """An item of a plan, of which only the numbers matter here."""
    return ItemState(item_id, "plan", "pro", None, None, per_seat, quantity, assigned, None, None)


def state(*items: ItemState, status: str = "active", overhang: int = 0) -> SubscriptionState:
    """A subscription with these items."""
    return SubscriptionState(1, "crm", status, None, None, items, overhang=overhang)


def test_S9_a_licence_is_given_while_one_is_free() -> None:
    assert may_assign(state(item(1, 3, 2)), item(1, 3, 2)) is None
    assert may_assign(state(item(1, 3, 3)), item(1, 3, 3)) == "no_seat_free"
    assert may_assign(state(item(1, 3, 4)), item(1, 3, 4)) == "no_seat_free"


def test_S7_nothing_more_is_given_while_an_overhang_lasts() -> None:
    free_one, over = item(1, 3, 2), item(2, 1, 2)
    assert may_assign(state(free_one, over, overhang=1), free_one) == "overhang_recorded"


@pytest.mark.parametrize(
    ("status", "refused"),
    [("active", None), ("trial", None), ("suspended", "licence_suspended"),
     ("ended", "licence_suspended")],
)  # fmt: skip
def test_only_what_can_be_used_is_given(status: str, refused: str | None) -> None:
    assert may_assign(state(item(1, 3, 0), status=status), item(1, 3, 0)) == refused


def test_what_is_for_everyone_is_given_to_nobody() -> None:
    flat = item(1, 1, 0, per_seat=False)
    assert may_assign(state(flat), flat) == "licence_unknown"


def test_a_plan_names_each_item_once_and_leaves_out_what_is_held() -> None:
    states = [state(item(1, 3, 1), item(2, 3, 1), item(3, 1, 1))]
    given = plan_assignments(states, [2, 1, 2, 3], held={3})
    assert [each.item_id for each in given] == [2, 1]


@pytest.mark.parametrize(("wanted", "code"), [([9], "licence_unknown"), ([1, 3], "no_seat_free")])
def test_a_plan_that_cannot_be_met_is_refused(wanted: list[int], code: str) -> None:
    with pytest.raises(DomainError, match=code):
        plan_assignments([state(item(1, 3, 1), item(3, 1, 1))], wanted)


def test_S7_an_overhang_only_shrinks() -> None:
    over = state(item(1, 2, 4), item(2, 5, 1), overhang=3)
    assert recorded_overhang(over) == 2
    assert recorded_overhang(replace(over, overhang=1)) == 1
    assert recorded_overhang(state(item(1, 2, 2), overhang=3)) == 0


def test_S6_a_member_comes_back_with_a_licence_and_an_admin_may_without() -> None:
    with pytest.raises(DomainError, match="licence_needed"):
        require_licence_to_return("member", [])
    require_licence_to_return("member", [1])
    require_licence_to_return("admin", [])
    require_licence_to_return("billing_admin", [])
