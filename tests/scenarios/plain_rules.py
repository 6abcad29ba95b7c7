"""The rules of a subscription's life told again, plainly: what the state machine compares with.

Written from the rules (docs/design.md, P1 to C4), not from the code: dicts, dates and sums.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

__all__ = ["MONTHS", "Refused", "Wait", "World"]

MONTHS = {"month": 1, "quarter": 3, "year": 12}
NOTICE = 15


RANKS = {"start": 1, "pro": 2, "enterprise": 3, "basic": 1, "beyond": 2}


def round_half_up(value: int, by: int) -> int:
    """Of a positive amount: a half goes away from zero."""
    return (2 * value + by) // (2 * by)


class Refused(Exception):
    """The rules say no."""


@dataclass
class Wait:
    """A change that waits: `what` is seats, plan, period, add_on or cancel."""

    what: str
    item: str | None
    value: object
    on: date
    asked: date


@dataclass
class World:
    """One subscription: what it has, what waits, what was invoiced."""

    anchor: int
    start: date
    interval: str
    prices: dict[tuple[str, str], int]  # (plan or package, interval) → cents
    quantity: dict[str, int]  # "plan", "add_on" → seats
    sold: dict[str, str]  # "plan" → pro, "add_on" → beyond
    today: date
    waits: list[Wait] = field(default_factory=list)
    invoices: list[tuple[date, date, int]] = field(default_factory=list)
    pinned: dict[str, int] = field(default_factory=dict)
    ended_on: date | None = None
    first: tuple[int, int] = (0, 0)
    k: int = 0

    def __post_init__(self) -> None:
        self.first = (self.start.year, self.start.month)
        self.pinned = {item: self.prices[self.sold[item], self.interval] for item in self.quantity}

    # --- dates ---------------------------------------------------------------------------------

    def boundary(self, first: tuple[int, int], interval: str, k: int) -> date:
        month = first[0] * 12 + first[1] - 1 + k * MONTHS[interval]
        year, month = divmod(month, 12)
        return date(year, month + 1, min(self.anchor, monthrange(year, month + 1)[1]))

    @property
    def end(self) -> date:
        return self.boundary(self.first, self.interval, self.k + 1)

    def renewals(self) -> Iterator[date]:
        """The renewals to come, with the change of period that waits."""
        first, interval, k = self.first, self.interval, self.k
        turns = {w.on: str(w.value) for w in self.waits if w.what == "period"}
        while True:
            k += 1
            day = self.boundary(first, interval, k)
            yield day
            if day in turns:
                first, interval, k = (day.year, day.month), turns[day], 0

    def takes_effect(self, asked: date) -> date:
        """S4: the first renewal that is at least 15 days away."""
        return next(day for day in self.renewals() if (day - asked).days >= NOTICE)

    # --- what may be asked ---------------------------------------------------------------------

    def ask(self, what: str, item: str | None, value: object) -> Wait:
        if self.ended_on is not None:
            raise Refused("subscription_unknown")
        cancel = next((w for w in self.waits if w.what == "cancel"), None)
        if what == "cancel" and cancel is not None:
            raise Refused("subscription_ends")
        if item is not None and item not in self.quantity:
            raise Refused("item_unknown")
        if what in ("plan", "add_on") and item is not None and value == self.sold[item]:
            raise Refused("unchanged")
        if what == "period" and value == self.interval:
            raise Refused("unchanged")
        on = self.takes_effect(self.today)
        if cancel is not None and on >= cancel.on:
            raise Refused("subscription_ends")
        wait = Wait(what, item, value, on, self.today)
        if what == "seats":
            mine = [w for w in self.waits if w.what == "seats" and w.item == item]
            assert isinstance(value, int)
            assert item is not None
            if self.quantity[item] - sum(int(str(w.value)) for w in mine) - value < 1:
                raise Refused("too_many_removed")
            for same in [w for w in mine if w.on == on]:
                wait.value = int(str(wait.value)) + int(str(same.value))
                self.waits.remove(same)
        elif what in ("plan", "add_on"):
            self.waits = [w for w in self.waits if not (w.what == what and w.item == item)]
        elif what == "period":
            self.waits = [w for w in self.waits if not (w.what == "period" and w.on == on)]
        self.waits.append(wait)
        return wait

    def undo(self, wait: Wait) -> None:
        self.waits.remove(wait)
        if wait.what == "period":
            for later in self.waits:
                if later.on > wait.on:
                    later.on = self.takes_effect(later.asked)

    def upgrade(self, item: str, key: str) -> None:
        """C1: at once, where it is more and costs more; a waiting switch of the item is replaced."""
        if self.ended_on is not None or item not in self.quantity:
            raise Refused("unknown")
        if RANKS[key] <= RANKS[self.sold[item]]:
            raise Refused("not_an_upgrade")
        new = self.prices[key, self.interval]
        begins = self.boundary(self.first, self.interval, self.k)
        left, days = (self.end - self.today).days, (self.end - begins).days
        due = [round_half_up(self.quantity[item] * unit * left, days)
               for unit in (new, self.pinned[item])]  # fmt: skip
        if due[0] - due[1] <= 0:
            raise Refused("not_an_upgrade")
        self.sold[item], self.pinned[item] = key, new
        self.waits = [w for w in self.waits if w.item != item or w.what == "seats"]

    # --- time ----------------------------------------------------------------------------------

    def pass_days(self, days: int) -> None:
        self.today += timedelta(days=days)
        while self.ended_on is None and self.end <= self.today:
            self.renew()

    def renew(self) -> None:
        day = self.end
        due = [w for w in self.waits if w.on <= day]
        self.waits = [w for w in self.waits if w.on > day]
        if any(w.what == "cancel" for w in due):
            self.ended_on, self.waits = day, []
            return
        turn = next((str(w.value) for w in due if w.what == "period"), None)
        if turn is not None:
            self.interval, self.first, self.k = turn, (day.year, day.month), 0
        else:
            self.k += 1
        switched = set()
        for wait in sorted(due, key=lambda w: w.value is None):  # what goes, goes last
            if wait.what == "seats" and wait.item is not None:
                self.quantity[wait.item] -= int(str(wait.value))
            elif wait.what in ("plan", "add_on") and wait.item is not None:
                if wait.value is None:
                    del self.quantity[wait.item], self.sold[wait.item], self.pinned[wait.item]
                    self.waits = [w for w in self.waits if w.item != wait.item]
                else:
                    self.sold[wait.item] = str(wait.value)
                    switched.add(wait.item)
        for item in self.quantity:
            if turn is not None or item in switched:
                self.pinned[item] = self.prices[self.sold[item], self.interval]
        self.invoices.append((day, self.end, self.net()))

    def net(self) -> int:
        return sum(self.quantity[item] * self.pinned[item] for item in self.quantity)
