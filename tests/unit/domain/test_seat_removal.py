"""Removing seats: what is shown before it is confirmed, who loses, choosing others (S3 to S7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.access import Held
from portal.domain.errors import DomainError, Rejected
from portal.domain.seat_removal import (
    SeatRemoval,
    frame_removal,
    plan_losses,
    plan_other_choice,
    plan_seat_removal,
    waits_already,
)
from portal.domain.subscriptions import (
    ChangeKind,
    SubscriptionState,
    WaitingChange,
    with_changes,
)
from tests.unit.domain.buying import QUARTER, add_on, plan, subscription, waiting

NOTICE = 15
EARLY, LATE = date(2026, 10, 1), date(2026, 11, 16)
NEXT, AFTER_NEXT = QUARTER.end, date(2027, 2, 28)
START = datetime(2026, 1, 1, tzinfo=UTC)


def holders(
    count: int, *, item_id: int = 1, admins: tuple[int, ...] = (), consented: bool = False
) -> list[Held]:
    """Members 1 to `count`, the licences given in their order."""
    return [
        Held(100 * item_id + n, item_id, n, "admin" if n in admins else "member",
             START + timedelta(days=n), consented)
        for n in range(1, count + 1)
    ]  # fmt: skip


def remove(
    state: SubscriptionState, number: int, held: list[Held], *, on: date = EARLY, **more: Any
) -> SeatRemoval:
    return plan_seat_removal(
        state, 1, number, held=held, active_admins=more.pop("active_admins", 9), asked_on=on,
        notice_days=NOTICE, **more,
    )  # fmt: skip


def stored(state: SubscriptionState, removal: SeatRemoval, change_id: int) -> SubscriptionState:
    planned = removal.planned
    gone = {change.id for change in planned.replaces}
    new = WaitingChange(change_id, ChangeKind.SEATS, 1, planned.delta, planned.target,
                        planned.time.effective_on, planned.time.asked_on)  # fmt: skip
    return with_changes(state, [*(c for c in state.changes if c.id not in gone), new])


def losing(removal: SeatRemoval) -> list[int]:
    return [one.member_id for one in removal.losing]


def test_S4_both_dates_are_known_before_a_number_is_entered() -> None:
    state = subscription(plan())
    early, late = (frame_removal(state, 1, on, NOTICE) for on in (EARLY, LATE))
    assert (early.time.effective_on, early.seats, early.most) == (NEXT, 12, 11)
    assert (late.time.next_renewal, late.time.effective_on) == (NEXT, AFTER_NEXT)


def test_S3_what_waits_already_is_counted() -> None:
    state = subscription(plan(quantity=12, waiting=-4))
    assert (frame_removal(state, 1, EARLY, NOTICE).seats, remove(state, 1, []).before) == (8, 8)
    assert frame_removal(state, 1, EARLY, NOTICE).most == 7
    with pytest.raises(DomainError, match="too_many_removed"):
        remove(state, 8, [])


def test_S6_nobody_loses_while_enough_seats_are_free() -> None:
    assert losing(remove(subscription(plan(assigned=8)), 4, holders(8))) == []


def test_S6_the_last_assigned_lose_what_exceeds_the_new_number() -> None:
    removal = remove(subscription(plan(assigned=10)), 4, holders(10))
    assert (removal.before, removal.after, losing(removal)) == (12, 8, [10, 9])
    assert removal.planned.target == {}


def test_S6_others_may_be_chosen_and_are_stored() -> None:
    removal = remove(subscription(plan(assigned=10)), 4, holders(10), chosen=(2, 5))
    assert losing(removal) == [5, 2]
    assert removal.planned.target == {"free": [2, 5]}
    one = remove(subscription(plan(assigned=10)), 4, holders(10), chosen=(2,))
    assert losing(one) == [2, 10]


def test_S6_choosing_the_last_assigned_is_choosing_nobody() -> None:
    removal = remove(subscription(plan(assigned=10)), 4, holders(10), chosen=(9, 10))
    assert removal.planned.target == {}


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ((1, 2, 3), "too_many_chosen"),
        ((77,), "member_without_licence"),
        ((4,), "admin_not_consented"),
    ],
)
def test_S7_who_cannot_be_chosen_is_told(chosen: tuple[int, ...], code: str) -> None:
    with pytest.raises(Rejected) as refused:
        remove(subscription(plan(assigned=10)), 4, holders(10, admins=(4,)), chosen=chosen)
    assert [(p.field, p.code) for p in refused.value.problems] == [("free", code)]


def test_S7_the_last_admin_stays_also_where_she_agreed_and_was_chosen() -> None:
    people = holders(2, admins=(1,), consented=True)
    with pytest.raises(Rejected) as refused:
        remove(subscription(plan(quantity=2, assigned=2)), 1, people, chosen=(1,), active_admins=1)
    assert refused.value.problems[0].code == "last_admin_stays"


def test_S7_what_only_an_admins_consent_makes_possible_is_refused() -> None:
    state = subscription(plan(assigned=10))
    people = holders(10, admins=tuple(range(1, 11)))
    with pytest.raises(DomainError, match="admins_must_consent") as refused:
        remove(state, 4, people)
    assert refused.value.data == {"missing": 2}
    agreed = [replace(one, consented=one.member_id in (3, 4)) for one in people]
    assert losing(remove(state, 4, agreed)) == [4, 3]


def test_S5_a_second_reduction_keeps_whom_the_first_chose_unless_others_are_chosen() -> None:
    state = subscription(plan(assigned=10))
    first = stored(state, remove(state, 3, holders(10), chosen=(1,)), 7)
    second = remove(first, 1, holders(10))
    assert (second.planned.delta, second.planned.target, losing(second)) == (
        -4,
        {"free": [1]},
        [1, 10],
    )
    anew = remove(first, 1, holders(10), chosen=(2, 3))
    assert (anew.planned.target, losing(anew)) == ({"free": [2, 3]}, [3, 2])


def test_Q4_what_was_shown_is_known_when_it_waits() -> None:
    state = subscription(plan(assigned=10))
    removal = remove(state, 4, holders(10))
    assert removal.key == "12-2026-11-30.8.60000"
    assert waits_already(state, 1, removal.key) is None
    assert waits_already(stored(state, removal, 7), 1, removal.key) == NEXT
    for other in ("", "x", "12-", removal.key + "0", "12-2026-11-30.9.60000"):
        assert waits_already(stored(state, removal, 7), 1, other) is None


def test_S3_seats_added_meanwhile_keep_the_reduction_and_save_people() -> None:
    state = subscription(plan(quantity=12, assigned=12, waiting=-4))
    assert len(plan_losses(state, holders(12), active_admins=9)[0].plan.freed) == 4
    more = replace(state, items=(replace(state.plan_item, quantity=15),))
    (loss,) = plan_losses(more, holders(12), active_admins=9)
    assert loss.seats == {1: 11}
    assert [one.member_id for one in loss.plan.freed] == [12]


def test_S6_several_reductions_at_different_renewals_take_one_after_the_other() -> None:
    state = subscription(
        plan(assigned=12),
        changes=[
            waiting(1, ChangeKind.SEATS, on=NEXT, item_id=1, delta=-2, target={"free": [1]}),
            waiting(2, ChangeKind.SEATS, on=AFTER_NEXT, item_id=1, delta=-3),
        ],
    )
    first, second = plan_losses(state, holders(12), active_admins=9)
    assert (first.on, [h.member_id for h in first.plan.freed]) == (NEXT, [1, 12])
    assert (second.on, [h.member_id for h in second.plan.freed]) == (AFTER_NEXT, [11, 10, 9])


def test_S6_reductions_of_two_items_deactivate_who_has_nothing_left() -> None:
    state = subscription(
        replace(plan(quantity=2), assigned=2),
        replace(add_on(2, quantity=2), assigned=2),
        changes=[waiting(n, ChangeKind.SEATS, on=NEXT, item_id=n, delta=-1) for n in (1, 2)],
    )
    held = [replace(one, elsewhere=1) for n in (1, 2) for one in holders(2, item_id=n)]
    (loss,) = plan_losses(state, held, active_admins=9)
    assert [(h.item_id, h.member_id) for h in loss.plan.freed] == [(1, 2), (2, 2)]
    assert loss.plan.deactivated == (2,)


def test_C3_what_a_cancellation_ends_before_takes_nobodys_licence() -> None:
    cancelled = subscription(
        plan(quantity=12, assigned=12, waiting=-4),
        changes=[waiting(9, ChangeKind.CANCEL, on=NEXT)],
    )
    assert plan_losses(cancelled, holders(12), active_admins=9) == ()
    with pytest.raises(DomainError, match="subscription_ends"):
        frame_removal(cancelled, 1, EARLY, NOTICE)


def test_a_removed_add_on_takes_its_licences() -> None:
    state = subscription(
        plan(),
        replace(add_on(2, quantity=3), assigned=2),
        changes=[waiting(5, ChangeKind.ADD_ON, on=NEXT, item_id=2, target={"remove": True})],
    )
    (loss,) = plan_losses(state, holders(2, item_id=2), active_admins=9)
    assert len(loss.of_item(2)) == 2
    assert frame_removal(state, 2, EARLY, NOTICE).seats == 0


def test_S7_an_add_on_that_ends_needs_no_consent_and_blocks_no_reduction() -> None:
    """An admin who loses an add-on stays an admin; its end is no surplus of the other seats."""
    ends = waiting(5, ChangeKind.ADD_ON, on=NEXT, item_id=2, target={"remove": True})
    state = subscription(
        replace(plan(quantity=12), assigned=3),
        replace(add_on(2, quantity=3), assigned=2),
        changes=[ends],
    )
    people = [
        *(replace(one, elsewhere=1) for one in holders(2, admins=(1, 2))),
        *holders(3)[2:],
        *(replace(one, elsewhere=1) for one in holders(2, admins=(1, 2), item_id=2)),
    ]
    removal = remove(state, 1, people, active_admins=2)
    assert losing(removal) == []
    assert (removal.loss.overhang, removal.loss.deactivated) == (0, ())
    assert {one.item_id for one in removal.loss.freed} == {2}
    with pytest.raises(DomainError, match="admins_must_consent"):
        remove(state, 11, people, active_admins=2)


def test_S7_what_has_become_impossible_elsewhere_refuses_no_other_reduction() -> None:
    """An add-on's reduction waited before its holders became admins; the plan has seats to spare."""
    state = subscription(
        replace(plan(quantity=12), assigned=3),
        replace(add_on(2, quantity=2), assigned=2),
        changes=[waiting(5, ChangeKind.SEATS, on=NEXT, item_id=2, delta=-1)],
    )
    people = [*holders(3), *holders(2, admins=(1, 2), item_id=2)]
    removal = remove(state, 1, people, active_admins=2)
    assert (losing(removal), removal.loss.overhang) == ([], 1)
    all_admins = [*holders(3, admins=(1, 2, 3)), *people[3:]]
    with pytest.raises(DomainError) as refused:
        remove(state, 11, all_admins, active_admins=3)
    assert refused.value.data == {"missing": 2}


def test_S6_who_had_only_the_ended_add_on_beside_is_deactivated() -> None:
    ends = waiting(5, ChangeKind.ADD_ON, on=NEXT, item_id=2, target={"remove": True})
    state = subscription(
        replace(plan(quantity=3), assigned=3),
        replace(add_on(2, quantity=3), assigned=1),
        changes=[ends, waiting(6, ChangeKind.SEATS, on=NEXT, item_id=1, delta=-1)],
    )
    third = replace(holders(3)[2], elsewhere=1)
    beside = replace(third, assignment_id=99, item_id=2)
    (loss,) = plan_losses(state, [*holders(2), third, beside], active_admins=9)
    assert [one.assignment_id for one in loss.plan.freed] == [third.assignment_id, 99]
    assert loss.plan.deactivated == (third.member_id,)


def test_who_is_not_listed_keeps_the_licence_for_longer() -> None:
    """A page reads only the last assigned of thousands."""
    state = subscription(plan(quantity=12, assigned=12, waiting=-2))
    everybody = plan_losses(state, holders(12), active_admins=9)
    last = plan_losses(state, holders(12)[8:], active_admins=9, unlisted={1: 8})
    assert last == everybody


def test_S6_the_choice_is_changed_while_it_waits() -> None:
    state = subscription(plan(quantity=12, assigned=12, waiting=-2))
    people = holders(12, admins=(1,))
    change, loss = plan_other_choice(state, 101, (3, 4), held=people, active_admins=1)
    assert change.target == {"free": [3, 4]}
    assert [one.member_id for one in loss.plan.freed] == [4, 3]
    for nobody in ((), (11, 12)):
        change, loss = plan_other_choice(state, 101, nobody, held=people, active_admins=1)
        assert (change.target, loss.of_item(1)[0].member_id) == ({}, 12)
    for chosen, code in (((1,), "admin_not_consented"), ((2, 3, 4), "too_many_chosen")):
        with pytest.raises(Rejected) as refused:
            plan_other_choice(state, 101, chosen, held=people, active_admins=1)
        assert refused.value.problems[0].code == code


def test_S6_only_a_waiting_reduction_has_people_to_choose() -> None:
    state = subscription(plan(), changes=[waiting(9, ChangeKind.CANCEL, on=NEXT)])
    for change_id in (9, 4711):
        with pytest.raises(DomainError, match="change_unknown"):
            plan_other_choice(state, change_id, (), held=[], active_admins=1)


@settings(deadline=None, max_examples=150)
@given(
    quantity=st.integers(1, 12),
    number=st.integers(1, 12),
    admins=st.sets(st.integers(1, 12)),
    agreed=st.sets(st.integers(1, 12)),
    chosen=st.none() | st.lists(st.integers(1, 14), max_size=4),
    late=st.booleans(),
)
def test_S6_S7_what_is_accepted_can_be_kept(
    quantity: int, number: int, admins: set[int], agreed: set[int],
    chosen: list[int] | None, late: bool,
) -> None:  # fmt: skip
    people = [
        replace(one, consented=one.member_id in agreed)
        for one in holders(quantity, admins=tuple(admins))
    ]
    state = subscription(plan(quantity=quantity, assigned=quantity))
    try:
        removal = remove(state, number, people, on=LATE if late else EARLY, chosen=chosen,
                         active_admins=len(admins & set(range(1, quantity + 1))))  # fmt: skip
    except DomainError as refused:
        code, removal = refused.code, None
    if removal is None:
        assert code in {"too_many_removed", "admins_must_consent", "rejected"}
        return
    assert len(removal.losing) == number == removal.before - removal.after
    assert all(one.consented for one in removal.losing if one.is_admin)
    assert set(chosen or ()) <= {one.member_id for one in removal.losing}
    kept = stored(state, removal, 7)
    assert waits_already(kept, 1, removal.key) == removal.planned.time.effective_on
    (loss,) = plan_losses(kept, people, active_admins=len(admins & set(range(1, quantity + 1))))
    assert loss.of_item(1) == removal.losing
