"""Removing seats, and who would lose a licence by it (S3 to S7).

What the screen shows before anybody confirms, what the service writes, and what banners and mails
tell while a reduction waits: one plan for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from portal.domain.access import FreeingPlan, Held, ItemFreeing, plan_freeing, require_freeable
from portal.domain.changes import ChangeTime, PlannedChange, change_time, plan_reduction
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.renewals import NextPeriod, period_beginning
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)

__all__ = [
    "Loss", "RemovalFrame", "SeatRemoval", "frame_removal", "plan_losses", "plan_other_choice",
    "plan_seat_removal", "waits_already",
]  # fmt: skip

_NOBODY = FreeingPlan((), (), 0)


@dataclass(frozen=True, slots=True)
class Loss:
    """Whose licences are freed at the end of the renewal date `on` (S6); `seats` by item id."""

    on: date
    seats: dict[int, int]
    plan: FreeingPlan

    def of_item(self, item_id: int) -> list[Held]:
        """The licences of one item that are freed."""
        return [held for held in self.plan.freed if held.item_id == item_id]


@dataclass(frozen=True, slots=True)
class SeatRemoval:
    """A reduction to be confirmed: the seats from its renewal on without and with it, who loses."""

    item: ItemState
    removed: int
    before: int
    after: int
    planned: PlannedChange
    loss: FreeingPlan

    @property
    def losing(self) -> list[Held]:
        """The licences of the item that are freed at the end of the renewal date."""
        return [held for held in self.loss.freed if held.item_id == self.item.item_id]

    @property
    def key(self) -> str:
        """What was shown, in a word: the seats until then; the day, the seats, the net amount."""
        return f"{self.before}-{_reached(self.planned.after, self.item.item_id)}"


@dataclass(frozen=True, slots=True)
class RemovalFrame:
    """What is known before a number is entered: both dates, the seats of that day, the most."""

    time: ChangeTime
    seats: int
    most: int


def frame_removal(
    state: SubscriptionState, item_id: int, asked_on: date, notice_days: int
) -> RemovalFrame:
    """When seats removed on `asked_on` are gone, and how many can be; DomainError as `change_time`."""
    item = state.item(item_id)
    if item is None:
        raise DomainError("item_unknown")
    time = change_time(state, asked_on, notice_days)
    seats = _seats(period_beginning(state, time.effective_on), item_id)
    waiting = sum(change.delta or 0 for change in state.changes_of(ChangeKind.SEATS, item_id))
    most = min(item.quantity + waiting, seats) - 1
    return RemovalFrame(time, seats, max(most, 0))


def plan_seat_removal(
    state: SubscriptionState,
    item_id: int,
    remove: int,
    *,
    held: Sequence[Held],
    active_admins: int,
    asked_on: date,
    notice_days: int,
    chosen: Collection[int] | None = None,
    credited: int = 0,
) -> SeatRemoval:
    """`remove` seats fewer of an item, and who loses a licence by it.

    `held` are the licences of the whole subscription. `chosen` are the members who shall give
    theirs back; with None whoever was chosen before stays so. `credited` is that of
    `plan_reduction`. DomainError as `plan_reduction`, and `admins_must_consent` (S7); Rejected,
    field `free`, as `plan_other_choice`.
    """

    def reduced(present: SubscriptionState, free: Collection[int] = ()) -> PlannedChange:
        return plan_reduction(present, item_id, remove, asked_on, notice_days, free, credited)

    planned = reduced(state)
    on = planned.time.effective_on
    wanted = () if chosen is None else tuple(dict.fromkeys(chosen))
    if chosen is not None:
        asked = _without_choice(state, item_id, on)
        planned = reduced(asked)
        usual = _loss_at(planned.after_state, on, held, active_admins).of_item(item_id)
        if wanted and set(wanted) != {one.member_id for one in usual}:
            planned = reduced(asked, wanted)
    loss = _loss_at(planned.after_state, on, held, active_admins)
    if wanted:
        _require_choice(wanted, loss.of_item(item_id), [h for h in held if h.item_id == item_id])
    require_freeable(loss.plan, _loss_at(state, on, held, active_admins).plan.overhang)
    item = state.item(item_id)
    assert item is not None, "the plan of a reduction has its item"
    return SeatRemoval(
        item=item,
        removed=remove,
        before=_seats(planned.before, item_id),
        after=_seats(planned.after, item_id),
        planned=planned,
        loss=loss.plan,
    )


def waits_already(state: SubscriptionState, item_id: int, key: str) -> date | None:
    """The renewal date where what was shown as `key` waits by now: the second of two clicks (Q4)."""
    wanted = key.partition("-")[2]
    for change in state.changes_of(ChangeKind.SEATS, item_id):
        renewal = period_beginning(state, change.effective_on)
        if not renewal.ends and _reached(renewal, item_id) == wanted:
            return renewal.on
    return None


def plan_other_choice(
    state: SubscriptionState,
    change_id: int,
    chosen: Collection[int],
    *,
    held: Sequence[Held],
    active_admins: int,
) -> tuple[WaitingChange, Loss]:
    """The waiting reduction with other members chosen to give their licence back (S6).

    Where they are the last assigned anyway nobody is chosen. DomainError `change_unknown` for what
    is no waiting reduction; Rejected, field `free`: `too_many_chosen` (`maximum`),
    `member_without_licence`, `admin_not_consented`, `last_admin_stays`.
    """
    change = state.change(change_id)
    if change is None or change.kind is not ChangeKind.SEATS or change.item_id is None:
        raise DomainError("change_unknown")
    usual = _unchosen(change)
    loss = _loss_at(_with(state, usual), change.effective_on, held, active_admins)
    wanted = tuple(dict.fromkeys(chosen))
    if not wanted or set(wanted) == {one.member_id for one in loss.of_item(change.item_id)}:
        return usual, loss
    other = replace(change, target={**usual.target, "free": list(wanted)})
    loss = _loss_at(_with(state, other), change.effective_on, held, active_admins)
    mine = [one for one in held if one.item_id == change.item_id]
    _require_choice(wanted, loss.of_item(change.item_id), mine)
    return other, loss


def plan_losses(
    state: SubscriptionState,
    held: Iterable[Held],
    *,
    active_admins: int,
    unlisted: Mapping[int, int] | None = None,
) -> tuple[Loss, ...]:
    """Who loses a licence at each renewal for which fewer seats wait, the earliest first.

    A renewal at which nobody does is left out, and so is what a cancellation ends before (C3).
    `unlisted` counts by item id the holders who are not in `held` because they keep their licence
    for longer than those who are.
    """
    losses: list[Loss] = []
    left, admins = list(held), active_admins
    for on in sorted({change.effective_on for change in state.changes if _takes(change)}):
        try:
            renewal = period_beginning(state, on)
        except DomainError:
            break
        if renewal.ends:
            break
        loss = _loss(state, renewal, left, admins, unlisted or {})
        if loss.plan.freed or loss.plan.overhang:
            losses.append(loss)
        freed = {one.assignment_id for one in loss.plan.freed}
        fewer = Counter(one.member_id for one in loss.plan.freed)
        gone = set(loss.plan.deactivated)
        admins -= len({h.member_id for h in left if h.is_admin and h.member_id in gone})
        left = [
            replace(one, elsewhere=max(one.elsewhere - fewer[one.member_id], 0))
            for one in left
            if one.assignment_id not in freed
        ]
    return tuple(losses)


def _takes(change: WaitingChange) -> bool:
    return change.kind is ChangeKind.SEATS or bool(change.target.get("remove"))


def _loss_at(state: SubscriptionState, on: date, held: Iterable[Held], active_admins: int) -> Loss:
    found = (loss for loss in plan_losses(state, held, active_admins=active_admins))
    return next((loss for loss in found if loss.on == on), Loss(on, {}, _NOBODY))


def _loss(
    state: SubscriptionState,
    renewal: NextPeriod,
    held: Sequence[Held],
    active_admins: int,
    unlisted: Mapping[int, int],
) -> Loss:
    """What a renewal frees: what it removes at once and whoever holds it, then what exceeds seats.

    Who loses an add-on that ends stays a member, so no consent is needed for it (S7).
    """
    seats = {item.item_id: _seats(renewal, item.item_id) for item in state.items if item.per_seat}
    removed = {key for key in seats if renewal.after.item(key) is None}
    gone = [one for one in held if one.item_id in removed]
    fewer = Counter(one.member_id for one in gone)
    left = [
        replace(one, elsewhere=max(one.elsewhere - fewer[one.member_id], 0))
        for one in held
        if one.item_id not in removed
    ]
    chosen: dict[int, list[int]] = {}
    for change in state.changes:
        if change.kind is ChangeKind.SEATS and change.effective_on == renewal.on:
            assert change.item_id is not None, "a reduction is of an item"
            chosen.setdefault(change.item_id, []).extend(change.target.get("free", ()))
    items = [
        ItemFreeing(
            held=[one for one in left if one.item_id == key],
            seats=max(number - unlisted.get(key, 0), 0),
            chosen=chosen.get(key, ()),
        )
        for key, number in seats.items()
        if key not in removed
    ]
    plan = plan_freeing(items, active_admins=active_admins)
    return Loss(renewal.on, seats, replace(plan, freed=(*plan.freed, *gone)))


def _seats(renewal: NextPeriod, item_id: int) -> int:
    item = None if renewal.ends else renewal.after.item(item_id)
    return item.quantity if item is not None else 0


def _reached(renewal: NextPeriod, item_id: int) -> str:
    net = sum(line.net.minor for line in renewal.lines)
    return f"{renewal.on.isoformat()}.{_seats(renewal, item_id)}.{net}"


def _with(state: SubscriptionState, change: WaitingChange) -> SubscriptionState:
    """`state` with `change` in the place of the one that has its id."""
    return with_changes(state, [change if c.id == change.id else c for c in state.changes])


def _unchosen(change: WaitingChange) -> WaitingChange:
    return replace(change, target={k: v for k, v in change.target.items() if k != "free"})


def _without_choice(state: SubscriptionState, item_id: int, on: date) -> SubscriptionState:
    """Whoever chooses anew, chooses for all that is reduced at that renewal."""
    return with_changes(
        state,
        [
            _unchosen(change)
            if change.kind is ChangeKind.SEATS
            and change.item_id == item_id
            and change.effective_on == on
            else change
            for change in state.changes
        ],
    )


def _require_choice(chosen: Sequence[int], losing: Sequence[Held], held: Sequence[Held]) -> None:
    if len(chosen) > len(losing):
        raise _refused("too_many_chosen", maximum=len(losing))
    mine = {one.member_id: one for one in held}
    freed = {one.member_id for one in losing}
    for member_id in chosen:
        one = mine.get(member_id)
        if one is None:
            raise _refused("member_without_licence")
        if member_id not in freed:
            raise _refused(
                "last_admin_stays" if one.consented or not one.is_admin else "admin_not_consented"
            )


def _refused(code: str, **data: object) -> Rejected:
    return Rejected([Problem("free", code, data)])
