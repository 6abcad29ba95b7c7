"""How a line or a card names what is sold: from the catalogue, in a language."""

from __future__ import annotations

from portal.domain.catalogue import Catalogue
from portal.domain.order_lines import Sold
from portal.domain.subscriptions import ItemState

__all__ = ["item_label", "label_of", "service_label", "sold_label"]


def sold_label(catalogue: Catalogue, sold: Sold, locale: str) -> str:
    """What a line of a quote, an order or an invoice sells."""
    return label_of(catalogue, sold.product, sold.plan, sold.add_on, sold.package, locale)


def item_label(catalogue: Catalogue, product_key: str, item: ItemState, locale: str) -> str:
    """For example 'Kanto CRM Pro', or 'Customer appointments Beyond' for an add-on."""
    return label_of(
        catalogue, product_key, item.plan_key, item.add_on_key, item.package_key, locale
    )


def label_of(
    catalogue: Catalogue,
    product_key: str,
    plan_key: str | None,
    add_on_key: str | None,
    package_key: str | None,
    locale: str,
) -> str:
    """As `item_label`, from keys; a key that left the file shows itself: no page fails for it."""
    try:
        product = catalogue.product(product_key)
        if add_on_key is not None:
            return product.add_on(add_on_key).label(package_key or "", locale)
        name = product.name.in_(locale)
        return f"{name} {product.plan(plan_key).name.in_(locale)}" if plan_key else name
    except KeyError:
        return " ".join(key for key in (product_key, plan_key, add_on_key, package_key) if key)


def service_label(catalogue: Catalogue, package_key: str, locale: str) -> str:
    """The name of a service package; its key where the file has dropped it."""
    named = (p.name.in_(locale) for p in catalogue.service_packages if p.key == package_key)
    return next(named, package_key)
