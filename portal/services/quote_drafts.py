"""The draft of an offer: lines added, discounted and taken away, before a quote is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.domain.offers import Discount
from portal.domain.wishes import AddOnChoice, Start, Wish, wish_from_row, wish_to_row
from portal.models import CartLine
from portal.services.carts import get_or_open_cart

__all__ = ["add_to_draft", "add_to_start", "discount_draft", "remove_from_draft", "word_draft"]


def add_to_draft(
    session: Session, account_id: int, person_id: int, wish: Wish, now: datetime
) -> None:
    """Put a wish into the person's draft for the account, in the place of one for the same thing."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    row = wish_to_row(wish)
    session.execute(
        delete(CartLine).where(
            CartLine.cart_id == cart.id,
            CartLine.kind == row["kind"],
            CartLine.subject_key == row.get("subject_key", ""),
            CartLine.item_id.is_not_distinct_from(row.get("item_id")),
        )
    )
    session.add(CartLine(cart_id=cart.id, **row))
    session.flush()


def add_to_start(
    session: Session,
    account_id: int,
    person_id: int,
    product: str,
    choice: AddOnChoice,
    now: datetime,
) -> bool:
    """Have a start of the draft begin with an add-on, too; False where none of the product is there."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    line = session.scalars(
        select(CartLine).where(
            CartLine.cart_id == cart.id, CartLine.kind == "start", CartLine.subject_key == product
        )
    ).one_or_none()
    if line is None:
        return False
    start = wish_from_row(line.kind, None, line.quantity, line.subject_key, line.details)
    assert isinstance(start, Start)
    others = tuple(each for each in start.add_ons if each.add_on != choice.add_on)
    line.details = wish_to_row(replace(start, add_ons=(*others, choice)))["details"]
    session.flush()
    return True


def discount_draft(
    session: Session,
    account_id: int,
    person_id: int,
    discounts: Mapping[int, Discount],
    now: datetime,
) -> None:
    """Take so much off each of these lines of the draft; one that is gone is passed over."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    for line in session.scalars(select(CartLine).where(CartLine.cart_id == cart.id)):
        if line.id in discounts:
            line.discount_basis_points = discounts[line.id].basis_points
            line.discount_minor = discounts[line.id].minor
    session.flush()


def word_draft(
    session: Session,
    account_id: int,
    person_id: int,
    message: str,
    valid_until: date | None,
    now: datetime,
) -> None:
    """Keep what is to be said with the quote, and until when it is to be valid."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    cart.message, cart.valid_until = message, valid_until
    session.flush()


def remove_from_draft(
    session: Session, account_id: int, person_id: int, line_id: int, now: datetime
) -> None:
    """Take one line out of the draft; nothing happens where it is gone already."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    session.execute(
        delete(CartLine).where(CartLine.cart_id == cart.id, CartLine.id == line_id)
    )  # fmt: skip
    session.flush()
