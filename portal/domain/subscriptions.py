"""A subscription as the rules see it: a frozen picture of its items, seats and present period."""

from __future__ import annotations

from dataclasses import dataclass

from portal.domain.money import Money
from portal.domain.periods import Interval, Period

__all__ = ["ItemState", "SubscriptionState"]


@dataclass(frozen=True, slots=True)
class ItemState:
    """The plan or an add-on of a subscription.

    `unit_price` is the pinned one (C4), None while the item is free (a trial's). `waiting_delta`
    is the reduction that waits for the renewal (S3), zero or negative.
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
        """The quantity of the next period, as far as it is known today."""
        return self.quantity + self.waiting_delta


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """One product of an account; `interval` and `period` are None for a trial (C5)."""

    subscription_id: int
    product_key: str
    status: str
    interval: Interval | None
    period: Period | None
    items: tuple[ItemState, ...]

    @property
    def plan_item(self) -> ItemState:
        """The item that is the plan."""
        return next(item for item in self.items if item.kind == "plan")

    def item(self, item_id: int) -> ItemState | None:
        """One of its items, or None."""
        return next((item for item in self.items if item.item_id == item_id), None)
