"""Products that an account had and has not any more, read beside what a page reads anyway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, String, bindparam, cast, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Product, Subscription
from portal.queries.quotes import (
    AccountBuying,
    Holding,
    read_account_overview,
    select_account_overview,
)

__all__ = ["Ended", "get_account_overview_with_ended", "read_ended", "select_overview_with_ended"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A product whose last subscription has ended; `ended_on` is the first day without it."""

    product_key: str
    ended_on: date


# One row a product: those that the account has (again) are not ended.
_LIVE = Subscription.__table__.alias("live")
_LAST = (
    select(Product.key.label("key"), func.max(Subscription.ended_on).label("ended_on"))
    .join(Product, Product.id == Subscription.product_id)
    .where(
        Subscription.account_id == bindparam("account_id"),
        Subscription.status == "ended",
        Subscription.product_id.not_in(
            select(_LIVE.c.product_id).where(
                _LIVE.c.account_id == bindparam("account_id"), _LIVE.c.status != "ended"
            )
        ),
    )
    .group_by(Product.key)
    .subquery()
)
# As one text, "crm:2026-11-30,sign:2027-02-02": the licences page has no statement to spare, and
# a product's key holds neither sign.
_ENDED = select(
    func.aggregate_strings(_LAST.c.key + ":" + cast(_LAST.c.ended_on, String), ",")
).scalar_subquery()
_OVERVIEW = select_account_overview().add_columns(_ENDED)


def select_overview_with_ended() -> Select[Any]:
    """The statement of `get_account_overview_with_ended`; its last column is for `read_ended`."""
    return _OVERVIEW


def get_account_overview_with_ended(
    connection: Connection, account_id: int
) -> tuple[AccountBuying, tuple[Holding, ...], tuple[Ended, ...]]:
    """As `get_account_overview`, and the products that have ended, the latest first."""
    rows = fetch_all(connection, _OVERVIEW, account_id=account_id)
    buying, holdings = read_account_overview(rows)
    return buying, holdings, read_ended(rows[0][-1])


def read_ended(text: str | None) -> tuple[Ended, ...]:
    """The products that have ended, of the column that tells of them."""
    pairs = (each.rsplit(":", 1) for each in (text or "").split(",") if each)
    found = [Ended(key, date.fromisoformat(day)) for key, day in pairs]
    return tuple(sorted(found, key=lambda each: (each.ended_on, each.product_key), reverse=True))
