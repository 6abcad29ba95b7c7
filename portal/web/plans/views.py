"""The comparison of a product's plans, and what another plan changes, put together for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from portal.domain.catalogue import Catalogue, FeatureValue, LocalizedText, Product
from portal.domain.comparison import differences
from portal.domain.money import Money
from portal.domain.price_book import PriceBook
from portal.domain.purchases import is_upgrade, why_not_alone
from portal.domain.subscriptions import ChangeKind, SubscriptionState
from portal.formats import format_integer
from portal.web.locale import speech

__all__ = ["FeatureRow", "LossRow", "PlanColumn", "comparison", "losses", "plan_columns"]


@dataclass(frozen=True, slots=True)
class PlanColumn:
    """A plan in the comparison; `price` is for a licence and a billing period.

    `choice`: current, waiting (comes at a renewal), upgrade (at once), at_renewal, not_sold in this
    currency and period, support (our help is needed; `reason` in the vendor's words), or closed,
    where nothing can be chosen at all.
    """

    key: str
    name: str
    description: str
    price: Money | None
    choice: str
    reason: LocalizedText | None = None


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """A feature with its value in every column, in words."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LossRow:
    """What becomes of a feature with a smaller plan; `after` is empty where it is lost."""

    name: str
    before: str
    after: str


def plan_columns(
    state: SubscriptionState,
    product: Product,
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    today: date,
) -> list[PlanColumn]:
    """The plans on sale, lowest first, and the present one also where it is no longer sold."""
    locale, current = speech().locale, state.plan_item
    shown = [p for p in product.plans if p in product.offered_plans or p.key == current.plan_key]
    coming = [change.target.get("plan") for change in state.changes_of(ChangeKind.PLAN)]
    closed = why_not_alone(state, product.key, catalogue, payment_terms) is not None
    columns = []
    for plan in shown:
        price = book.plan(product.key, plan.key, state.interval) if state.interval else None
        unit = price.unit if price is not None else None
        if plan.key == current.plan_key:
            choice, unit = "current", current.unit_price or unit
        elif plan.key in coming:
            choice = "waiting"
        elif closed:
            choice = "closed"
        elif not plan.self_service:
            choice = "support"
        elif price is None:
            choice = "not_sold"
        elif is_upgrade(state, current, plan.key, book, catalogue, today):
            choice = "upgrade"
        else:
            choice = "at_renewal"
        columns.append(
            PlanColumn(
                key=plan.key,
                name=plan.name.in_(locale),
                description=plan.description.in_(locale),
                price=unit,
                choice=choice,
                reason=plan.self_service_reason,
            )
        )
    return columns


def comparison(product: Product, columns: Sequence[PlanColumn]) -> list[FeatureRow]:
    """The features of the catalogue, row by row."""
    return [
        FeatureRow(
            feature.name.in_(speech().locale),
            tuple(value_words(feature.value(column.key), feature.unit) for column in columns),
        )
        for feature in product.features
    ]


def losses(product: Product, before: str, after: str) -> list[LossRow]:
    """Which features are another with plan `after`, those that are lost first."""
    return [
        LossRow(
            difference.feature.name.in_(speech().locale),
            value_words(difference.before, difference.feature.unit),
            "" if difference.is_lost else value_words(difference.after, difference.feature.unit),
        )
        for difference in differences(product, before, after)
    ]


def value_words(value: FeatureValue | None, unit: LocalizedText | None) -> str:
    """A feature's value in words: colour and signs alone say nothing to many."""
    locale = speech().locale
    if value is None:
        return _("not stated")
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, LocalizedText):
        return value.in_(locale)
    number = format_integer(value, locale)
    return f"{number} {unit.in_(locale)}" if unit is not None else number
