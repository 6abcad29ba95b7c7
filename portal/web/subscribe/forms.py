"""The form of a new subscription: plan, number, billing period, and the product's add-ons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask_babel import gettext as _
from wtforms import RadioField, SelectField, StringField

from portal.domain.catalogue import AddOn, Charge, Plan, Product
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.quantities import parse_quantity
from portal.domain.seats import MAXIMUM_SEATS
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
    """What of a product is sold in the account's currency to a customer who buys alone."""

    product: Product
    plans: tuple[Plan, ...]
    intervals: tuple[Interval, ...]
    add_ons: tuple[AddOnField, ...]


class StartForm(BuyForm):
    """Numbers are texts until they are parsed, so that what was typed is kept."""

    def wish(self, offer: Offer) -> Start:
        """What was chosen; Rejected names each number that cannot be understood."""
        problems: list[Problem] = []

        def number(name: str) -> int:
            try:
                return parse_quantity(
                    str(self._fields[name].data or ""), minimum=1, maximum=MAXIMUM_SEATS
                )
            except DomainError as error:
                problems.append(Problem(name, error.code, error.data))
                return 1

        quantity = number("quantity")
        choices = []
        for field in offer.add_ons:
            package = self._fields[field.name].data
            if package:
                count = number(field.number) if field.number is not None else 1
                choices.append(AddOnChoice(field.add_on.key, package, count))
        if problems:
            raise Rejected(problems)
        return Start(
            offer.product.key,
            self._fields["plan"].data,
            Interval(self._fields["interval"].data),
            quantity,
            tuple(choices),
        )


def offer_of(product: Product, book: PriceBook) -> Offer:
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
    return Offer(
        product, plans, tuple(i for i in Interval if i.value in sold), tuple(add_ons)
    )  # fmt: skip


def start_form(offer: Offer, chosen: Start | None) -> StartForm:
    """The form for an offer, filled with what is in the cart, else with what most begin with."""
    locale = speech().locale
    names = {Interval.MONTH: _("Monthly"), Interval.QUARTER: _("Quarterly"),
             Interval.YEAR: _("Yearly")}  # fmt: skip
    fields: dict[str, object] = {
        "plan": RadioField(_("Plan")),
        "quantity": StringField(_("Number of licences")),
        "interval": RadioField(_("Billing period")),
    }
    in_cart = {choice.add_on: choice for choice in chosen.add_ons} if chosen is not None else {}
    data: dict[str, str] = {
        "plan": chosen.plan if chosen is not None else offer.plans[0].key,
        "quantity": str(chosen.quantity) if chosen is not None else "1",
        "interval": (chosen.interval if chosen is not None else offer.intervals[0]).value,
    }
    for field in offer.add_ons:
        name = field.add_on.name.in_(locale)
        fields[field.name] = SelectField(name)
        kept = in_cart.get(field.add_on.key)
        data[field.name] = kept.package if kept is not None else ""
        if field.number is not None:
            fields[field.number] = StringField(_("Licences for %(product)s", product=name))
            data[field.number] = str(kept.quantity) if kept is not None else "1"
    form_class = cast(type[StartForm], type("StartForm", (StartForm,), fields))
    form = form_class(data=data)
    form["plan"].choices = [(plan.key, plan.name.in_(locale)) for plan in offer.plans]
    form["interval"].choices = [(interval.value, names[interval]) for interval in offer.intervals]
    for field in offer.add_ons:
        form[field.name].choices = _packages(field, locale)
    return form


def _packages(field: AddOnField, locale: str) -> Sequence[tuple[str, str]]:
    """No, or one of the packages; yes, where there is but one."""
    none = [("", _("No, thank you"))]
    if not field.add_on.has_named_packages:
        return [*none, (field.add_on.offered_packages[0].key, _("Yes"))]
    return [*none, *((p.key, p.name.in_(locale)) for p in field.add_on.offered_packages)]
