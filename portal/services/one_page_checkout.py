"""Buying in one step what needs no choice but itself: cart, quote, checkout and order at once (Q4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.wishes import Wish
from portal.queries.one_page import get_last_order
from portal.services.audit import Actor
from portal.services.carts import save_cart
from portal.services.checkout import Contact, save_choice, save_contact
from portal.services.locks import lock_account
from portal.services.ordering import PlacedOrder, place_order
from portal.services.quoting import quote_cart

__all__ = ["AtOnce", "order_at_once"]


@dataclass(frozen=True, slots=True)
class AtOnce:
    """What the form showed: the amount (`terms_key`), the method, the contact, whose place it takes.

    `last_order_id` is the last order of `subject` when the form was shown. It makes the form work
    once: after any later order of the subject it only leads there.
    """

    wishes: Collection[Wish]
    subject: str
    shown: str
    last_order_id: int
    method_id: int
    contact_member_id: int
    replaces: Collection[int]


def order_at_once(
    session: Session,
    account_id: int,
    wanted: AtOnce,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> PlacedOrder:
    """Order what the form showed and reserve its attempt; the caller commits and then collects.

    A second click, tab or reload finds the order of the first (Q4). All or nothing: no cart or quote
    stays behind what is refused. Errors as `quote_cart`, `save_contact`, `save_choice`, `place_order`.
    """
    assert actor.person_id is not None
    lock_account(session, account_id)
    latest = get_last_order(session.connection(), account_id, wanted.subject)
    if latest != wanted.last_order_id:
        return PlacedOrder(latest, None, created=False)
    cart = save_cart(session, account_id, actor.person_id, wanted.wishes, now)
    quote = quote_cart(
        session, cart, catalogue=catalogue, actor=actor, replaces=wanted.replaces, now=now
    )
    save_contact(
        session,
        account_id,
        quote.id,
        Contact(wanted.contact_member_id),
        now,
        may_manage_members=False,
    )
    save_choice(
        session, account_id, quote.id, payment_method_id=wanted.method_id, completed=True, now=now
    )
    return place_order(
        session,
        account_id,
        quote.id,
        shown=wanted.shown,
        catalogue=catalogue,
        actor=actor,
        now=now,
    )
