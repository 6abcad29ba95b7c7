"""What an account executive is about to offer a customer: a cart of theirs, with discounts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.offers import Discount, Offered
from portal.domain.wishes import wish_from_row
from portal.models import Cart, CartLine

__all__ = ["Draft", "DraftLine", "get_draft", "list_draft"]


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line of the draft, by the id under which it is changed."""

    id: int
    offered: Offered


@dataclass(frozen=True, slots=True)
class Draft:
    """The lines in the order in which they were added, and what is to be said with the quote."""

    lines: tuple[DraftLine, ...] = ()
    message: str = ""
    valid_until: date | None = None


_DRAFT = (
    select(
        Cart.message,
        Cart.valid_until,
        CartLine.id,
        CartLine.kind,
        CartLine.item_id,
        CartLine.quantity,
        CartLine.subject_key,
        CartLine.details,
        CartLine.discount_basis_points,
        CartLine.discount_minor,
    )
    .select_from(Cart)
    .outerjoin(CartLine, CartLine.cart_id == Cart.id)
    .where(
        Cart.account_id == bindparam("account_id"),
        Cart.person_id == bindparam("person_id"),
        Cart.status == "open",
    )
    .order_by(CartLine.id)
)


def get_draft(connection: Connection, account_id: int, person_id: int) -> Draft:
    """The person's draft for the account; an empty one where nothing was begun."""
    draft, found = Draft(), []
    for message, valid_until, key, *wished, basis_points, minor in fetch_all(
        connection, _DRAFT, account_id=account_id, person_id=person_id
    ):
        draft = Draft((), message, valid_until)
        wish = wish_from_row(*wished) if key is not None else None
        if wish is not None:
            found.append(DraftLine(key, Offered(wish, Discount(basis_points, minor))))
    return replace(draft, lines=tuple(found))


def list_draft(connection: Connection, account_id: int, person_id: int) -> tuple[DraftLine, ...]:
    """The lines of the person's draft for the account, in the order in which they were added."""
    return get_draft(connection, account_id, person_id).lines
