"""The lines of an order in words: for the customer's page and the desk's."""

from __future__ import annotations

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.domain.order_lines import Sold, SoldOnce
from portal.languages import language
from portal.queries.orders import OrderLineRow
from portal.wording import goods_words

__all__ = ["line_label"]


def line_label(line: OrderLineRow, catalogue: Catalogue, locale: str) -> str:
    """What a line sold, as it was ordered; an older one names what its item is."""
    sold = Sold.read(line.details) or SoldOnce.read(line.details)
    if sold is not None:
        return goods_words(language(locale), catalogue, sold)
    return label_of(
        catalogue, line.product_key or "", line.plan_key, line.add_on_key, line.package_key, locale
    )
