"""The cart: what the person is about to buy, until it is reviewed and ordered."""

from __future__ import annotations

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.labels import item_label
from portal.domain.permissions import Permission
from portal.queries.quotes import get_cart_totals
from portal.queries.subscriptions import list_subscription_states
from portal.services.carts import empty_cart
from portal.web.access import requires
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading

blueprint = Blueprint("cart", __name__, url_prefix="/cart")


@blueprint.get("")
@requires(Permission.BUY)
def index() -> ResponseReturnValue:
    """What is in the cart, by product, with the way to change it."""
    who, person = account(), signed_in()
    assert person is not None
    totals = get_cart_totals(read_connection(), who.id, person.person_id)
    catalogue, locale = parts().catalogue, speech().locale
    lines = [
        (item_label(catalogue, state.product_key, item, locale), item, totals[item.item_id], state)
        for state in list_subscription_states(read_connection(), who.id)
        for item in state.items
        if totals.get(item.item_id, 0) > item.quantity
    ]
    return respond("cart/index.html", lines=lines)


@blueprint.post("/empty")
@requires(Permission.BUY)
def empty() -> ResponseReturnValue:
    """Forget what is in the cart."""
    who, person = account(), signed_in()
    assert person is not None
    stop_reading()
    with transaction() as session:
        empty_cart(session, who.id, person.person_id, parts().clock.now())
    flash(_("Your cart is empty."), "good")
    return see_other(url_for("cart.index"))
