"""What an account executive is about to offer a customer: a cart of theirs, with discounts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.offers import Discount, Offered
from portal.domain.wishes import wish_from_row
from portal.models import Cart, CartLine

__all__ = ["DraftLine", "list_draft"]


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line of the draft, by the id under which it is changed."""

    id: int
    offered: Offered


_DRAFT = (
    select(
        CartLine.id,
        CartLine.kind,
        CartLine.item_id,
        CartLine.quantity,
        CartLine.subject_key,
        CartLine.details,
        CartLine.discount_basis_points,
        CartLine.discount_minor,
    )
    .join(Cart, Cart.id == CartLine.cart_id)
    .where(
        Cart.account_id == bindparam("account_id"),
        Cart.person_id == bindparam("person_id"),
        Cart.status == "open",
    )
    .order_by(CartLine.id)
)


def list_draft(connection: Connection, account_id: int, person_id: int) -> list[DraftLine]:
    """The lines of the person's draft for the account, in the order in which they were added."""
    found = []
    for key, *wished, basis_points, minor in fetch_all(
        connection, _DRAFT, account_id=account_id, person_id=person_id
    ):
        wish = wish_from_row(*wished)
        if wish is not None:
            found.append(DraftLine(key, Offered(wish, Discount(basis_points, minor))))
    return found
