"""Changes that wait for a renewal, and the next period with all of them in it (S3, S4, C1, C2).

`plan_next_period` is what the next-invoice preview shows and what the renewal does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval, Period, Term, notice_closes_on, renewal_for_change
from portal.domain.pricing import PricedLine, price_line
from portal.domain.subscriptions import ItemState

__all__ = [
    "ChangeKind", "ChangeTime", "NextPeriod", "PriceChoice", "WaitingChange", "change_time",
    "plan_next_period", "plan_reduction_delta",
]  # fmt: skip


class ChangeKind(StrEnum):
    """What waits. seats: fewer of an item; add_on: another package of it, or none."""

    SEATS = "seats"
    PLAN = "plan"
    PERIOD = "period"
    ADD_ON = "add_on"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class WaitingChange:
    """A change that waits for `effective_on` and can be undone until then (S5).

    `delta` is a reduction's, negative (S3). `target` pins what was shown when it was asked (C4):
    plan {"plan", "prices": {interval: [price id, minor]}}, add_on the same with "package" or
    {"remove": true}, period {"interval", "prices": {item id: [price id, minor]}}.
    """

    id: int
    kind: ChangeKind
    item_id: int | None
    delta: int | None
    target: Mapping[str, Any] | None
    effective_on: date
    asked_at: datetime


PriceChoice = Callable[[ItemState, Interval], tuple[int, Money] | None]
"""Today's price of an item in an interval: its id and the unit price; None if it is not sold so."""


@dataclass(frozen=True, slots=True)
class ChangeTime:
    """When a change asked on a day takes effect (S4): both dates, for the screen to say."""

    asked_on: date
    next_renewal: date
    notice_closes_on: date
    effective_on: date

    @property
    def in_time(self) -> bool:
        """Whether the next renewal can still be met."""
        return self.effective_on == self.next_renewal


@dataclass(frozen=True, slots=True)
class NextPeriod:
    """What follows at a renewal: the items of the new period, its lines, what was applied.

    `ends` says that a cancellation takes effect: there is no new period and no line.
    """

    on: date
    ends: bool
    term: Term
    number: int
    period: Period
    new_term: bool
    items: tuple[ItemState, ...]
    removed: tuple[int, ...]
    lines: tuple[PricedLine, ...]
    applied: tuple[int, ...]


def change_time(
    term: Term, number: int, asked_on: date, notice_days: int, waiting: Term | None = None
) -> ChangeTime:
    """The renewal a change asked on `asked_on` waits for, in period `number` of `term` (S4)."""
    following = term.start_of(number)
    effective = renewal_for_change(term, number - 1, asked_on, notice_days, waiting)
    return ChangeTime(asked_on, following, notice_closes_on(following, notice_days), effective)


def plan_reduction_delta(item: ItemState, remove: int, already: int = 0) -> int:
    """The delta that removes `remove` seats of `item`; `already` waits for an earlier renewal.

    DomainError `nothing_removed`, or `too_many_removed` where less than one seat would stay:
    ending it all is a cancellation or the removal of the add-on.
    """
    if remove < 1:
        raise DomainError("nothing_removed")
    most = item.quantity + already - 1
    if remove > most:
        raise DomainError("too_many_removed", maximum=max(most, 0))
    return -remove


def plan_next_period(
    items: Sequence[ItemState],
    waiting: Sequence[WaitingChange],
    term: Term,
    number: int,
    today_price: PriceChoice,
) -> NextPeriod:
    """The period after period `number` (from 1) of `term`, with every change that is due in it.

    Changes that wait for a later renewal are left alone. DomainError `price_missing` where an item
    is not sold in the interval it would have.
    """
    on = term.start_of(number)
    due = [change for change in waiting if change.effective_on <= on]
    applied = tuple(change.id for change in due)
    if any(change.kind is ChangeKind.CANCEL for change in due):
        return NextPeriod(on, True, term, number + 1, term.period(number), False, (),
                          tuple(item.item_id for item in items), (), applied)  # fmt: skip
    period_change = next((c for c in due if c.kind is ChangeKind.PERIOD), None)
    following, following_number = term, number + 1
    if period_change is not None:
        interval = Interval(_target(period_change)["interval"])
        following = Term.opening_at(on, interval, term.anchor_day)
        following_number = 1
    next_items: list[ItemState] = []
    removed: list[int] = []
    for item in items:
        changed = _item_next(item, due, following.interval, period_change, today_price)
        if changed is None or changed.quantity == 0:
            removed.append(item.item_id)
        else:
            next_items.append(changed)
    return NextPeriod(
        on=on,
        ends=False,
        term=following,
        number=following_number,
        period=following.period(following_number - 1),
        new_term=period_change is not None,
        items=tuple(next_items),
        removed=tuple(removed),
        lines=_lines(next_items),
        applied=applied,
    )


def _item_next(
    item: ItemState,
    due: Sequence[WaitingChange],
    interval: Interval,
    period_change: WaitingChange | None,
    today_price: PriceChoice,
) -> ItemState | None:
    mine = [change for change in due if change.item_id == item.item_id]
    quantity = item.quantity + sum(change.delta or 0 for change in mine)
    switch = next((c for c in mine if c.kind in (ChangeKind.PLAN, ChangeKind.ADD_ON)), None)
    if switch is None and item.kind == "plan":
        switch = next((c for c in due if c.kind is ChangeKind.PLAN and c.item_id is None), None)
    changed = replace(item, quantity=max(quantity, 0), waiting_delta=0)
    if switch is not None:
        target = _target(switch)
        if target.get("remove"):
            return None
        changed = replace(
            changed,
            plan_key=target.get("plan", changed.plan_key),
            package_key=target.get("package", changed.package_key),
        )
        return _priced(changed, target.get("prices", {}).get(interval.value), interval, today_price)
    if period_change is not None and item.unit_price is not None:
        pinned = _target(period_change).get("prices", {}).get(str(item.item_id))
        return _priced(changed, pinned, interval, today_price)
    return changed


def _priced(
    item: ItemState, pinned: Sequence[int] | None, interval: Interval, today_price: PriceChoice
) -> ItemState:
    """The pinned price of what was shown (C4), else today's: an item may have come later."""
    if pinned is not None:
        assert item.unit_price is not None
        return replace(item, price_id=pinned[0],
                       unit_price=Money(pinned[1], item.unit_price.currency))  # fmt: skip
    found = today_price(item, interval)
    if found is None:
        raise DomainError("price_missing", item_id=item.item_id, interval=interval.value)
    return replace(item, price_id=found[0], unit_price=found[1])


def _lines(items: Sequence[ItemState]) -> tuple[PricedLine, ...]:
    billed = [item for item in items if item.unit_price is not None]
    return tuple(
        price_line(
            position=position,
            kind="seats" if item.per_seat else "add_on",
            quantity=item.quantity,
            unit_price=item.unit_price,
            item_id=item.item_id,
            price_id=item.price_id,
        )
        for position, item in enumerate(billed, start=1)
        if item.unit_price is not None
    )


def _target(change: WaitingChange) -> Mapping[str, Any]:
    if change.target is None:
        raise DomainError("change_without_target", change_id=change.id)
    return change.target
