"""What the pages of a removal show: dates, amounts before and after, and the people concerned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from portal.domain.catalogue import Catalogue
from portal.domain.labels import item_label
from portal.domain.periods import Interval
from portal.domain.pricing import PricedLine, document_totals
from portal.domain.renewals import NextPeriod
from portal.domain.seat_removal import RemovalFrame, SeatRemoval
from portal.domain.seats import may_change_seats
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.tax import TaxDecision, Totals
from portal.queries.holders import HeldBy

__all__ = [
    "Outcome", "PersonRow", "RemovalPage", "outcome", "people_rows", "removable_items",
]  # fmt: skip

LISTED = 100
"""People of whom to choose; with more, those beyond are not listed."""
_MOST_BOXES = 400


@dataclass(frozen=True, slots=True)
class RemovalPage:
    """What is known before a number is entered. `items` are all whose seats can be removed."""

    subscription_id: int
    product: str
    label: str
    item: ItemState
    items: tuple[tuple[ItemState, str], ...]
    interval: Interval
    frame: RemovalFrame
    notice_days: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The renewal without and with the removal: its lines with their names, its totals."""

    removal: SeatRemoval
    interval: Interval
    before: Totals
    after: Totals
    lines: tuple[tuple[str, PricedLine], ...]
    tax: TaxDecision


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One holder of a licence: whether they lose it, and whether an admin stands in the way (S7)."""

    member_id: int
    name: str
    email: str
    role: str
    loses: bool
    must_consent: bool
    consented: bool
    keeps_other: bool


def removable_items(
    state: SubscriptionState, catalogue: Catalogue, payment_terms: str, locale: str
) -> tuple[tuple[ItemState, str], ...]:
    """The items whose seats the customer may remove alone, the plan first."""
    return tuple(
        (item, item_label(catalogue, state.product_key, item, locale))
        for item in state.items
        if may_change_seats(state, item, catalogue, payment_terms) is None
    )


def outcome(
    removal: SeatRemoval, decision: TaxDecision, currency: str, catalogue: Catalogue, locale: str
) -> Outcome:
    """The invoice of the day it takes effect, without and with it (I1)."""
    after = removal.planned.after
    items = {item.item_id: item for item in after.after.items}
    return Outcome(
        removal=removal,
        interval=after.after.interval or Interval.MONTH,
        before=_totals(removal.planned.before, decision, currency),
        after=_totals(after, decision, currency),
        lines=tuple(
            (item_label(catalogue, after.after.product_key, items[line.item_id], locale), line)
            for line in after.lines
            if line.item_id is not None
        ),
        tax=decision,
    )


def _totals(renewal: NextPeriod, decision: TaxDecision, currency: str) -> Totals:
    return document_totals((line.net for line in renewal.lines), decision.rate, currency)


def people_rows(held: Sequence[HeldBy], losing: Collection[int]) -> list[PersonRow]:
    """The holders of an item, the last assigned first: all who lose, and others to choose from.

    Empty where nobody loses a licence, and where there are too many to be ticked one by one.
    """
    if not losing or len(losing) + LISTED > _MOST_BOXES:
        return []
    rows = [
        PersonRow(
            member_id=one.held.member_id,
            name=one.name,
            email=one.email,
            role=one.held.role,
            loses=one.held.member_id in losing,
            must_consent=one.held.is_admin and not one.held.consented,
            consented=one.held.is_admin and one.held.consented,
            keeps_other=one.held.elsewhere > 0,
        )
        for one in held
    ]
    others = [row for row in rows if not row.loses][:LISTED]
    shown = {row.member_id for row in others} | set(losing)
    return [row for row in rows if row.member_id in shown]
