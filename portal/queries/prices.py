"""Today's prices: the one current row of a subject, interval and currency (C4).

None means that nothing is offered there. A pinned price is read by its id, retired or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.domain.money import Money
from portal.domain.price_book import PriceBook, PriceOf
from portal.models import AddOn, Plan, Price, Product

__all__ = [
    "CurrentPrice",
    "get_add_on_price",
    "get_credit_pack_price",
    "get_plan_price",
    "get_price_book",
    "get_service_package_price",
    "list_current_prices",
]


@dataclass(frozen=True, slots=True)
class CurrentPrice:
    """A current price, net, for one seat or unit; exactly one of the four subjects is set."""

    id: int
    plan_id: int | None
    add_on_id: int | None
    credit_pack_key: str | None
    service_package_key: str | None
    interval: str
    unit: Money


_CURRENT = select(
    Price.id,
    Price.plan_id,
    Price.add_on_id,
    Price.credit_pack_key,
    Price.service_package_key,
    Price.interval,
    Price.unit_minor,
    Price.currency,
).where(Price.retired_at.is_(None), Price.currency == bindparam("currency"))

_ADD_ON_PRODUCT = Product.__table__.alias("add_on_product")
_BOOK = (
    select(
        Price.id,
        Price.unit_minor,
        Price.interval,
        Product.key,
        Plan.key,
        _ADD_ON_PRODUCT.c.key,
        AddOn.key,
        AddOn.package_key,
        Price.credit_pack_key,
        Price.service_package_key,
    )
    .outerjoin(Plan, Plan.id == Price.plan_id)
    .outerjoin(Product, Product.id == Plan.product_id)
    .outerjoin(AddOn, AddOn.id == Price.add_on_id)
    .outerjoin(_ADD_ON_PRODUCT, _ADD_ON_PRODUCT.c.id == AddOn.product_id)
    .where(
        Price.retired_at.is_(None),
        Price.currency == bindparam("currency"),
    )
)

_RECURRING = _CURRENT.where(Price.interval == bindparam("interval"))
_OF_PLAN = _RECURRING.where(Price.plan_id == bindparam("plan_id"))
_OF_ADD_ON = _RECURRING.where(Price.add_on_id == bindparam("add_on_id"))
_OF_CREDIT_PACK = _CURRENT.where(Price.credit_pack_key == bindparam("key"))
_OF_SERVICE_PACKAGE = _CURRENT.where(Price.service_package_key == bindparam("key"))
_ALL = _CURRENT.order_by(Price.id)


def get_price_book(connection: Connection, currency: str) -> PriceBook:
    """Every price that is current in a currency: one statement (C4)."""
    plans: dict[tuple[str, str, str], PriceOf] = {}
    add_ons: dict[tuple[str, str, str, str], PriceOf] = {}
    packs: dict[str, PriceOf] = {}
    services: dict[str, PriceOf] = {}
    for row in connection.execute(_BOOK, {"currency": currency}):
        (price_id, minor, interval, plan_product, plan, add_on_product, add_on, package, pack,
         service) = row  # fmt: skip
        found = PriceOf(price_id, Money(minor, currency))
        if plan is not None:
            plans[plan_product, plan, interval] = found
        elif pack is not None:
            packs[pack] = found
        elif service is not None:
            services[service] = found
        else:
            add_ons[add_on_product, add_on, package, interval] = found
    return PriceBook(currency, plans, add_ons, packs, services)


def get_plan_price(
    connection: Connection, plan_id: int, interval: str, currency: str
) -> CurrentPrice | None:
    """The price of one seat of a plan for one interval."""
    row = connection.execute(
        _OF_PLAN, {"plan_id": plan_id, "interval": interval, "currency": currency}
    ).first()
    return _price(row)


def get_add_on_price(
    connection: Connection, add_on_id: int, interval: str, currency: str
) -> CurrentPrice | None:
    """The price of an add-on's package, for one seat or flat, for one interval."""
    row = connection.execute(
        _OF_ADD_ON, {"add_on_id": add_on_id, "interval": interval, "currency": currency}
    ).first()
    return _price(row)


def get_credit_pack_price(connection: Connection, key: str, currency: str) -> CurrentPrice | None:
    """What a pack of credits costs."""
    row = connection.execute(_OF_CREDIT_PACK, {"key": key, "currency": currency}).first()
    return _price(row)


def get_service_package_price(
    connection: Connection, key: str, currency: str
) -> CurrentPrice | None:
    """What a service package costs; one that is included has no price."""
    row = connection.execute(_OF_SERVICE_PACKAGE, {"key": key, "currency": currency}).first()
    return _price(row)


def list_current_prices(connection: Connection, currency: str) -> list[CurrentPrice]:
    """Every current price in a currency, the oldest row first."""
    rows = connection.execute(_ALL, {"currency": currency})
    return [found for row in rows if (found := _price(row)) is not None]


def _price(row: Any) -> CurrentPrice | None:
    if row is None:
        return None
    key, plan_id, add_on_id, pack, service, interval, minor, currency = row
    return CurrentPrice(key, plan_id, add_on_id, pack, service, interval, Money(minor, currency))
