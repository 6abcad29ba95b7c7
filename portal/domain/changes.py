"""Asking for a change that waits for a renewal, and undoing it (S3, S4, S5, C1, C2, C3).

Each `plan_*` decides one request: when it takes effect, what it replaces, and the renewal before
and after it, which are what the screen shows. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from portal.domain.errors import DomainError
from portal.domain.periods import (
    Interval,
    Term,
    notice_closes_on,
    renewal_for_change,
)
from portal.domain.price_book import PriceBook, pin_key
from portal.domain.renewals import NextPeriod, period_beginning, plan_next_period
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)

__all__ = [
    "ChangeTime", "PlannedChange", "PlannedUndo", "change_time", "pin_for_item",
    "plan_add_on_removal", "plan_add_on_switch", "plan_cancellation", "plan_period_change",
    "plan_plan_change", "plan_reduction", "plan_undo",
]  # fmt: skip

NEW = 0
"""The id of a change that is not stored yet."""


@dataclass(frozen=True, slots=True)
class ChangeTime:
    """When a change asked on a day takes effect (S4): both dates, for the screen to say."""

    asked_on: date
    next_renewal: date
    notice_closes_on: date
    effective_on: date

    @property
    def in_time(self) -> bool:
        """Whether the coming renewal can still be met."""
        return self.effective_on == self.next_renewal


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change to be asked: what is stored, what it replaces, the renewal without and with it.

    `before` and `after` are both of the day the change takes effect; `after_state` is the
    subscription today with the change waiting. `retimed` are later ones that wait for another
    renewal with it (C2), with their new dates.
    """

    kind: ChangeKind
    item_id: int | None
    delta: int | None
    target: Mapping[str, Any]
    time: ChangeTime
    replaces: tuple[WaitingChange, ...]
    before: NextPeriod
    after: NextPeriod
    after_state: SubscriptionState
    retimed: tuple[WaitingChange, ...] = ()

    @property
    def key(self) -> str:
        """What was shown, to be sent back with the confirmation: the day, and both net amounts.

        What waits with it is part of the amounts, and what moves is named with its new day, so
        nothing is agreed to unseen.
        """
        before, after = (
            sum(line.net.minor for line in renewal.lines) for renewal in (self.before, self.after)
        )
        moved = "".join(f".{one.id}-{one.effective_on.isoformat()}" for one in self.retimed)
        return f"{self.time.effective_on.isoformat()}.{before}.{after}{moved}"

    @property
    def waits_already(self) -> WaitingChange | None:
        """The very same change, where it waits for the same renewal: the first of two clicks (Q4)."""
        for change in self.replaces:
            if change.effective_on == self.time.effective_on and dict(change.target) == dict(
                self.target
            ):
                return change
        return None


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """A change to be taken back; `retimed` are later ones that wait for another renewal now."""

    change: WaitingChange
    retimed: tuple[WaitingChange, ...]
    after_state: SubscriptionState


def change_time(state: SubscriptionState, asked_on: date, notice_days: int) -> ChangeTime:
    """The renewal for which a change asked on `asked_on` waits (S4).

    DomainError: `not_running` (a trial, suspended or ended); `subscription_ends` (`on`, its last
    day) where it ends before the change could take effect.
    """
    term, number = _running(state)
    coming = term.start_of(number)
    effective = renewal_for_change(term, number - 1, asked_on, notice_days, _waiting_term(state))
    if state.ends_on is not None and effective >= state.ends_on:
        raise DomainError("subscription_ends", on=state.ends_on - timedelta(days=1))
    return ChangeTime(asked_on, coming, notice_closes_on(coming, notice_days), effective)


def plan_reduction(
    state: SubscriptionState,
    item_id: int,
    remove: int,
    asked_on: date,
    notice_days: int,
    free: Collection[int] = (),
    credited: int = 0,
) -> PlannedChange:
    """`remove` seats fewer of an item at the renewal S4 leaves; seats that wait already stay (S3).

    `free` are the members whom the admins chose to give their licence back (S6), `credited` the net
    minor units that are credited with it (S4). A reduction of the same item that waits for the same
    renewal becomes part of this one. DomainError as `change_time`, and `item_unknown`,
    `nothing_removed`, `too_many_removed` (`maximum`): less than one seat would stay, and ending it
    all is a cancellation or the removal of the add-on.
    """
    item = state.item(item_id)
    if item is None or not item.per_seat or item.unit_price is None:
        raise DomainError("item_unknown")
    time = change_time(state, asked_on, notice_days)
    mine = state.changes_of(ChangeKind.SEATS, item_id)
    same = tuple(change for change in mine if change.effective_on == time.effective_on)
    if remove < 1:
        raise DomainError("nothing_removed")
    most = item.quantity + sum(change.delta or 0 for change in mine) - 1
    if remove > most:
        raise DomainError("too_many_removed", maximum=max(most, 0))
    delta = sum(change.delta or 0 for change in same) - remove
    chosen = [member for change in same for member in change.target.get("free", ())]
    wanted = list(dict.fromkeys([*chosen, *free]))
    credited += sum(change.target.get("credited", 0) for change in same)
    target: dict[str, Any] = {"free": wanted} if wanted else {}
    if credited:
        target["credited"] = credited
    return _planned(state, ChangeKind.SEATS, item_id, delta, target, time, same)


def plan_plan_change(
    state: SubscriptionState, plan_key: str, book: PriceBook, asked_on: date, notice_days: int
) -> PlannedChange:
    """Another plan from the renewal on: a downgrade, or an upgrade whose net is negative (C1).

    Replaces every plan change that waits. DomainError as `change_time`, `plan_unchanged`, and
    `price_missing` where the plan is not sold in this currency and the period of that day (C4).
    """
    item = state.plan_item
    waiting = tuple(state.changes_of(ChangeKind.PLAN))
    if plan_key == item.plan_key:
        raise DomainError("plan_unchanged")
    time = change_time(state, asked_on, notice_days)
    target = {"plan": plan_key, "prices": book.plan_intervals(state.product_key, plan_key)}
    return _planned(state, ChangeKind.PLAN, item.item_id, None, target, time, waiting)


def plan_add_on_switch(
    state: SubscriptionState,
    item_id: int,
    package_key: str,
    book: PriceBook,
    asked_on: date,
    notice_days: int,
) -> PlannedChange:
    """Another package of an add-on from the renewal on (a smaller one, as C1); errors as the plan's."""
    item = _add_on(state, item_id)
    if package_key == item.package_key:
        raise DomainError("package_unchanged")
    time = change_time(state, asked_on, notice_days)
    prices = book.add_on_intervals(state.product_key, item.add_on_key or "", package_key)
    target = {"package": package_key, "prices": prices}
    waiting = tuple(state.changes_of(ChangeKind.ADD_ON, item_id))
    return _planned(state, ChangeKind.ADD_ON, item_id, None, target, time, waiting)


def plan_add_on_removal(
    state: SubscriptionState, item_id: int, asked_on: date, notice_days: int
) -> PlannedChange:
    """No more of an add-on from the renewal on; replaces a change of its package that waits."""
    item = _add_on(state, item_id)
    time = change_time(state, asked_on, notice_days)
    waiting = tuple(state.changes_of(ChangeKind.ADD_ON, item.item_id))
    return _planned(state, ChangeKind.ADD_ON, item_id, None, {"remove": True}, time, waiting)


def plan_period_change(
    state: SubscriptionState, interval: Interval, book: PriceBook, asked_on: date, notice_days: int
) -> PlannedChange:
    """Another billing period from the renewal on, at today's prices of every item (C1, C4, P1).

    Replaces a period change that waits for the same renewal. A request may have been sent before
    what waits for a later renewal was asked (S4): that renewal is the new term's then, so what
    waits for it is `retimed` to the one that its own day leaves it (C2). An end that was confirmed
    is never moved so (C3).

    DomainError as `change_time`, and `subscription_ends` wherever a cancellation waits;
    `interval_unchanged`; `price_missing` where an item, or what it changes to later, is not sold so.
    """
    if interval == state.interval:
        raise DomainError("interval_unchanged")
    time = change_time(state, asked_on, notice_days)
    _require_going_on(state)
    waiting = tuple(
        c for c in state.changes_of(ChangeKind.PERIOD) if c.effective_on == time.effective_on
    )
    target = {
        "interval": interval.value,
        "prices": book.in_interval(state.product_key, interval),
    }
    planned = _planned(state, ChangeKind.PERIOD, None, None, target, time, waiting)
    after_state, retimed = _retimed(planned.after_state, time.effective_on, notice_days)
    if retimed and _is_renewable(state) and not _is_renewable(after_state):
        raise DomainError("price_missing", interval=interval.value)
    after = period_beginning(after_state, time.effective_on)
    return replace(planned, after=after, after_state=after_state, retimed=retimed)


def plan_cancellation(
    state: SubscriptionState, reason: str, asked_on: date, notice_days: int, comment: str = ""
) -> PlannedChange:
    """The end of the subscription at the renewal S4 leaves; all works until then (C3).

    `reason` is a code and `comment` the customer's own words; both may be empty.

    What else waits goes on waiting, so that undoing the cancellation restores it. DomainError as
    `change_time` (`subscription_ends` where it is cancelled already).
    """
    _require_going_on(state)
    time = change_time(state, asked_on, notice_days)
    target = {"reason": reason, "comment": comment} if comment else {"reason": reason}
    return _planned(state, ChangeKind.CANCEL, None, None, target, time, ())


def plan_undo(state: SubscriptionState, change_id: int, notice_days: int) -> PlannedUndo:
    """Take a waiting change back: exactly what was there before stays (S5, C2).

    Without a change of billing period the renewals are those of the present term again, so a
    change that waited for one of its later ones waits for the first that S4 leaves it.
    DomainError `change_unknown` where it does not wait (any more), `undo_other_first` where what
    goes on waiting is not sold without it: a plan that has a yearly price alone, for one;
    `reduction_credited` where its licences were credited (S4): the money has been given back.
    """
    change = state.change(change_id)
    if change is None:
        raise DomainError("change_unknown")
    if change.target.get("credited"):
        raise DomainError("reduction_credited")
    rest = with_changes(state, [c for c in state.changes if c.id != change_id])
    retimed: tuple[WaitingChange, ...] = ()
    if change.kind is ChangeKind.PERIOD:
        rest, retimed = _retimed(rest, change.effective_on, notice_days)
    if state.period is not None and _is_renewable(state) and not _is_renewable(rest):
        raise DomainError("undo_other_first")
    return PlannedUndo(change, retimed, rest)


def _retimed(
    state: SubscriptionState, turn: date, notice_days: int
) -> tuple[SubscriptionState, tuple[WaitingChange, ...]]:
    """What waits for a later renewal than `turn`, at the renewal that S4 leaves it.

    From `turn` on the renewals are others than they were: a change of billing period waits for it,
    or does not any more.
    """
    term, number = state.term, state.number
    later = [change for change in state.changes if change.effective_on > turn]
    if not later or term is None or number is None:
        return state, ()
    settled = with_changes(state, [c for c in state.changes if c.effective_on <= turn])
    retimed = []
    # What was too late for `turn` stays so, also where the vendor has shortened the notice since.
    too_late = notice_closes_on(turn, notice_days) + timedelta(days=1)
    # Another change of billing period first: the others follow its dates, as it follows this term's.
    for one in sorted(later, key=lambda c: c.kind is not ChangeKind.PERIOD):
        asked_on = max(one.asked_on, too_late)
        on = renewal_for_change(term, number - 1, asked_on, notice_days, _waiting_term(settled))
        if on != one.effective_on:
            one = replace(one, effective_on=on)
            retimed.append(one)
        settled = with_changes(settled, [*settled.changes, one])
    return settled, tuple(retimed)


def _is_renewable(state: SubscriptionState) -> bool:
    """Whether every item has a price at each renewal up to the last change that waits (C4)."""
    while state.changes:
        try:
            plan = plan_next_period(state)
        except DomainError:
            return False
        if plan.ends:
            break
        state = plan.after
    return True


def pin_for_item(
    change: WaitingChange, state: SubscriptionState, item: ItemState, book: PriceBook
) -> dict[str, Any]:
    """The target of a waiting period change with today's price of an item that came later (C4).

    DomainError `price_missing` where the item is not sold in the period that waits: it cannot be
    added, or changed to, before the period change is undone.
    """
    interval = Interval(change.target["interval"])
    found = book.item(state.product_key, item, interval)
    if found is None:
        raise DomainError("price_missing", item_id=item.item_id, interval=interval.value)
    prices = {
        **change.target.get("prices", {}),
        pin_key(item): [found.price_id, found.unit.minor],
    }
    return {**change.target, "prices": prices}


def _planned(
    state: SubscriptionState,
    kind: ChangeKind,
    item_id: int | None,
    delta: int | None,
    target: Mapping[str, Any],
    time: ChangeTime,
    replaces: tuple[WaitingChange, ...],
) -> PlannedChange:
    gone = {change.id for change in replaces}
    kept = [change for change in state.changes if change.id not in gone]
    new = WaitingChange(NEW, kind, item_id, delta, target, time.effective_on, time.asked_on)
    after_state = with_changes(state, [*kept, new])
    return PlannedChange(
        kind=kind,
        item_id=item_id,
        delta=delta,
        target=target,
        time=time,
        replaces=replaces,
        before=period_beginning(state, time.effective_on),
        after=period_beginning(after_state, time.effective_on),
        after_state=after_state,
    )


def _running(state: SubscriptionState) -> tuple[Term, int]:
    if not state.is_running or state.term is None or state.number is None:
        raise DomainError("not_running", status=state.status)
    return state.term, state.number


def _require_going_on(state: SubscriptionState) -> None:
    if state.ends_on is not None:
        raise DomainError("subscription_ends", on=state.ends_on - timedelta(days=1))


def _waiting_term(state: SubscriptionState) -> Term | None:
    """The term that the first waiting change of billing period opens."""
    change = next(iter(state.changes_of(ChangeKind.PERIOD)), None)
    if change is None or state.term is None:
        return None
    interval = Interval(change.target["interval"])
    return Term.opening_at(change.effective_on, interval, state.term.anchor_day)


def _add_on(state: SubscriptionState, item_id: int) -> ItemState:
    item = state.item(item_id)
    if item is None or item.kind != "add_on":
        raise DomainError("item_unknown")
    return item
