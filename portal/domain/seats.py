"""Adding seats: what an increase costs now and from the next period (S1, S2, S3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from portal.domain.catalogue import Catalogue
from portal.domain.errors import Problem, Rejected
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.proration import ProratedLine, prorate_seats
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import ItemState, SubscriptionState

__all__ = ["MAXIMUM_SEATS", "SeatIncrease", "may_change_seats", "plan_seat_increase",
           "with_seats_added"]  # fmt: skip

MAXIMUM_SEATS = 100_000  # of one item; above it a person should talk to the vendor


@dataclass(frozen=True, slots=True)
class SeatIncrease:
    """`added` seats of one item: `line` is due now, `next_amount` from the renewal on (net).

    The renewal has everything in it that waits for it: another price, period or number. `ends` says
    that the subscription, or the item, ends that day; nothing is paid from then on.
    """

    subscription_id: int
    item: ItemState
    interval: Interval
    added: int
    line: ProratedLine
    next_interval: Interval
    next_unit: Money
    next_quantity: int
    next_amount: Money
    next_amount_before: Money
    ends: bool


def may_change_seats(
    state: SubscriptionState, item: ItemState, catalogue: Catalogue, payment_terms: str
) -> str | None:
    """None where the customer may add and remove seats of `item` alone, else the reason's code.

    bank_transfer: the account executive does it; product_support, plan_support, add_on_support:
    the catalogue says that help is needed; trial, suspended, ended: the subscription's status.
    """
    if payment_terms == "bank_transfer":
        return "bank_transfer"
    if state.status != "active":
        return state.status
    if not item.per_seat or item.unit_price is None:
        return "not_per_seat"
    product = catalogue.product(state.product_key)
    if not product.self_service:
        return "product_support"
    if item.plan_key is not None and not product.plan(item.plan_key).self_service:
        return "plan_support"
    if item.add_on_key is not None and not product.add_on(item.add_on_key).self_service:
        return "add_on_support"
    return None


def plan_seat_increase(
    states: Iterable[SubscriptionState], wanted: Mapping[int, int], on: date
) -> tuple[SeatIncrease, ...]:
    """The increases that lead to the `wanted` new totals by item id, those unchanged left out.

    The seats apply at once and cost the days left; a reduction that waits stays, so the next
    period has both (S3). Rejected names every item whose total is below the present number
    (`quantity_too_small`), too large (`quantity_too_large`), or not addable here (`item_unknown`),
    and `nothing_added` for the form as a whole.
    """
    items = {
        item.item_id: (state, item) for state in states for item in state.items if item.per_seat
    }
    problems: list[Problem] = []
    increases: list[SeatIncrease] = []
    for item_id, total in wanted.items():
        field = f"item_{item_id}"
        if item_id not in items:
            problems.append(Problem(field, "item_unknown"))
            continue
        state, item = items[item_id]
        if total < item.quantity:
            problems.append(Problem(field, "seats_below_present", {"minimum": item.quantity}))
        elif total > MAXIMUM_SEATS:
            problems.append(Problem(field, "quantity_too_large", {"maximum": MAXIMUM_SEATS}))
        elif total > item.quantity:
            increases.append(_increase(state, item, total - item.quantity, on))
    if problems:
        raise Rejected(problems)
    if not increases:
        raise Rejected([Problem("", "nothing_added")])
    return tuple(increases)


def _increase(state: SubscriptionState, item: ItemState, added: int, on: date) -> SeatIncrease:
    assert state.period is not None and state.interval is not None and item.unit_price is not None
    before = plan_next_period(state).after
    after = plan_next_period(with_seats_added(state, item.item_id, added))
    following = None if after.ends else after.after.item(item.item_id)
    past = None if after.ends else before.item(item.item_id)
    unit = following.unit_price if following and following.unit_price else item.unit_price
    nothing = Money.zero(unit.currency)
    return SeatIncrease(
        subscription_id=state.subscription_id,
        item=item,
        interval=state.interval,
        added=added,
        line=prorate_seats(added, item.unit_price, state.period, state.paid_from(on)),
        next_interval=after.after.interval or state.interval,
        next_unit=unit,
        next_quantity=following.quantity if following else 0,
        next_amount=unit * following.quantity if following else nothing,
        next_amount_before=unit * past.quantity if past else nothing,
        ends=following is None,
    )


def with_seats_added(state: SubscriptionState, item_id: int, added: int) -> SubscriptionState:
    """`state` with so many more seats of one item, as if they were granted now (S1)."""
    items = tuple(
        replace(item, quantity=item.quantity + added) if item.item_id == item_id else item
        for item in state.items
    )
    return replace(state, items=items)
