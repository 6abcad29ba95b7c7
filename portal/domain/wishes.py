"""What can be wished in a cart: seats, a switch, an add-on, a start, credits, a service, and free words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.domain.periods import Interval

__all__ = [
    "AddOnChoice", "Credits", "Free", "NewAddOn", "Seats", "Service", "Start", "Switch", "Wish",
    "wish_from_row", "wish_to_row",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seats:
    """A new total of an item's seats (S1, S2)."""

    item_id: int
    total: int


@dataclass(frozen=True, slots=True)
class Switch:
    """Another plan, or another package of an add-on, now (C1); `key` is the plan's or package's."""

    item_id: int
    key: str


@dataclass(frozen=True, slots=True)
class AddOnChoice:
    """A package of an add-on, for so many people; a flat one is for everyone."""

    add_on: str
    package: str
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class NewAddOn:
    """An add-on that a subscription does not have yet."""

    subscription_id: int
    choice: AddOnChoice


@dataclass(frozen=True, slots=True)
class Start:
    """A subscription: a plan for so many people, a billing period, and add-ons.

    Of a product that the account tries it makes the trial a paid one (C5).
    """

    product: str
    plan: str
    interval: Interval
    quantity: int
    add_ons: tuple[AddOnChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class Credits:
    """A pack of credits for the wallet, by its key in the catalogue (W2)."""

    pack: str


@dataclass(frozen=True, slots=True)
class Service:
    """Onboarding help: a service package by its key in the catalogue."""

    package: str


@dataclass(frozen=True, slots=True)
class Free:
    """Something of no catalogue, in an account executive's own words and at a price of theirs."""

    text: str
    unit_minor: int
    quantity: int = 1


Wish = Seats | Switch | NewAddOn | Start | Credits | Service | Free


_KEY = 120  # of a line of a cart: what tells two of one kind apart


def wish_to_row(wish: Wish) -> dict[str, Any]:
    """The wish as the columns of a line in the cart."""
    match wish:
        case Seats(item_id, total):
            return {"kind": "seats", "item_id": item_id, "quantity": total}
        case Switch(item_id, key):
            return {"kind": "plan_charge", "item_id": item_id, "quantity": 1, "subject_key": key}
        case NewAddOn(subscription_id, choice):
            return {"kind": "add_on", "quantity": choice.quantity,
                    "subject_key": f"{subscription_id}:{choice.add_on}",
                    "details": {"subscription_id": subscription_id, "add_on": choice.add_on,
                                "package": choice.package}}  # fmt: skip
        case Start(product, plan, interval, quantity, add_ons):
            return {"kind": "start", "quantity": quantity, "subject_key": product,
                    "details": {"plan": plan, "interval": interval.value,
                                "add_ons": [[a.add_on, a.package, a.quantity] for a in add_ons]}}  # fmt: skip
        case Credits(pack):
            return {"kind": "credits", "quantity": 1, "subject_key": pack}
        case Service(package):
            return {"kind": "service", "quantity": 1, "subject_key": package}
        case Free(text, unit_minor, quantity):
            return {"kind": "free", "quantity": quantity, "subject_key": text[:_KEY],
                    "details": {"text": text, "unit_minor": unit_minor}}  # fmt: skip


def wish_from_row(
    kind: str,
    item_id: int | None,
    quantity: int,
    subject_key: str,
    details: Mapping[str, Any] | None,
) -> Wish | None:
    """The wish of a line in the cart; None for one that nobody can wish."""
    facts = details or {}
    if kind == "seats" and item_id is not None:
        return Seats(item_id, quantity)
    if kind == "plan_charge" and item_id is not None:
        return Switch(item_id, subject_key)
    if kind == "add_on" and facts:
        choice = AddOnChoice(facts["add_on"], facts["package"], quantity)
        return NewAddOn(facts["subscription_id"], choice)
    if kind == "start" and facts:
        add_ons = tuple(AddOnChoice(*each) for each in facts["add_ons"])
        return Start(subject_key, facts["plan"], Interval(facts["interval"]), quantity, add_ons)
    if kind == "credits":
        return Credits(subject_key)
    if kind == "service":
        return Service(subject_key)
    if kind == "free" and facts:
        return Free(facts["text"], facts["unit_minor"], quantity)
    return None
