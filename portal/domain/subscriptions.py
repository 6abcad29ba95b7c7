"""A subscription as the rules see it: a frozen picture of its items, its period, what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from portal.domain.money import Money
from portal.domain.periods import Interval, Period, Term

__all__ = ["ChangeKind", "ItemState", "SubscriptionState", "WaitingChange", "with_changes"]


class ChangeKind(StrEnum):
    """What waits. seats: fewer of an item; add_on: another package of it, or none."""

    SEATS = "seats"
    PLAN = "plan"
    PERIOD = "period"
    ADD_ON = "add_on"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class WaitingChange:
    """A change that waits for the renewal on `effective_on` and can be undone until then (S5).

    `delta` is a reduction's, negative (S3). `target` pins what was shown when it was asked (C4):

    - seats: {"free": [member id, …]} where the admins chose who gives a licence back; {"credited":
      minor units, net} where what they cost in a period that has begun was credited (S4): such a
      reduction is not undone alone;
    - plan: {"plan": key, "prices": {interval: [price id, minor]}};
    - add_on: {"package": key, "prices": {…}} or {"remove": true};
    - period: {"interval": …, "prices": {pin_key: [price id, minor]}};
    - cancel: {"reason": code or "", "comment": the customer's own words, where there are any}.

    `asked_on` is the account's local day that counts for the notice (S4).
    """

    id: int
    kind: ChangeKind
    item_id: int | None
    delta: int | None
    target: Mapping[str, Any] = field(hash=False)
    effective_on: date
    asked_on: date


@dataclass(frozen=True, slots=True)
class ItemState:
    """The plan or an add-on of a subscription.

    `unit_price` is the pinned one (C4), None while the item is free (a trial's). `waiting_delta`
    is the reduction that waits for the coming renewal (S3), zero or negative.
    """

    item_id: int
    kind: str
    plan_key: str | None
    add_on_key: str | None
    package_key: str | None
    per_seat: bool
    quantity: int
    assigned: int
    unit_price: Money | None
    price_id: int | None
    waiting_delta: int = 0

    @property
    def free(self) -> int:
        """Seats that nobody holds; never below zero, also with a recorded overhang (S9)."""
        return max(self.quantity - self.assigned, 0)

    @property
    def quantity_at_renewal(self) -> int:
        """The quantity of the next period, as far as reductions alone tell."""
        return self.quantity + self.waiting_delta


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """One product of an account; `interval`, `period`, `term` are None for a trial (C5).

    `trial_ends_on` is the last day of a trial, and stays once it was bought; one that is over unpaid
    has the status read_only since `read_only_from` (see portal.domain.trials). `number` is that of
    the present period in its term, from 1. `changes` wait, the earliest first. `overhang` counts the
    assignments beyond the seats that were recorded (S7, S9).
    """

    subscription_id: int
    product_key: str
    status: str
    interval: Interval | None
    period: Period | None
    items: tuple[ItemState, ...]
    term: Term | None = None
    number: int | None = None
    changes: tuple[WaitingChange, ...] = ()
    overhang: int = 0
    trial_ends_on: date | None = None
    read_only_from: date | None = None

    @property
    def plan_item(self) -> ItemState:
        """The item that is the plan."""
        return next(item for item in self.items if item.kind == "plan")

    @property
    def is_running(self) -> bool:
        """Whether it has paid periods that go on (neither a trial, read-only, suspended nor ended)."""
        return self.status == "active" and self.period is not None

    def paid_from(self, on: date) -> date:
        """The day from which what changes `on` is paid: never before the period begins.

        The period of a trial that was bought may begin later, at the trial's end (C5).
        """
        return max(on, self.period.start) if self.period is not None else on

    @property
    def ends_on(self) -> date | None:
        """The first day without access where a cancellation waits (C3), else None."""
        return next((c.effective_on for c in self.changes if c.kind is ChangeKind.CANCEL), None)

    def item(self, item_id: int | None) -> ItemState | None:
        """One of its items, or None."""
        return next((item for item in self.items if item.item_id == item_id), None)

    def change(self, change_id: int) -> WaitingChange | None:
        """One of the changes that wait, or None."""
        return next((change for change in self.changes if change.id == change_id), None)

    def changes_of(self, kind: ChangeKind, item_id: int | None = None) -> list[WaitingChange]:
        """The changes of one kind that wait, of one item where it is named, the earliest first."""
        return [
            change
            for change in self.changes
            if change.kind is kind and (item_id is None or change.item_id == item_id)
        ]


def with_changes(state: SubscriptionState, changes: Iterable[WaitingChange]) -> SubscriptionState:
    """`state` with exactly these changes waiting, each item's `waiting_delta` brought in line."""
    ordered = tuple(sorted(changes, key=lambda change: (change.effective_on, change.id)))
    if not ordered and not state.changes and not any(i.waiting_delta for i in state.items):
        return state
    deltas: dict[int, int] = {}
    if state.period is not None:
        for change in ordered:
            if change.kind is ChangeKind.SEATS and change.effective_on <= state.period.end:
                assert change.item_id is not None, "a reduction is of an item"
                deltas[change.item_id] = deltas.get(change.item_id, 0) + (change.delta or 0)
    items = tuple(
        item
        if item.waiting_delta == deltas.get(item.item_id, 0)
        else replace(item, waiting_delta=deltas.get(item.item_id, 0))
        for item in state.items
    )
    return replace(state, items=items, changes=ordered)
