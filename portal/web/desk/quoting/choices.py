"""What can be offered to a customer today, as the options of one list; and the wish of an option."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from portal.domain.catalogue import Catalogue, Charge, Product
from portal.domain.errors import DomainError
from portal.domain.labels import item_label, label_of
from portal.domain.order_lines import SoldOnce
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.purchases import is_upgrade
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.trials import is_unpaid_trial
from portal.domain.wishes import AddOnChoice, Credits, NewAddOn, Seats, Service, Start, Switch, Wish
from portal.languages import language
from portal.wording import goods_words

__all__ = ["Choice", "ChoiceGroup", "begun_with", "list_choices", "wish_of"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One option: its value in the form, its words, and whether it is sold by the number."""

    value: str
    words: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class ChoiceGroup:
    """Options under one heading."""

    words: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class _Shop:
    states: Sequence[SubscriptionState]
    book: PriceBook
    catalogue: Catalogue
    locale: str
    today: date


def list_choices(
    states: Sequence[SubscriptionState],
    begun: Iterable[Start],
    book: PriceBook,
    catalogue: Catalogue,
    locale: str,
    today: date,
) -> list[ChoiceGroup]:
    """What has a price in the account's currency; `begun` are the starts of the draft."""
    shop = _Shop(states, book, catalogue, locale, today)
    groups = (
        ChoiceGroup(_("More licences"), tuple(_seats(shop))),
        ChoiceGroup(_("Upgrades"), tuple(_switches(shop))),
        ChoiceGroup(_("Add-ons"), (*_add_ons(shop), *_add_ons_of_starts(shop, begun))),
        ChoiceGroup(_("New subscriptions"), tuple(_starts(shop))),
        ChoiceGroup(_("Credits"), tuple(_credits(shop))),
        ChoiceGroup(_("Onboarding"), tuple(_services(shop))),
    )
    return [group for group in groups if group.choices]


def begun_with(value: str) -> tuple[str, str, str] | None:
    """Product, add-on and package of an option that goes with a start of the draft; else None."""
    kind, *keys = value.split(":")
    return (keys[0], keys[1], keys[2]) if kind == "with" and len(keys) == 3 else None


def wish_of(value: str, quantity: int, states: Iterable[SubscriptionState]) -> Wish:
    """The wish of an option; a number is of what is added. DomainError `not_offered` for none."""
    match value.split(":"):
        case ["seats", item_id] if item_id.isdigit():
            for state in states:
                item = state.item(int(item_id))
                if item is not None:
                    return Seats(item.item_id, item.quantity + quantity)
        case ["switch", item_id, key] if item_id.isdigit():
            return Switch(int(item_id), key)
        case ["add_on", subscription_id, add_on, package] if subscription_id.isdigit():
            return NewAddOn(int(subscription_id), AddOnChoice(add_on, package, quantity))
        case ["start", product, plan, interval] if interval in set(Interval):
            return Start(product, plan, Interval(interval), quantity)
        case ["credits", pack]:
            return Credits(pack)
        case ["service", package]:
            return Service(package)
    raise DomainError("not_offered")


def _items(shop: _Shop) -> Iterator[tuple[SubscriptionState, ItemState, Product]]:
    for state in shop.states:
        if state.is_running:
            for item in state.items:
                yield state, item, shop.catalogue.product(state.product_key)


def _seats(shop: _Shop) -> Iterator[Choice]:
    for state, item, _product in _items(shop):
        if item.per_seat and item.unit_price is not None:
            label = item_label(shop.catalogue, state.product_key, item, shop.locale)
            yield Choice(f"seats:{item.item_id}", label)


def _switches(shop: _Shop) -> Iterator[Choice]:
    for state, item, product in _items(shop):
        if item.plan_key is not None:
            keys = [plan.key for plan in product.offered_plans]
        else:
            add_ons = {add_on.key: add_on for add_on in product.offered_add_ons}
            add_on = add_ons.get(item.add_on_key or "")
            keys = [package.key for package in add_on.offered_packages] if add_on else []
        for key in keys:
            if is_upgrade(state, item, key, shop.book, shop.catalogue, shop.today):
                plan, package = (key, None) if item.plan_key is not None else (None, key)
                label = label_of(
                    shop.catalogue, product.key, plan, item.add_on_key, package, shop.locale
                )
                yield Choice(f"switch:{item.item_id}:{key}", label, counts=False)


def _add_ons(shop: _Shop) -> Iterator[Choice]:
    for state in shop.states:
        if state.is_running and state.interval is not None:
            present = {item.add_on_key for item in state.items}
            prefix = f"add_on:{state.subscription_id}"
            yield from _packages(shop, state.product_key, state.interval, prefix, present)


def _add_ons_of_starts(shop: _Shop, begun: Iterable[Start]) -> Iterator[Choice]:
    for start in begun:
        yield from _packages(shop, start.product, start.interval, f"with:{start.product}", set())


def _packages(
    shop: _Shop, product_key: str, interval: Interval, prefix: str, present: set[str | None]
) -> Iterator[Choice]:
    for add_on in shop.catalogue.product(product_key).offered_add_ons:
        for package in add_on.offered_packages if add_on.key not in present else ():
            if shop.book.add_on(product_key, add_on.key, package.key, interval) is not None:
                label = label_of(
                    shop.catalogue, product_key, None, add_on.key, package.key, shop.locale
                )
                counts = add_on.charge is Charge.PER_SEAT
                yield Choice(f"{prefix}:{add_on.key}:{package.key}", label, counts)


def _starts(shop: _Shop) -> Iterator[Choice]:
    names = {Interval.MONTH: _("monthly"), Interval.QUARTER: _("quarterly"),
             Interval.YEAR: _("yearly")}  # fmt: skip
    taken = {state.product_key for state in shop.states if not is_unpaid_trial(state)}
    for product in shop.catalogue.offered_products:
        for plan in product.offered_plans if product.key not in taken else ():
            label = label_of(shop.catalogue, product.key, plan.key, None, None, shop.locale)
            for interval in Interval:
                if shop.book.plan(product.key, plan.key, interval) is not None:
                    value = f"start:{product.key}:{plan.key}:{interval.value}"
                    yield Choice(value, f"{label}, {names[interval]}")


def _credits(shop: _Shop) -> Iterator[Choice]:
    for pack in shop.catalogue.offered_credit_packs:
        if pack.key in shop.book.packs:
            sold = SoldOnce(pack=pack.key, credits=pack.credits)
            words = goods_words(language(shop.locale), shop.catalogue, sold)
            yield Choice(f"credits:{pack.key}", words, counts=False)


def _services(shop: _Shop) -> Iterator[Choice]:
    for package in shop.catalogue.offered_service_packages:
        if package.key in shop.book.services and not package.included:
            yield Choice(f"service:{package.key}", package.name.in_(shop.locale), counts=False)
