"""The cart: what a person is about to buy, kept until it is ordered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.domain.wishes import Seats, Wish, wish_from_row, wish_to_row
from portal.models import Cart, CartLine
from portal.services.locks import lock_account

__all__ = ["empty_cart", "get_or_open_cart", "list_wishes", "reopen_cart", "save_cart",
           "save_seat_cart"]  # fmt: skip


def save_seat_cart(
    session: Session, account_id: int, person_id: int, totals: Mapping[int, int], now: datetime
) -> Cart:
    """`save_cart` with new seat totals by item id."""
    wishes = [Seats(item_id, total) for item_id, total in totals.items()]
    return save_cart(session, account_id, person_id, wishes, now)


def save_cart(
    session: Session, account_id: int, person_id: int, wishes: Iterable[Wish], now: datetime
) -> Cart:
    """Put the wishes into the person's open cart, replacing what was in it."""
    cart = get_or_open_cart(session, account_id, person_id, now)
    session.execute(delete(CartLine).where(CartLine.cart_id == cart.id))
    session.add_all(CartLine(cart_id=cart.id, **wish_to_row(wish)) for wish in wishes)
    session.flush()
    return cart


def get_or_open_cart(session: Session, account_id: int, person_id: int, now: datetime) -> Cart:
    """The person's open cart, begun where there is none; it is about to be changed."""
    lock_account(session, account_id)
    cart = _open_cart(session, account_id, person_id)
    if cart is None:
        cart = Cart(account_id=account_id, person_id=person_id, status="open",
                    created_at=now, changed_at=now)  # fmt: skip
        session.add(cart)
        session.flush()
    cart.changed_at = now
    return cart


def list_wishes(session: Session, cart_id: int) -> list[Wish]:
    """What is wished in a cart, in the order in which it was put in."""
    rows = session.execute(
        select(CartLine.kind, CartLine.item_id, CartLine.quantity, CartLine.subject_key,
               CartLine.details)
        .where(CartLine.cart_id == cart_id)
        .order_by(CartLine.id)
    )  # fmt: skip
    return [wish for row in rows if (wish := wish_from_row(*row)) is not None]


def empty_cart(session: Session, account_id: int, person_id: int, now: datetime) -> None:
    """Forget the person's open cart; nothing happens where there is none."""
    lock_account(session, account_id)
    cart = _open_cart(session, account_id, person_id)
    if cart is not None:
        cart.status = "emptied"
        cart.changed_at = now
        session.flush()


def _open_cart(session: Session, account_id: int, person_id: int) -> Cart | None:
    return session.scalars(
        select(Cart)
        .where(Cart.account_id == account_id, Cart.person_id == person_id, Cart.status == "open")
        .with_for_update()
    ).one_or_none()


def reopen_cart(session: Session, cart_id: int, now: datetime) -> None:
    """An order came to nothing: its cart is open again, unless the person began another since."""
    cart = session.get_one(Cart, cart_id)
    if cart.status == "ordered" and _open_cart(session, cart.account_id, cart.person_id) is None:
        cart.status, cart.changed_at = "open", now
        session.flush()
