"""Who loses a licence when fewer are left: last assigned first, never an admin unasked (S6, S7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.access import FreeingPlan, Held, ItemFreeing, plan_freeing, require_freeable
from portal.domain.errors import DomainError

untimed = settings(deadline=None, max_examples=300)
START = datetime(2026, 1, 1, tzinfo=UTC)


def held(
    member_id: int,
    day: int = 0,
    *,
    item_id: int = 1,
    role: str = "member",
    consented: bool = False,
    elsewhere: int = 0,
    assignment_id: int | None = None,
) -> Held:
    """A licence that was given on a day; its id is the member's unless it is named."""
    key = assignment_id if assignment_id is not None else 100 * item_id + member_id
    return Held(key, item_id, member_id, role, START + timedelta(days=day), consented, elsewhere)


def free(*people: Held, seats: int, chosen: tuple[int, ...] = (), admins: int = 5) -> FreeingPlan:
    return plan_freeing([ItemFreeing(people, seats, chosen)], active_admins=admins)


def members(plan: FreeingPlan) -> list[int]:
    return [one.member_id for one in plan.freed]


def test_S6_the_last_assigned_lose_theirs_first() -> None:
    plan = free(held(1, 3), held(2, 1), held(3, 2), held(4, 0), seats=2)
    assert (members(plan), plan.deactivated, plan.overhang) == ([1, 3], (1, 3), 0)


def test_S6_those_who_got_theirs_at_one_instant_lose_it_by_id_the_highest_first() -> None:
    plan = free(held(1, 7), held(3, 7), held(2, 7), seats=1)
    assert members(plan) == [3, 2]


def test_S6_nobody_loses_anything_where_enough_are_left() -> None:
    assert free(held(1), held(2), seats=2) == FreeingPlan((), (), 0)
    assert free(seats=0) == FreeingPlan((), (), 0)


def test_S6_the_chosen_go_first_and_the_last_assigned_fill_up() -> None:
    people = [held(n, n) for n in range(1, 6)]
    assert members(free(*people, seats=2, chosen=(1,))) == [1, 5, 4]
    assert members(free(*people, seats=4, chosen=(1, 2))) == [2]  # more chosen than needed
    assert members(free(*people, seats=4, chosen=(99,))) == [5]  # who has none gives none


def test_S6_whoever_has_another_licence_is_not_deactivated() -> None:
    plan = free(held(1, 2, elsewhere=1), held(2, 1), seats=0)
    assert (members(plan), plan.deactivated) == ([1, 2], (2,))


def test_S6_whoever_loses_the_last_of_several_items_at_once_is_deactivated() -> None:
    both = [held(1, 1, item_id=item, elsewhere=1) for item in (1, 2)]
    plan = plan_freeing([ItemFreeing([one], 0) for one in both], active_admins=1)
    assert (members(plan), plan.deactivated) == ([1, 1], (1,))


def test_S7_an_admin_without_consent_is_passed_over() -> None:
    plan = free(held(1, 9, role="admin"), held(2, 1), held(3, 2), seats=2)
    assert (members(plan), plan.overhang) == ([3], 0)


def test_S7_choosing_an_admin_who_has_not_agreed_frees_somebody_else() -> None:
    plan = free(held(1, 0, role="admin"), held(2, 1), seats=1, chosen=(1,))
    assert members(plan) == [2]


def test_S7_an_admin_who_agreed_goes_like_anybody() -> None:
    plan = free(held(1, 9, role="admin", consented=True), held(2, 1), seats=1, admins=2)
    assert (members(plan), plan.deactivated) == ([1], (1,))


def test_S7_the_last_active_admin_stays_also_with_consent() -> None:
    admin = held(1, 9, role="admin", consented=True)
    assert members(free(admin, held(2, 1), seats=1, admins=1)) == [2]
    assert free(admin, seats=0, admins=1).overhang == 1
    # The licence may go where another one keeps the admin active.
    assert members(free(replace(admin, elsewhere=1), seats=0, admins=1)) == [1]


def test_S7_of_two_admins_who_agreed_one_stays() -> None:
    admins = [held(n, n, role="admin", consented=True) for n in (1, 2)]
    plan = free(*admins, seats=0, admins=2)
    assert (members(plan), plan.deactivated, plan.overhang) == ([2], (2,), 1)


def test_a_billing_admin_has_no_admin_rights_to_guard() -> None:
    assert members(free(held(1, 1, role="billing_admin"), seats=0)) == [1]


def test_S7_what_only_consent_makes_possible_is_refused_with_the_number() -> None:
    plan = free(held(1, role="admin"), held(2, role="admin"), held(3), seats=1)
    assert (members(plan), plan.overhang) == ([3], 1)
    with pytest.raises(DomainError, match="admins_must_consent") as refused:
        require_freeable(plan)
    assert refused.value.data == {"missing": 1}
    require_freeable(free(held(1), seats=0))


people = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["admin", "billing_admin", "member"]),
        st.booleans(),
        st.integers(0, 2),
    ),
    max_size=9,
).map(
    lambda rows: [
        held(n, day, role=role, consented=consented, elsewhere=elsewhere)
        for n, (day, role, consented, elsewhere) in enumerate(rows, 1)
    ]
)


@untimed
@given(
    people=people,
    seats=st.integers(0, 9),
    chosen=st.sets(st.integers(1, 9), max_size=4),
    more_admins=st.integers(0, 2),
)
def test_S6_S7_S9_whoever_they_are(
    people: list[Held], seats: int, chosen: set[int], more_admins: int
) -> None:
    admins = sum(one.is_admin for one in people) + more_admins
    plan = plan_freeing([ItemFreeing(people, seats, chosen)], active_admins=admins)
    surplus = max(len(people) - seats, 0)
    freed = {one.assignment_id for one in plan.freed}

    # S9: what is left fits the seats, but for the overhang; nothing is freed in vain.
    assert len(plan.freed) + plan.overhang == surplus
    assert len(freed) == len(plan.freed)
    # S7: never an admin unasked, never the last active one.
    assert all(one.consented for one in plan.freed if one.is_admin)
    gone = {one.member_id for one in people if one.is_admin} & set(plan.deactivated)
    assert admins - len(gone) >= min(admins, 1)
    # S6: deactivated is who has nothing left.
    assert set(plan.deactivated) == {one.member_id for one in plan.freed if not one.elsewhere}

    def order(one: Held) -> tuple[bool, datetime, int]:
        return (one.member_id in chosen, one.assigned_at, one.assignment_id)

    # Who keeps a licence though they may lose it was behind everybody who lost one.
    may_go = [one for one in people if not one.is_admin]
    for kept in may_go:
        if kept.assignment_id not in freed:
            assert plan.overhang == 0
            assert all(order(one) > order(kept) for one in plan.freed)
    assert [order(one) for one in plan.freed] == sorted(map(order, plan.freed), reverse=True)


@untimed
@given(
    first=people,
    second=people,
    seats=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    more_admins=st.integers(0, 1),
)
def test_S6_S7_across_two_items_a_member_is_deactivated_once_and_an_admin_stays(
    first: list[Held], second: list[Held], seats: tuple[int, int], more_admins: int
) -> None:
    roles = {one.member_id: one.role for one in first}
    second = [
        replace(one, item_id=2, assignment_id=200 + one.member_id,
                role=roles.get(one.member_id, one.role))
        for one in second
    ]  # fmt: skip
    in_first, in_second = ({one.member_id for one in side} for side in (first, second))
    first = [replace(one, elsewhere=int(one.member_id in in_second)) for one in first]
    second = [replace(one, elsewhere=int(one.member_id in in_first)) for one in second]
    everybody = {one.member_id: one for one in (*first, *second)}
    admins = sum(one.is_admin for one in everybody.values()) + more_admins
    items = [ItemFreeing(first, seats[0]), ItemFreeing(second, seats[1])]
    plan = plan_freeing(items, active_admins=admins)

    lost = [one.member_id for one in plan.freed]
    has = {m: (m in in_first) + (m in in_second) for m in everybody}
    nothing_left = {m for m in everybody if lost.count(m) == has[m]}
    assert sorted(plan.deactivated) == sorted(nothing_left)
    stay = admins - sum(everybody[m].is_admin for m in plan.deactivated)
    assert stay >= min(admins, 1)
