"""The form of a subscription, also of one that was a trial: plan, number, billing period, and the product's add-ons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from flask_babel import gettext as _
from wtforms import RadioField, SelectField, StringField

from portal.domain.catalogue import AddOn, Charge, Plan, Product
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.quantities import parse_quantity
from portal.domain.seats import MAXIMUM_SEATS
from portal.domain.subscriptions import SubscriptionState
from portal.domain.wishes import AddOnChoice, Start
from portal.web.buying import BuyForm
from portal.web.locale import speech

__all__ = ["AddOnField", "Offer", "StartForm", "offer_of", "start_form"]


@dataclass(frozen=True, slots=True)
class AddOnField:
    """An add-on that may be chosen: `name` is its choice's field, `number` that of how many."""

    add_on: AddOn
    name: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What of a product is sold in the account's currency to a customer who buys alone.

    `tried` is the trial that it makes a paid subscription; `least` are the people who work with it
    already, by the field of their number (C5).
    """

    product: Product
    plans: tuple[Plan, ...]
    intervals: tuple[Interval, ...]
    add_ons: tuple[AddOnField, ...]
    tried: SubscriptionState | None = None
    least: Mapping[str, int] = field(default_factory=dict, hash=False)


class StartForm(BuyForm):
    """Numbers are texts until they are parsed, so that what was typed is kept."""

    def wish(self, offer: Offer) -> Start:
        """What was chosen; Rejected names each field that cannot be understood.

        Also before `validate`: what was typed comes back on a GET, whatever it is.
        """
        problems: list[Problem] = []

        def number(name: str) -> int:
            try:
                return parse_quantity(
                    str(self._fields[name].data or ""),
                    minimum=_least(offer, name),
                    maximum=MAXIMUM_SEATS,
                )
            except DomainError as error:
                problems.append(Problem(name, error.code, error.data))
                return 1

        quantity = number("quantity")
        choices = []
        for wanted in offer.add_ons:
            package = self._fields[wanted.name].data
            if package:
                count = number(wanted.number) if wanted.number is not None else 1
                choices.append(AddOnChoice(wanted.add_on.key, package, count))
        interval = next(
            (i for i in offer.intervals if i.value == self._fields["interval"].data), None
        )
        if interval is None:
            problems.append(Problem("interval", "interval_not_chosen"))
        if interval is None or problems:
            raise Rejected(problems)
        return Start(
            offer.product.key,
            self._fields["plan"].data,
            interval,
            quantity,
            tuple(choices),
        )


def offer_of(product: Product, book: PriceBook, tried: SubscriptionState | None = None) -> Offer:
    """The plans, billing periods and add-ons with a price (C4) that need nobody's help."""
    plans = tuple(
        plan
        for plan in product.offered_plans
        if product.self_service and plan.self_service and book.plan_intervals(product.key, plan.key)
    )
    sold = {key for plan in plans for key in book.plan_intervals(product.key, plan.key)}
    add_ons = []
    for add_on in product.offered_add_ons:
        priced = [
            package
            for package in add_on.offered_packages
            if book.add_on_intervals(product.key, add_on.key, package.key)
        ]
        if add_on.self_service and priced:
            name = f"add_on_{add_on.key}"
            per_seat = add_on.charge is Charge.PER_SEAT
            add_ons.append(AddOnField(add_on, name, f"{name}_number" if per_seat else None))
    intervals = tuple(i for i in Interval if i.value in sold)
    return Offer(product, plans, intervals, tuple(add_ons), tried, _people(tried, add_ons))


def _people(tried: SubscriptionState | None, add_ons: Sequence[AddOnField]) -> dict[str, int]:
    """How many work with the trial's plan and add-ons, by the field that asks for their number."""
    if tried is None:
        return {}
    fields = {each.add_on.key: each.number for each in add_ons if each.number is not None}
    found = {
        fields[item.add_on_key]: item.assigned for item in tried.items if item.add_on_key in fields
    }
    return {"quantity": tried.plan_item.assigned} | found


def start_form(offer: Offer, chosen: Start | None) -> StartForm:
    """The form for an offer, filled with what is in the cart, else with what most begin with.

    Of a trial that is its plan, and everybody who works with it. Its add-ons are in the cart only
    once they are chosen (C5).
    """
    locale = speech().locale
    names = {Interval.MONTH: _("Monthly"), Interval.QUARTER: _("Quarterly"),
             Interval.YEAR: _("Yearly")}  # fmt: skip
    one_of = RadioField if offer.tried is None else SelectField
    fields: dict[str, object] = {
        "plan": one_of(_("Plan")),
        "quantity": StringField(_("Number of licences")),
        "interval": one_of(_("Billing period")),
    }
    tried_plan = offer.tried.plan_item.plan_key if offer.tried is not None else None
    usual = next((plan for plan in offer.plans if plan.key == tried_plan), offer.plans[0])
    in_cart = {choice.add_on: choice for choice in chosen.add_ons} if chosen is not None else {}
    data: dict[str, str] = {
        "plan": chosen.plan if chosen is not None else usual.key,
        "quantity": str(chosen.quantity if chosen is not None else _least(offer, "quantity")),
        "interval": (chosen.interval if chosen is not None else offer.intervals[0]).value,
    }
    for each in offer.add_ons:
        name = each.add_on.name.in_(locale)
        fields[each.name] = SelectField(name)
        kept = in_cart.get(each.add_on.key)
        data[each.name] = kept.package if kept is not None else ""
        if each.number is not None:
            fields[each.number] = StringField(_("Licences for %(product)s", product=name))
            data[each.number] = str(
                kept.quantity if kept is not None else _least(offer, each.number)
            )
    form_class = cast(type[StartForm], type("StartForm", (StartForm,), fields))
    form = form_class(data=data)
    form["plan"].choices = [(plan.key, plan.name.in_(locale)) for plan in offer.plans]
    form["interval"].choices = [(interval.value, names[interval]) for interval in offer.intervals]
    for each in offer.add_ons:
        form[each.name].choices = _packages(each.add_on, locale)
    return form


def _least(offer: Offer, number: str) -> int:
    """How many are asked for at first, and at least."""
    return max(offer.least.get(number, 1), 1)


def _packages(add_on: AddOn, locale: str) -> Sequence[tuple[str, str]]:
    """No, or one of the packages; yes, where there is but one."""
    none = [("", _("No, thank you"))]
    if not add_on.has_named_packages:
        return [*none, (add_on.offered_packages[0].key, _("Yes"))]
    return [*none, *((p.key, p.name.in_(locale)) for p in add_on.offered_packages)]
