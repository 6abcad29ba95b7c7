"""The lines of a quote or an order, and what they make of the subscriptions they change.

`with_line` is what a quote's outlook shows and what granting writes: both apply it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from portal.domain.catalogue import TrialPaidStart
from portal.domain.changes import pin_for_item
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval, Term
from portal.domain.price_book import PriceBook, PriceOf
from portal.domain.seats import with_seats_added
from portal.domain.subscriptions import ChangeKind, ItemState, SubscriptionState, with_changes
from portal.domain.trials import is_unpaid_trial, paid_start

__all__ = ["SUBSCRIPTION_KINDS", "PinnedLine", "Sold", "SoldOnce", "first_term", "item_of",
           "new_id", "require_fit", "start_of", "state_of", "unpaid_items", "with_item_id",
           "with_line", "with_lines"]  # fmt: skip

SUBSCRIPTION_KINDS = ("seats", "plan_credit", "plan_charge", "add_on", "start")
_SWITCH_KINDS = ("plan_credit", "plan_charge")
"""The kinds of lines that are about a subscription; plan_* are also those of an add-on's package."""


@dataclass(frozen=True, slots=True)
class Sold:
    """What a line sells, by the catalogue's keys, kept with it whatever becomes of the item.

    `prices` pins [price id, minor] by interval: the present one, and that of a change of billing
    period that waits (C4). `subscription_id` is that of an add-on's subscription. `after_trial` is
    the vendor's policy as it was shown: what a trial becomes is paid for from its end on (C5).
    """

    product: str
    interval: str
    per_seat: bool
    plan: str | None = None
    add_on: str | None = None
    package: str | None = None
    subscription_id: int | None = None
    prices: Mapping[str, Sequence[int]] = field(default_factory=dict, hash=False)
    after_trial: bool = False

    @classmethod
    def read(cls, details: Mapping[str, Any] | None) -> Sold | None:
        """From what `details` wrote; None for a line that keeps nothing of the kind."""
        return cls(**details) if details and "product" in details else None

    def details(self) -> dict[str, Any]:
        """What is stored with the line."""
        said = {key: value for key, value in asdict(self).items() if value not in (None, {}, False)}
        return said | {"per_seat": self.per_seat}

    def is_like(self, product: str, item: ItemState, interval: Interval | None) -> bool:
        """Whether an item is what was sold, in the same billing period."""
        mine = (self.product, self.plan, self.add_on, self.package, self.interval)
        return mine == (product, item.plan_key, item.add_on_key, item.package_key, interval)

    def book(self, currency: str) -> PriceBook:
        """The pinned prices, as a price book that knows nothing else."""
        found = {
            interval: PriceOf(price_id, Money(minor, currency))
            for interval, (price_id, minor) in self.prices.items()
        }
        if self.plan is not None:
            plans = {
                (self.product, self.plan, interval): price for interval, price in found.items()
            }
            return PriceBook(currency, plans, {})
        add_on, package = self.add_on or "", self.package or ""
        return PriceBook(
            currency, {}, {(self.product, add_on, package, i): p for i, p in found.items()}
        )


@dataclass(frozen=True, slots=True)
class SoldOnce:
    """What a line of credits or of a service sells, by the catalogue's key; or free `text`.

    The number of credits is kept with it, so that it stays what was shown (Q2).
    """

    pack: str | None = None
    credits: int = 0
    service: str | None = None
    text: str | None = None

    @classmethod
    def read(cls, details: Mapping[str, Any] | None) -> SoldOnce | None:
        """From what `details` wrote; None for a line that keeps nothing of the kind."""
        known = ("pack", "service", "text")
        return cls(**details) if details and any(key in details for key in known) else None

    def details(self) -> dict[str, Any]:
        """What is stored with the line."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class PinnedLine:
    """What a quote pins of a line; its proration is of the day the order is placed (Q2).

    Its discount is a part of the amount, or an amount off the line, never of what renews.
    """

    position: int
    kind: str
    item_id: int | None
    price_id: int | None
    quantity: int
    unit_price: Money
    discount_basis_points: int = 0
    sold: Sold | None = None
    once: SoldOnce | None = None
    discount_minor: int = 0

    @property
    def per_seat(self) -> bool:
        """Whether its quantity counts licences; a line that is not is for everyone."""
        return self.once is None and (self.sold is None or self.sold.per_seat)

    @property
    def details(self) -> dict[str, Any] | None:
        """What it sells, as it is stored with the line."""
        goods = self.sold or self.once
        return goods.details() if goods is not None else None


def new_id(line: PinnedLine) -> int:
    """The id of what a line begins, as long as it has no row: below zero."""
    return -line.position


def first_term(on: date, interval: Interval) -> Term:
    """The term of a subscription that begins `on`: the day is its anchor for ever (P1)."""
    return Term.opening_at(on, interval, on.day)


def state_of(line: PinnedLine, states: Iterable[SubscriptionState]) -> SubscriptionState | None:
    """The subscription that a line changes, or None where it begins one.

    A start finds the trial that it makes a paid subscription (C5). DomainError `item_gone` where it
    is not there (any more) or in no period, `already_subscribed` where a start finds the product
    running.
    """
    sold = line.sold
    if line.kind == "start":
        assert sold is not None, "a start says what it sells"
        state = next((s for s in states if s.product_key == sold.product), None)
        if state is not None and sold.plan is not None and not is_unpaid_trial(state):
            raise DomainError("already_subscribed", product=sold.product)
        return state
    for state in states:
        mine = state.item(line.item_id) is not None
        if line.kind == "add_on" and sold is not None:
            mine = state.subscription_id == sold.subscription_id and state.is_running
        if mine and state.period is not None:
            return state
    raise DomainError("item_gone", item_id=line.item_id)


def require_fit(line: PinnedLine, state: SubscriptionState | None) -> None:
    """Raise `item_changed` where the subscription is another than the line was priced for.

    Its item, or its billing period, changed since: the prices are not for that. Another plan or
    package is for all licences that there are, so their number has to be the one that is charged (C1).
    A start raises `licences_in_use` (`minimum`) where more people work with a trial than it would be for.
    """
    sold = line.sold
    if sold is None or state is None:
        return
    if line.kind == "start":
        tried = item_of(state, line)
        if tried is not None and tried.assigned > line.quantity and tried.per_seat:
            raise DomainError("licences_in_use", minimum=tried.assigned)
        return
    fits = sold.interval == state.interval
    item = state.item(line.item_id)
    if item is not None and line.kind != "plan_charge":  # which sells what the item is not yet
        fits = sold.is_like(state.product_key, item, state.interval)
    elif line.kind == "add_on":
        fits = fits and all(other.add_on_key != sold.add_on for other in state.items)
    if item is not None and line.kind in _SWITCH_KINDS:
        fits = fits and line.quantity == item.quantity
    if not fits:
        raise DomainError("item_changed")


def with_line(state: SubscriptionState | None, line: PinnedLine, on: date) -> SubscriptionState:
    """The subscription once the line is granted on `on`; a new one where `state` is None.

    Seats and new items apply at once (S1). A new plan or package takes the place of a change of
    it that waits (C1). A change of billing period that waits learns the price of what came (C4).
    A trial becomes paid, with its items that are bought; the others stay free, and are to be taken
    away once all lines are granted (`unpaid_items`, C5).
    DomainError `not_sold_in_coming_period` (`on`) where it has none there.
    """
    sold = line.sold
    if line.kind == "seats":
        assert state is not None
        return with_seats_added(state, line.item_id or 0, line.quantity)
    if line.kind == "plan_credit":
        assert state is not None
        return state
    assert sold is not None, f"a line of kind {line.kind} says what it sells"
    if line.kind == "plan_charge":
        assert state is not None
        return _switched(state, line, sold)
    tried = item_of(state, line) if state is not None and line.kind == "start" else None
    if state is None:
        state = _started(line, sold, on)
    elif is_unpaid_trial(state):
        state = _paid(state, sold, on)
    price_id, unit = _price_in(state, line, sold)
    item = ItemState(
        item_id=tried.item_id if tried is not None else new_id(line),
        kind="plan" if sold.plan is not None else "add_on",
        plan_key=sold.plan,
        add_on_key=sold.add_on,
        package_key=sold.package,
        per_seat=sold.per_seat,
        quantity=line.quantity,
        assigned=tried.assigned if tried is not None else 0,
        unit_price=unit,
        price_id=price_id,
    )
    items = (
        (*state.items, item)
        if tried is None
        else tuple(item if present is tried else present for present in state.items)
    )
    return _pinned_anew(replace(state, items=items), item, sold)


def item_of(state: SubscriptionState, line: PinnedLine) -> ItemState | None:
    """The item of the subscription that a line is about: its own, or what it sells."""
    if line.item_id is not None or line.sold is None:
        return state.item(line.item_id)
    if line.sold.plan is not None:
        return next((item for item in state.items if item.kind == "plan"), None)
    return next((item for item in state.items if item.add_on_key == line.sold.add_on), None)


def unpaid_items(state: SubscriptionState) -> tuple[ItemState, ...]:
    """What a trial had and nobody bought with it (C5)."""
    return tuple(item for item in state.items if item.unit_price is None)


def start_of(sold: Sold, tried: SubscriptionState | None, on: date) -> date:
    """The first day that a start which is granted `on` pays for (P1, C5)."""
    if tried is None:
        return on
    policy = TrialPaidStart.TRIAL_END if sold.after_trial else TrialPaidStart.AT_ONCE
    return paid_start(tried, on, policy)


def with_lines(
    states: Iterable[SubscriptionState], lines: Iterable[PinnedLine], on: date
) -> tuple[SubscriptionState, ...]:
    """All subscriptions once every line is granted, in their order, new ones last."""
    found = {state.subscription_id: state for state in states}
    for line in lines:
        if line.kind in SUBSCRIPTION_KINDS:
            after = with_line(state_of(line, found.values()), line, on)
            found[after.subscription_id] = after
    return tuple(found.values())


def with_item_id(state: SubscriptionState, temporary: int, stored: int) -> SubscriptionState:
    """`state` once a new item is stored: its id."""
    items = tuple(
        replace(item, item_id=stored) if item.item_id == temporary else item for item in state.items
    )
    return replace(state, items=items)


def _started(line: PinnedLine, sold: Sold, on: date) -> SubscriptionState:
    term = first_term(on, Interval(sold.interval))
    return SubscriptionState(
        new_id(line), sold.product, "active", term.interval, term.period(0), (), term, 1
    )


def _paid(state: SubscriptionState, sold: Sold, on: date) -> SubscriptionState:
    """A trial that is bought: active at once, in the first period that is paid for (C5)."""
    term = first_term(start_of(sold, state, on), Interval(sold.interval))
    return replace(
        state, status="active", interval=term.interval, period=term.period(0), term=term, number=1,
        read_only_from=None,
    )  # fmt: skip


def _switched(state: SubscriptionState, line: PinnedLine, sold: Sold) -> SubscriptionState:
    """With another plan, or another package of an add-on, for the rest of the period (C1)."""
    price_id, unit = _price_in(state, line, sold)
    item = state.item(line.item_id)
    assert item is not None
    switched = replace(
        item, plan_key=sold.plan, package_key=sold.package, price_id=price_id, unit_price=unit
    )
    items = tuple(switched if x.item_id == item.item_id else x for x in state.items)
    kind = ChangeKind.PLAN if sold.plan is not None else ChangeKind.ADD_ON
    kept = [c for c in state.changes if not (c.kind is kind and c.item_id == line.item_id)]
    return _pinned_anew(with_changes(replace(state, items=items), kept), switched, sold)


def _price_in(state: SubscriptionState, line: PinnedLine, sold: Sold) -> tuple[int | None, Money]:
    """The line's price, or the pinned one where it is granted in another billing period."""
    if sold.interval != state.interval and (state.interval or "") in sold.prices:
        price_id, minor = sold.prices[state.interval or ""]
        return price_id, Money(minor, line.unit_price.currency)
    return line.price_id, line.unit_price


def _pinned_anew(state: SubscriptionState, item: ItemState, sold: Sold) -> SubscriptionState:
    assert item.unit_price is not None
    book = sold.book(item.unit_price.currency)
    changes = []
    for change in state.changes:
        if change.kind is ChangeKind.PERIOD:
            try:
                change = replace(change, target=pin_for_item(change, state, item, book))
            except DomainError as error:
                raise DomainError("not_sold_in_coming_period", on=change.effective_on) from error
        changes.append(change)
    return with_changes(state, changes)
