"""The add-ons of a product as their page shows them: what is active, what each package gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.domain.catalogue import AddOn, Catalogue, LocalizedText, Product
from portal.domain.money import Money
from portal.domain.price_book import PriceBook
from portal.domain.purchases import is_upgrade, why_not_alone
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState
from portal.web.changes.views import ChangeLine, change_line
from portal.web.locale import speech

__all__ = ["AddOnView", "PackageView", "add_on_views", "item_of"]


@dataclass(frozen=True, slots=True)
class PackageView:
    """A package; `price` is for a licence (or for everyone, where flat) and a billing period.

    `choice`: active, waiting, buy, upgrade (at once), at_renewal, not_sold, or closed where nothing
    can be chosen here. `name` is empty where the add-on has no named packages.
    """

    key: str
    name: str
    description: str
    price: Money | None
    choice: str


@dataclass(frozen=True, slots=True)
class AddOnView:
    """An add-on; `item` is the subscription's own, None where it has none."""

    key: str
    name: str
    description: str
    is_flat: bool
    item: ItemState | None
    packages: tuple[PackageView, ...]
    waiting: tuple[ChangeLine, ...]
    blocked: str | None
    reason: LocalizedText | None

    @property
    def ends(self) -> bool:
        """Whether its end waits for a renewal."""
        return any(line.removes for line in self.waiting)


def item_of(state: SubscriptionState, add_on_key: str) -> ItemState | None:
    """The item that is the add-on, or None."""
    return next((item for item in state.items if item.add_on_key == add_on_key), None)


def add_on_views(
    state: SubscriptionState,
    product: Product,
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    today: date,
) -> list[AddOnView]:
    """The subscription's add-ons, then the others on sale, each in the catalogue's order."""
    views = [
        _view(state, product, add_on, book, catalogue, payment_terms, today)
        for add_on in product.add_ons
        if add_on in product.offered_add_ons or item_of(state, add_on.key) is not None
    ]
    return sorted(views, key=lambda view: view.item is None)


def _view(
    state: SubscriptionState,
    product: Product,
    add_on: AddOn,
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    today: date,
) -> AddOnView:
    locale, item = speech().locale, item_of(state, add_on.key)
    blocked = why_not_alone(state, product.key, catalogue, payment_terms, add_on=add_on.key)
    changes: Sequence[ChangeLine] = ()
    coming: set[object] = set()
    if item is not None:
        mine = [change for change in state.changes if change.item_id == item.item_id]
        changes = [change_line(state, change, catalogue, locale) for change in mine]
        coming = {c.target.get("package") for c in mine if c.kind is ChangeKind.ADD_ON}
    packages = []
    for package in add_on.packages:
        active = item is not None and item.package_key == package.key
        if package not in add_on.offered_packages and not active:
            continue
        price = None
        if state.interval is not None:
            price = book.add_on(product.key, add_on.key, package.key, state.interval)
        unit = price.unit if price is not None else None
        if active:
            assert item is not None
            choice, unit = "active", item.unit_price or unit
        elif package.key in coming:
            choice = "waiting"
        elif blocked is not None:
            choice = "closed"
        elif price is None:
            choice = "not_sold"
        elif item is None:
            choice = "buy"
        elif is_upgrade(state, item, package.key, book, catalogue, today):
            choice = "upgrade"
        else:
            choice = "at_renewal"
        name = package.name.in_(locale) if add_on.has_named_packages else ""
        packages.append(
            PackageView(package.key, name, package.description.in_(locale), unit, choice)
        )
    return AddOnView(
        key=add_on.key,
        name=add_on.name.in_(locale),
        description=add_on.description.in_(locale),
        is_flat=add_on.charge == "flat",
        item=item,
        packages=tuple(packages),
        waiting=tuple(changes),
        blocked=blocked,
        reason=add_on.self_service_reason or product.self_service_reason,
    )
