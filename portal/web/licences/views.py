"""What the licences page shows, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue, LocalizedText
from portal.domain.labels import item_label
from portal.domain.money import Money
from portal.domain.periods import Interval, Period
from portal.domain.seats import may_change_seats
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState
from portal.queries.card_holders import CardHolders
from portal.queries.subscriptions import Holder, SubscriptionRow
from portal.web.changes.views import ChangeLine, change_line, change_lines
from portal.web.licences.losses import LossLine, loss_lines

__all__ = [
    "AddOnLine", "Card", "SeatField", "add_on_lines", "cards", "seat_changes", "seat_fields",
    "why_not",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AddOnLine:
    """An add-on within a card."""

    label: str
    item: ItemState


@dataclass(frozen=True, slots=True)
class Card:
    """One subscription: what the company has, who uses it, what can be done with it."""

    id: int
    product: str
    plan: str
    status: str
    interval: Interval | None
    period: Period | None
    trial_ends_on: date | None
    item: ItemState
    unit_price: Money | None
    add_ons: tuple[AddOnLine, ...]
    holders: Sequence[Holder]
    not_addable: str | None
    reason: LocalizedText | None
    changes: tuple[ChangeLine, ...]
    losses: tuple[LossLine, ...]
    ends_on: date | None
    beyond: int
    overhang: int

    @property
    def last_day(self) -> date | None:
        """The last day of access where the subscription was cancelled (C3)."""
        return self.ends_on - timedelta(days=1) if self.ends_on is not None else None

    @property
    def first_loss(self) -> LossLine | None:
        """The earliest renewal after which people of the list have no licence of the plan."""
        mine = (loss for loss in self.losses if loss.item_id == self.item.item_id)
        return next(mine, None)

    @property
    def more_holders(self) -> int:
        """People with a licence beyond those listed."""
        return max(self.item.assigned - len(self.holders), 0)


@dataclass(frozen=True, slots=True)
class SeatField:
    """One number to enter: the new total of an item."""

    name: str
    label: str
    item: ItemState
    subscription_id: int
    interval: Interval


def cards(
    rows: Iterable[SubscriptionRow],
    holders: CardHolders,
    catalogue: Catalogue,
    payment_terms: str,
    locale: str,
) -> list[Card]:
    """A card for each subscription, in the order in which they were bought."""
    return [_card(row, holders, catalogue, payment_terms, locale) for row in rows]


def _card(
    row: SubscriptionRow,
    holders: CardHolders,
    catalogue: Catalogue,
    payment_terms: str,
    locale: str,
) -> Card:
    state, plan = row.state, row.state.plan_item
    product = catalogue.product(state.product_key)
    blocked = may_change_seats(state, plan, catalogue, payment_terms)
    return Card(
        id=state.subscription_id,
        product=product.name.in_(locale),
        plan=product.plan(plan.plan_key or "").name.in_(locale),
        status=state.status,
        interval=state.interval,
        period=state.period,
        trial_ends_on=row.trial_ends_on,
        item=plan,
        unit_price=plan.unit_price,
        add_ons=add_on_lines(state, catalogue, locale),
        holders=holders.first.get(plan.item_id, ()),
        not_addable=blocked,
        reason=why_not(state, plan, catalogue) if blocked else None,
        changes=change_lines(state, catalogue, locale),
        losses=loss_lines(state, holders, catalogue, locale),
        ends_on=state.ends_on,
        beyond=sum(max(i.assigned - i.quantity, 0) for i in state.items if i.per_seat),
        overhang=state.overhang,
    )


def add_on_lines(
    state: SubscriptionState, catalogue: Catalogue, locale: str
) -> tuple[AddOnLine, ...]:
    """The subscription's add-ons with their names."""
    return tuple(
        AddOnLine(item_label(catalogue, state.product_key, item, locale), item)
        for item in state.items
        if item.kind == "add_on"
    )


def why_not(
    state: SubscriptionState, item: ItemState, catalogue: Catalogue
) -> LocalizedText | None:
    """The vendor's own words for why seats of `item` are not added by the customer alone."""
    product = catalogue.product(state.product_key)
    if item.plan_key is not None:
        return product.plan(item.plan_key).self_service_reason or product.self_service_reason
    if item.add_on_key is not None:
        return product.add_on(item.add_on_key).self_service_reason or product.self_service_reason
    return product.self_service_reason


def seat_changes(
    states: Iterable[SubscriptionState], catalogue: Catalogue, locale: str
) -> dict[int, list[ChangeLine]]:
    """The reductions that wait, by item id: adding seats keeps them (S3)."""
    found: dict[int, list[ChangeLine]] = {}
    for state in states:
        for change in state.changes_of(ChangeKind.SEATS):
            line = change_line(state, change, catalogue, locale)
            found.setdefault(change.item_id or 0, []).append(line)
    return found


def seat_fields(
    states: Iterable[SubscriptionState],
    first: int,
    catalogue: Catalogue,
    payment_terms: str,
    locale: str,
) -> list[SeatField]:
    """Every item whose seats the customer may add, those of subscription `first` on top."""
    fields = [
        SeatField(
            name=f"item_{item.item_id}",
            label=item_label(catalogue, state.product_key, item, locale),
            item=item,
            subscription_id=state.subscription_id,
            interval=state.interval,
        )
        for state in states
        for item in state.items
        if state.interval is not None
        and may_change_seats(state, item, catalogue, payment_terms) is None
    ]
    return sorted(fields, key=lambda field: field.subscription_id != first)
