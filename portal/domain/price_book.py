"""Today's recurring prices in one currency, by what they are for (C4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.subscriptions import ItemState

__all__ = ["PriceBook", "PriceOf", "pin_key"]


@dataclass(frozen=True, slots=True)
class PriceOf:
    """A current price: its row's id, and the net price of one seat (or a flat add-on)."""

    price_id: int
    unit: Money


def pin_key(item: ItemState) -> str:
    """What an item is, as the prices that a change of billing period pins are kept by."""
    if item.plan_key is not None:
        return f"plan:{item.plan_key}"
    return f"add_on:{item.add_on_key}:{item.package_key}"


@dataclass(frozen=True, slots=True)
class PriceBook:
    """What is sold today in `currency`. An absent price means that it is not offered (C4).

    Keys: (product, plan, interval), and (product, add-on, package, interval); those of the packs of
    credits and of the service packages, which are paid once, are the catalogue's.
    """

    currency: str
    plans: Mapping[tuple[str, str, str], PriceOf] = field(hash=False)
    add_ons: Mapping[tuple[str, str, str, str], PriceOf] = field(hash=False)
    packs: Mapping[str, PriceOf] = field(default_factory=dict, hash=False)
    services: Mapping[str, PriceOf] = field(default_factory=dict, hash=False)

    def plan(self, product: str, plan: str, interval: Interval) -> PriceOf | None:
        """The price of one seat of a plan."""
        return self.plans.get((product, plan, interval.value))

    def add_on(self, product: str, add_on: str, package: str, interval: Interval) -> PriceOf | None:
        """The price of an add-on's package, for one seat or flat."""
        return self.add_ons.get((product, add_on, package, interval.value))

    def item(self, product: str, item: ItemState, interval: Interval) -> PriceOf | None:
        """The price of what an item is, in another interval perhaps."""
        if item.plan_key is not None:
            return self.plan(product, item.plan_key, interval)
        return self.add_on(product, item.add_on_key or "", item.package_key or "", interval)

    def plan_intervals(self, product: str, plan: str) -> dict[str, list[int]]:
        """What a change of plan pins: [price id, minor] by interval."""
        return {
            interval.value: [found.price_id, found.unit.minor]
            for interval in Interval
            if (found := self.plan(product, plan, interval)) is not None
        }

    def add_on_intervals(self, product: str, add_on: str, package: str) -> dict[str, list[int]]:
        """What a change of an add-on's package pins: [price id, minor] by interval."""
        return {
            interval.value: [found.price_id, found.unit.minor]
            for interval in Interval
            if (found := self.add_on(product, add_on, package, interval)) is not None
        }

    def in_interval(self, product: str, interval: Interval) -> dict[str, list[int]]:
        """What a change of billing period pins: [price id, minor] of all the product has, by
        `pin_key`. An item may be another plan or package by the day it takes effect.
        """
        found = {
            f"plan:{plan}": price
            for (its_product, plan, its_interval), price in self.plans.items()
            if (its_product, its_interval) == (product, interval.value)
        } | {
            f"add_on:{add_on}:{package}": price
            for (its_product, add_on, package, its_interval), price in self.add_ons.items()
            if (its_product, its_interval) == (product, interval.value)
        }
        return {key: [price.price_id, price.unit.minor] for key, price in found.items()}
