"""Subscribing, also again after an end (C3) or after a trial (C5): what of a product, and the quote."""

from __future__ import annotations

from collections.abc import Collection

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.domain.errors import DomainError
from portal.domain.permissions import Permission
from portal.domain.purchases import why_not_alone
from portal.domain.quotes import subject_of_product, subject_of_subscription
from portal.domain.trials import is_unpaid_trial
from portal.domain.wishes import Start, Wish
from portal.queries.quotes import get_cart_wishes
from portal.web.access import requires
from portal.web.buying import Page, buy_now, explain_help, read_market
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.plans.views import comparison
from portal.web.signed_in import account, parts, read_connection, signed_in
from portal.web.subscribe.forms import offer_of, start_form
from portal.web.subscribe.views import offered_columns, product_cards, totals_by_interval

blueprint = Blueprint("subscribe", __name__, url_prefix="/subscribe")


@blueprint.get("")
@requires(Permission.BUY)
def index() -> ResponseReturnValue:
    """The products that the account has no subscription of, or tries."""
    market, catalogue = read_market(), parts().catalogue
    return respond(
        "subscribe/index.html",
        cards=product_cards(market.states, catalogue, market.book),
        buying=market.buying,
        vendor=catalogue.vendor,
    )


@blueprint.route("/<product_key>", methods=["GET", "POST"])
@requires(Permission.BUY)
def product(product_key: str) -> ResponseReturnValue:
    """Plan, number, billing period and add-ons of a subscription to begin, with what they cost."""
    market, catalogue, locale = read_market(), parts().catalogue, speech().locale
    found = next((p for p in catalogue.offered_products if p.key == product_key), None)
    if found is None:
        abort(404)
    tried = next((state for state in market.states if state.product_key == product_key), None)
    if tried is not None and not is_unpaid_trial(tried):
        return see_other(url_for("licences.index"))
    offer = offer_of(found, market.book, tried)
    name = found.name.in_(locale)
    title = (
        _("Buy %(product)s", product=name) if tried else _("Subscribe to %(product)s", product=name)
    )
    blocked = why_not_alone(None, product_key, catalogue, market.buying.payment_terms)
    if blocked is None and not offer.plans:
        blocked = "not_sold"
    if blocked is not None:
        return explain_help(title, found.description.in_(locale), blocked,
                            found.self_service_reason, market.buying)  # fmt: skip
    person = signed_in()
    assert person is not None
    kept = get_cart_wishes(read_connection(), account().id, person.person_id)
    form = start_form(
        offer, next((w for w in kept if isinstance(w, Start) and w.product == product_key), None)
    )

    def wishes() -> Collection[Wish]:
        return [form.wish(offer)]

    try:
        totals = totals_by_interval(form.wish(offer), market)
    except DomainError:  # what is wrong is said where the price is asked for
        totals = []
    page = Page(
        title=title,
        text=found.description.in_(locale),
        here=url_for("subscribe.product", product_key=product_key),
        back=url_for("subscribe.index"),
        details={"offer": offer, "book": market.book, "totals_by_interval": totals},
    )
    subjects = {subject_of_product(account().id, product_key)}
    template = "subscribe/product.html"
    if tried is not None:
        columns = offered_columns(offer, locale)
        page.details.update(columns=columns, features=comparison(found, columns))
        subjects.add(subject_of_subscription(tried.subscription_id))
        template = "subscribe/trial.html"
    return buy_now(page, market, subjects, wishes, form, template)
