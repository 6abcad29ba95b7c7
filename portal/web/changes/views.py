"""A waiting change as a line of any page: named, with the numbers before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue
from portal.domain.changes import PlannedChange
from portal.domain.labels import item_label, label_of
from portal.domain.money import Money
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange

__all__ = ["ChangeLine", "MovedLine", "change_line", "change_lines", "moved_lines"]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """What the macro `change_line` shows.

    `label` names the item, or the product where the whole subscription changes; `new_label` is
    the plan or package that comes. `before` and `after` are the seats around a reduction, all
    earlier ones included. `interval` is the billing period that comes. What a reduction removes may
    have been `credited`, net, for a period that had begun (S4): then it is not undone.
    """

    id: int
    kind: str
    label: str
    effective_on: date
    asked_on: date
    before: int = 0
    after: int = 0
    new_label: str = ""
    interval: str | None = None
    removes: bool = False
    credited: Money | None = None

    @property
    def last_day(self) -> date:
        """The last day on which what there is now stays."""
        return self.effective_on - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MovedLine:
    """A change that waits for another renewal than on `was`, once what is shown is confirmed (C2)."""

    line: ChangeLine
    was: date


def change_lines(
    state: SubscriptionState, catalogue: Catalogue, locale: str
) -> tuple[ChangeLine, ...]:
    """Every change of the subscription that waits, the earliest first."""
    return tuple(change_line(state, change, catalogue, locale) for change in state.changes)


def change_line(
    state: SubscriptionState, change: WaitingChange, catalogue: Catalogue, locale: str
) -> ChangeLine:
    """One change of those that wait for `state`."""
    item = state.item(change.item_id)
    product = state.product_key
    if item is None:  # the whole subscription's
        label = label_of(catalogue, product, None, None, None, locale)
    else:
        label = item_label(catalogue, product, item, locale)
    before = after = 0
    new_label, credited = "", None
    if item is not None and change.kind is ChangeKind.SEATS:
        minor = change.target.get("credited")
        if minor and item.unit_price is not None:
            credited = Money(minor, item.unit_price.currency)
        before = item.quantity + _earlier(state, change)
        after = before + (change.delta or 0)
    elif item is not None and change.kind is ChangeKind.PLAN:
        new_label = label_of(catalogue, product, change.target.get("plan"), None, None, locale)
    elif item is not None and change.target.get("package"):
        package = change.target["package"]
        new_label = label_of(catalogue, product, None, item.add_on_key, package, locale)
    return ChangeLine(
        id=change.id,
        kind=change.kind.value,
        label=label,
        effective_on=change.effective_on,
        asked_on=change.asked_on,
        before=before,
        after=after,
        new_label=new_label,
        interval=change.target.get("interval"),
        removes=bool(change.target.get("remove")),
        credited=credited,
    )


def moved_lines(
    state: SubscriptionState, planned: PlannedChange, catalogue: Catalogue, locale: str
) -> tuple[MovedLine, ...]:
    """What moves with a planned change of `state`, each with its new and its present day."""
    was = {change.id: change.effective_on for change in state.changes}
    return tuple(
        MovedLine(change_line(planned.after_state, change, catalogue, locale), was[change.id])
        for change in planned.retimed
    )


def _earlier(state: SubscriptionState, change: WaitingChange) -> int:
    """What the reductions of the same item before this one take away."""
    mine = state.changes_of(ChangeKind.SEATS, change.item_id)
    return sum(other.delta or 0 for other in mine[: mine.index(change)])
