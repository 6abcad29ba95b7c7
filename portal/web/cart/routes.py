"""The cart: what the person is about to buy, until it is reviewed and ordered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.catalogue import Charge
from portal.domain.labels import item_label, label_of
from portal.domain.order_lines import SoldOnce
from portal.domain.permissions import Permission
from portal.domain.subscriptions import SubscriptionState
from portal.domain.trials import is_unpaid_trial
from portal.domain.wishes import Credits, Free, NewAddOn, Service, Start, Switch, Wish
from portal.languages import language
from portal.queries.quotes import get_cart_wishes
from portal.queries.subscriptions import list_subscription_states
from portal.services.carts import empty_cart
from portal.web.access import requires
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, signed_in, stop_reading
from portal.wording import goods_words

blueprint = Blueprint("cart", __name__, url_prefix="/cart")


@dataclass(frozen=True, slots=True)
class Line:
    """A wish as the cart shows it: what, how many (`now` and `total` for seats), where to change it."""

    kind: str
    label: str
    url: str
    total: int = 0
    now: int = 0
    instead_of: str = ""


@blueprint.get("")
@requires(Permission.BUY)
def index() -> ResponseReturnValue:
    """What is in the cart, by product, with the way to change it."""
    who, person = account(), signed_in()
    assert person is not None
    wishes = get_cart_wishes(read_connection(), who.id, person.person_id)
    states = list_subscription_states(read_connection(), who.id)
    lines = [line for wish in wishes if (line := _line(wish, states)) is not None]
    return respond("cart/index.html", lines=lines)


def _line(wish: Wish, states: Sequence[SubscriptionState]) -> Line | None:
    """The wish in words; None for one that has come true or has nothing to come true on."""
    catalogue, locale = parts().catalogue, speech().locale
    if isinstance(wish, Credits | Service):
        return _once(wish)
    if isinstance(wish, Free):
        return None  # an account executive's: no customer can wish it
    if isinstance(wish, Start):
        if any(s.product_key == wish.product and not is_unpaid_trial(s) for s in states):
            return None
        label = label_of(catalogue, wish.product, wish.plan, None, None, locale)
        url = url_for("subscribe.product", product_key=wish.product)
        return Line("start", label, url, total=wish.quantity)
    if isinstance(wish, NewAddOn):
        state = next((s for s in states if s.subscription_id == wish.subscription_id), None)
        if state is None:
            return None
        key, package = wish.choice.add_on, wish.choice.package
        label = label_of(catalogue, state.product_key, None, key, package, locale)
        url = url_for("add_ons.choose", subscription_id=state.subscription_id, add_on_key=key,
                      package_key=package)  # fmt: skip
        flat = catalogue.add_on(state.product_key, key).charge is Charge.FLAT
        return Line("flat" if flat else "add_on", label, url, total=wish.choice.quantity)
    state = next((s for s in states if s.item(wish.item_id) is not None), None)
    item = state.item(wish.item_id) if state is not None else None
    if state is None or item is None:
        return None
    present = item_label(catalogue, state.product_key, item, locale)
    if isinstance(wish, Switch):
        if item.plan_key is not None:
            label = label_of(catalogue, state.product_key, wish.key, None, None, locale)
            url = url_for("plans.index", subscription_id=state.subscription_id)
        else:
            label = label_of(catalogue, state.product_key, None, item.add_on_key, wish.key, locale)
            url = url_for("add_ons.index", subscription_id=state.subscription_id)
        return None if label == present else Line("switch", label, url, instead_of=present)
    if wish.total <= item.quantity:
        return None
    url = url_for("licences.add", subscription_id=state.subscription_id)
    return Line("seats", present, url, total=wish.total, now=item.quantity)


def _once(wish: Credits | Service) -> Line | None:
    """Credits or a service, which anybody may buy again; None where it is not sold any more."""
    catalogue, words = parts().catalogue, language(speech().locale)
    if isinstance(wish, Service):
        label = goods_words(words, catalogue, SoldOnce(service=wish.package))
        return Line("once", label, url_for("support.index"))
    pack = next((p for p in catalogue.offered_credit_packs if p.key == wish.pack), None)
    if pack is None:
        return None
    label = goods_words(words, catalogue, SoldOnce(pack=pack.key, credits=pack.credits))
    return Line("once", label, url_for("wallet.buy"))


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
