"""A waiting change as a line of any page: named, with the numbers before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue
from portal.domain.labels import item_label, label_of
from portal.domain.subscriptions import ChangeKind, SubscriptionState, WaitingChange

__all__ = ["ChangeLine", "change_line", "change_lines"]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """What the macro `change_line` shows.

    `label` names the item, or the product where the whole subscription changes; `new_label` is
    the plan or package that comes. `before` and `after` are the seats around a reduction, all
    earlier ones included. `interval` is the billing period that comes.
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

    @property
    def last_day(self) -> date:
        """The last day on which what there is now stays."""
        return self.effective_on - timedelta(days=1)


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
    new_label = ""
    if item is not None and change.kind is ChangeKind.SEATS:
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
    )


def _earlier(state: SubscriptionState, change: WaitingChange) -> int:
    """What the reductions of the same item before this one take away."""
    mine = state.changes_of(ChangeKind.SEATS, change.item_id)
    return sum(other.delta or 0 for other in mine[: mine.index(change)])
