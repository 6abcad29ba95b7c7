"""Add-ons: the overview, buying one, another package now or at the renewal, ending one (C1, S4)."""

from __future__ import annotations

from collections.abc import Collection

from flask import Blueprint, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.domain.catalogue import AddOn, Charge, Product
from portal.domain.changes import plan_add_on_removal, plan_add_on_switch
from portal.domain.labels import label_of
from portal.domain.permissions import Permission
from portal.domain.purchases import is_upgrade, replaced_by_switch, why_not_alone
from portal.domain.quotes import subject_of_subscription
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.wishes import AddOnChoice, NewAddOn, Switch, Wish
from portal.queries.subscriptions import list_item_holders
from portal.services.add_on_changes import ask_add_on_removal, ask_package_change
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.add_ons.forms import AddOnForm
from portal.web.add_ons.views import add_on_views, item_of
from portal.web.buying import (
    BuyForm,
    Market,
    Page,
    ask_at_renewal,
    buy_now,
    explain_help,
    read_subscription,
)
from portal.web.changes.views import ChangeLine, change_line
from portal.web.locale import speech
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection

blueprint = Blueprint("add_ons", __name__, url_prefix="/licences/<int:subscription_id>/add-ons")

HOLDERS_SHOWN = 8


@blueprint.get("")
@requires(Permission.BUY)
def index(subscription_id: int) -> ResponseReturnValue:
    """What is active, in which package, what each package gives, and what can be changed when."""
    market, state, product = read_subscription(subscription_id)
    catalogue, terms = parts().catalogue, market.buying.payment_terms
    return respond(
        "add_ons/index.html",
        subscription_id=subscription_id,
        product=product,
        state=state,
        add_ons=add_on_views(state, product, market.book, catalogue, terms, market.today),
        blocked=why_not_alone(state, product.key, catalogue, terms),
        reason=product.self_service_reason,
        buying=market.buying,
        vendor=catalogue.vendor,
    )


@blueprint.route("/<add_on_key>/<package_key>", methods=["GET", "POST"])
@requires(Permission.BUY)
def choose(subscription_id: int, add_on_key: str, package_key: str) -> ResponseReturnValue:
    """Buy an add-on, or choose another of its packages: now if it gives more, else at the renewal."""
    market, state, product = read_subscription(subscription_id)
    add_on = _add_on(product, add_on_key)
    if package_key not in {package.key for package in add_on.offered_packages}:
        abort(404)
    item = item_of(state, add_on_key)
    if item is not None and item.package_key == package_key:
        return see_other(url_for("add_ons.index", subscription_id=subscription_id))
    blocked = _blocked(market, state, product, add_on)
    if blocked is not None:
        return blocked
    if item is None:
        return _buy(market, state, product, add_on, package_key)
    return _switch(market, state, product, add_on, item, package_key)


@blueprint.route("/<add_on_key>/remove", methods=["GET", "POST"])
@requires(Permission.BUY)
def remove(subscription_id: int, add_on_key: str) -> ResponseReturnValue:
    """No more of an add-on from a renewal on: when, who loses what, the invoice before and after."""
    market, state, product = read_subscription(subscription_id)
    add_on = _add_on(product, add_on_key)
    item = item_of(state, add_on_key)
    if item is None:
        abort(404)
    blocked = _blocked(market, state, product, add_on)
    if blocked is not None:
        return blocked
    catalogue, locale = parts().catalogue, speech().locale
    name = label_of(catalogue, product.key, None, add_on_key, item.package_key, locale)
    holders = list_item_holders(
        read_connection(), account().id, item.item_id, limit=HOLDERS_SHOWN, offset=0
    )
    page = Page(
        title=_("End %(product)s", product=name),
        text=_("From a renewal on you no longer have it, and no longer pay for it."),
        here=url_for("add_ons.remove", subscription_id=subscription_id, add_on_key=add_on_key),
        back=url_for("add_ons.index", subscription_id=subscription_id),
        replaced=_replaced(state, item),
        button=lambda day: _("End %(product)s on %(day)s", product=name, day=day),
        details={
            "old_name": name,
            "lost_description": add_on.package(item.package_key or "").description.in_(locale),
            "holders": holders,
            "holder_count": item.assigned,
        },
    )
    notice = catalogue.policy.change_notice_days
    return ask_at_renewal(
        page,
        market.buying,
        lambda: plan_add_on_removal(state, item.item_id, market.today, notice),
        lambda session, shown: ask_add_on_removal(
            session,
            account().id,
            subscription_id,
            add_on_key,
            shown=shown,
            catalogue=catalogue,
            actor=acting_person(),
            now=parts().clock.now(),
        ),
    )


def _buy(
    market: Market, state: SubscriptionState, product: Product, add_on: AddOn, package_key: str
) -> ResponseReturnValue:
    catalogue, locale = parts().catalogue, speech().locale
    name = label_of(catalogue, product.key, None, add_on.key, package_key, locale)
    per_seat = add_on.charge is Charge.PER_SEAT
    form = AddOnForm(data={"quantity": "1"}) if per_seat else BuyForm()

    def wishes() -> Collection[Wish]:
        number = form.licences() if isinstance(form, AddOnForm) else 1
        choice = AddOnChoice(add_on.key, package_key, number)
        return [NewAddOn(state.subscription_id, choice)]

    page = Page(
        title=_("Add %(product)s", product=name),
        text=_("It works at once. Today you pay only for the days until the renewal."),
        here=_here(state, add_on.key, package_key),
        back=url_for("add_ons.index", subscription_id=state.subscription_id),
        details={"description": add_on.package(package_key).description.in_(locale)},
    )
    return buy_now(page, market, {subject_of_subscription(state.subscription_id)}, wishes, form)


def _switch(
    market: Market,
    state: SubscriptionState,
    product: Product,
    add_on: AddOn,
    item: ItemState,
    package_key: str,
) -> ResponseReturnValue:
    catalogue, locale, today = parts().catalogue, speech().locale, market.today
    name = label_of(catalogue, product.key, None, add_on.key, package_key, locale)
    old_name = label_of(catalogue, product.key, None, add_on.key, item.package_key, locale)
    upgrade = is_upgrade(state, item, package_key, market.book, catalogue, today)
    description = add_on.package(package_key).description.in_(locale)
    old_description = add_on.package(item.package_key or "").description.in_(locale)
    details = {"old_name": old_name, "new_name": name, "description": description}
    details["old_description" if upgrade else "lost_description"] = old_description
    page = Page(
        title=_("Upgrade to %(plan)s", plan=name)
        if upgrade
        else _("Change to %(plan)s", plan=name),
        text=_("Instead of %(plan)s, for all licences.", plan=old_name),
        here=_here(state, add_on.key, package_key),
        back=url_for("add_ons.index", subscription_id=state.subscription_id),
        replaced=_replaced(state, item),
        button=lambda day: _("Change to %(plan)s on %(day)s", plan=name, day=day),
        details=details,
    )
    if upgrade:
        return buy_now(
            page, market, {subject_of_subscription(state.subscription_id)},
            lambda: [Switch(item.item_id, package_key)], BuyForm(),
        )  # fmt: skip
    notice = catalogue.policy.change_notice_days
    return ask_at_renewal(
        page,
        market.buying,
        lambda: plan_add_on_switch(state, item.item_id, package_key, market.book, today, notice),
        lambda session, shown: ask_package_change(
            session,
            account().id,
            state.subscription_id,
            add_on.key,
            package_key,
            shown=shown,
            catalogue=catalogue,
            actor=acting_person(),
            now=parts().clock.now(),
        ),
    )


def _add_on(product: Product, key: str) -> AddOn:
    """An add-on of the product, retired ones included; 404 for any other."""
    return next((add_on for add_on in product.add_ons if add_on.key == key), None) or abort(404)


def _blocked(
    market: Market, state: SubscriptionState, product: Product, add_on: AddOn
) -> ResponseReturnValue | None:
    """The page that says why the customer does not change the add-on alone, or None."""
    catalogue = parts().catalogue
    reason = why_not_alone(
        state, product.key, catalogue, market.buying.payment_terms, add_on=add_on.key
    )
    if reason is None:
        return None
    return explain_help(
        _("Change add-ons"), add_on.name.in_(speech().locale), reason,
        add_on.self_service_reason or product.self_service_reason, market.buying,
    )  # fmt: skip


def _replaced(state: SubscriptionState, item: ItemState) -> list[ChangeLine]:
    catalogue, locale = parts().catalogue, speech().locale
    waiting = replaced_by_switch(state, item)
    return [change_line(state, change, catalogue, locale) for change in waiting]


def _here(state: SubscriptionState, add_on_key: str, package_key: str) -> str:
    return url_for(
        "add_ons.choose",
        subscription_id=state.subscription_id,
        add_on_key=add_on_key,
        package_key=package_key,
    )
