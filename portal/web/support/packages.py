"""A service package: buying it, asking for it, or where its request stands."""

from __future__ import annotations

from collections.abc import Collection

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.permissions import Permission
from portal.domain.quotes import subject_of_service
from portal.domain.service_packages import WayTo
from portal.domain.wishes import Service, Wish
from portal.queries.support import list_service_requests
from portal.services.service_requests import ask_for_package, withdraw_request
from portal.web.access import requires
from portal.web.acting import acting_person
from portal.web.buying import BuyForm, Market, Page, buy_now, read_market
from portal.web.locale import speech
from portal.web.messages import error_sentence
from portal.web.pages import respond, see_other
from portal.web.signed_in import account, parts, read_connection, stop_reading
from portal.web.support.forms import WishesForm
from portal.web.support.views import PackageView, package_view

__all__ = ["add_to"]


@requires(Permission.BUY)
def package(service_key: str) -> ResponseReturnValue:
    """What the package gives and costs, and the way to it."""
    market, view = _market_and_view(service_key)
    if view.way is WayTo.BUY:
        return _buy(market, view)
    if view.way is WayTo.ASK:
        return _ask(market, view)
    if request.method == "POST":
        return see_other(url_for("support.package", service_key=service_key))
    return _page(market, view, None, 200)


def _buy(market: Market, view: PackageView) -> ResponseReturnValue:
    def wishes() -> Collection[Wish]:
        return [Service(view.key)]

    page = Page(
        title=view.name,
        text=view.description,
        here=url_for("support.package", service_key=view.key),
        back=url_for("support.index"),
        details={"package": view},
    )
    subjects = {subject_of_service(account().id, view.key)}
    return buy_now(page, market, subjects, wishes, BuyForm(), "support/buy.html")


def _ask(market: Market, view: PackageView) -> ResponseReturnValue:
    form = WishesForm()
    if request.method == "GET":
        return _page(market, view, form, 200)
    if form.validate():
        try:
            stop_reading()
            with transaction() as session:
                ask_for_package(
                    session, account().id, view.key, form.wishes.data or "",
                    catalogue=parts().catalogue, actor=acting_person(), now=parts().clock.now(),
                )  # fmt: skip
        except DomainError as error:
            form.problem("", error_sentence(error))
        else:
            flash(_("Your request is on its way to us. We get in touch with you."), "good")
            return see_other(url_for("support.package", service_key=view.key))
    return _page(market, view, form, 422)


@requires(Permission.BUY)
def withdraw(service_key: str) -> ResponseReturnValue:
    """What was asked for is not wanted after all; nothing more than that was agreed yet."""
    _market, view = _market_and_view(service_key)
    asked = request.form.get("request", 0, type=int)
    if view.request is None or view.request.id != asked:
        abort(404)
    try:
        stop_reading()
        with transaction() as session:
            withdraw_request(
                session, account().id, asked, catalogue=parts().catalogue, actor=acting_person(),
                now=parts().clock.now(),
            )  # fmt: skip
    except DomainError as error:
        flash(error_sentence(error), "warn")
    else:
        flash(_("The request is withdrawn. You can ask for it again."), "good")
    return see_other(url_for("support.package", service_key=view.key))


def _page(
    market: Market, view: PackageView, form: WishesForm | None, status: int
) -> ResponseReturnValue:
    return respond(
        "support/package.html",
        None,
        status,
        package=view,
        form=form,
        buying=market.buying,
        vendor=parts().catalogue.vendor,
    )


def _market_and_view(service_key: str) -> tuple[Market, PackageView]:
    """What buying depends on, and the package as the account sees it; 404 for one not on sale."""
    offered = parts().catalogue.offered_service_packages
    found = next((one for one in offered if one.key == service_key), None)
    if found is None:
        abort(404)
    market = read_market()
    price = market.book.services.get(service_key)
    requests = list_service_requests(read_connection(), account().id)
    terms = market.buying.payment_terms
    return market, package_view(
        found, price.unit if price is not None else None, requests, terms, speech().locale
    )


def add_to(blueprint: Blueprint) -> None:
    """Register the routes of this module."""
    blueprint.add_url_rule("/packages/<service_key>", "package", package, methods=["GET", "POST"])
    blueprint.add_url_rule("/packages/<service_key>/withdraw", "withdraw_package", withdraw,
                           methods=["POST"])  # fmt: skip
