"""The renewal of a subscription, planned: its preview and the renewal itself are this plan (C2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval, Term, notice_closes_on
from portal.domain.price_book import pin_key
from portal.domain.pricing import PricedLine, document_totals, price_line
from portal.domain.subscriptions import (
    ChangeKind,
    ItemState,
    SubscriptionState,
    WaitingChange,
    with_changes,
)
from portal.domain.tax import TaxDecision, Totals
from portal.domain.trials import trial_on

__all__ = [
    "NextInvoice", "NextPeriod", "carry_forward", "is_invoiced_by", "period_beginning",
    "plan_next_invoice", "plan_next_period", "plan_renewal_lines", "plan_renewals",
    "plan_unpaid_end",
]  # fmt: skip

# As many renewals ahead as anybody looks; a term without end has no more to tell.
_FAR = 400


@dataclass(frozen=True, slots=True)
class NextPeriod:
    """What a renewal on `on` makes of a subscription.

    `after` is the subscription in its new period, or with the status `ended` where a cancellation
    takes effect; `removed` are the ids of items that are no more, `lines` the renewal invoice's.
    `applied` took effect; `void` waited for a later day that does not come any more. A new term
    was opened where `new_term`; `number` counts the new period in its term, from 1.
    """

    on: date
    ends: bool
    new_term: bool
    after: SubscriptionState
    removed: tuple[int, ...]
    lines: tuple[PricedLine, ...]
    applied: tuple[WaitingChange, ...]
    void: tuple[WaitingChange, ...] = ()

    def net(self, currency: str) -> Money:
        """The sum of the lines, without VAT."""
        return sum((line.net for line in self.lines), Money.zero(currency))


def plan_next_period(state: SubscriptionState) -> NextPeriod:
    """The period that follows the present one, with every change that is due in it (P1, P2, C2).

    Computed from the term, never chained. Changes that wait for a later renewal go on waiting.
    DomainError `period_off_term` where the present period is not the one the term says, and
    `price_missing` where an item has no pinned price for the interval it would have (C4).
    """
    term, number = state.term, state.number
    if state.period is None or term is None or number is None:
        raise DomainError("period_off_term", subscription_id=state.subscription_id)
    on = state.period.end
    if term.start_of(number) != on:
        raise DomainError("period_off_term", subscription_id=state.subscription_id)
    due = tuple(change for change in state.changes if change.effective_on <= on)
    later = tuple(change for change in state.changes if change.effective_on > on)
    if any(change.kind is ChangeKind.CANCEL for change in due):
        ended = replace(with_changes(state, ()), status="ended")
        return NextPeriod(on, True, False, ended, tuple(i.item_id for i in state.items), (),
                          due, later)  # fmt: skip
    turn = next((c for c in reversed(due) if c.kind is ChangeKind.PERIOD), None)
    following, following_number = term, number + 1
    if turn is not None:
        interval = Interval(turn.target["interval"])
        following, following_number = Term.opening_at(on, interval, term.anchor_day), 1
    items: list[ItemState] = []
    removed: list[int] = []
    for item in state.items:
        changed = _next_item(item, due, following.interval, turn)
        if changed is None:
            removed.append(item.item_id)
        else:
            items.append(changed)
    gone = set(removed)
    after = with_changes(
        replace(
            state,
            interval=following.interval,
            period=following.period(following_number - 1),
            term=following,
            number=following_number,
            items=tuple(items),
        ),
        [change for change in later if change.item_id not in gone],
    )
    void = tuple(change for change in later if change.item_id in gone)
    return NextPeriod(
        on, False, turn is not None, after, tuple(removed), plan_renewal_lines(items), due, void
    )


def plan_unpaid_end(state: SubscriptionState) -> NextPeriod:
    """The end of a suspended subscription on its renewal date: nothing is invoiced (M5).

    Whatever waited for the renewal is void.
    """
    assert state.period is not None, "what is suspended has a period"
    ended = replace(with_changes(state, ()), status="ended")
    return NextPeriod(state.period.end, True, False, ended, tuple(i.item_id for i in state.items),
                      (), (), state.changes)  # fmt: skip


def _next_item(
    item: ItemState, due: Sequence[WaitingChange], interval: Interval, turn: WaitingChange | None
) -> ItemState | None:
    """The item in the new period; None where its removal is due."""
    mine = [change for change in due if change.item_id == item.item_id]
    switch = next(
        (c for c in reversed(mine) if c.kind in (ChangeKind.PLAN, ChangeKind.ADD_ON)), None
    )
    if switch is not None and switch.target.get("remove"):
        return None
    reduced = sum(change.delta or 0 for change in mine if change.kind is ChangeKind.SEATS)
    changed = item
    if reduced or item.waiting_delta:
        changed = replace(item, quantity=max(item.quantity + reduced, 0), waiting_delta=0)
    if item.unit_price is None:  # free as long as it lasts
        return changed
    if switch is not None:
        changed = replace(
            changed,
            plan_key=switch.target.get("plan", item.plan_key),
            package_key=switch.target.get("package", item.package_key),
        )
        return _priced(changed, switch.target.get("prices", {}).get(interval.value), interval)
    if turn is not None:
        return _priced(changed, turn.target.get("prices", {}).get(pin_key(item)), interval)
    return changed


def _priced(item: ItemState, pinned: Sequence[int] | None, interval: Interval) -> ItemState:
    """With the price that was shown when the change was asked (C4)."""
    if pinned is None:
        raise DomainError("price_missing", item_id=item.item_id, interval=interval.value)
    assert item.unit_price is not None
    price_id, minor = pinned
    return replace(item, price_id=price_id, unit_price=Money(minor, item.unit_price.currency))


def plan_renewal_lines(items: Iterable[ItemState]) -> tuple[PricedLine, ...]:
    """One line an item at its full price; what falls to zero, or is free, has none."""
    lines: list[PricedLine] = []
    for item in items:
        if item.unit_price is None or item.quantity == 0:
            continue
        lines.append(
            price_line(
                position=len(lines) + 1,
                kind="seats" if item.per_seat else "add_on",
                quantity=item.quantity,
                unit_price=item.unit_price,
                item_id=item.item_id,
                price_id=item.price_id,
                per_seat=item.per_seat,
            )
        )
    return tuple(lines)


def period_beginning(state: SubscriptionState, on: date) -> NextPeriod:
    """The renewal on `on` as it would be, every renewal before it included.

    DomainError `no_such_renewal` where no period begins that day, or the subscription ends before.
    """
    plan = plan_next_period(state)
    for _ in range(_FAR):
        if plan.on == on:
            return plan
        if plan.on > on or plan.ends:
            break
        plan = plan_next_period(plan.after)
    raise DomainError("no_such_renewal", on=on)


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """What renews next: the date, every line by subscription, and the sum of those invoices.

    `gross` is the sum of the invoices' totals, each with its own VAT (I1). A line's subscription
    is as it will be in the new period. `ending` end that day and have no line.
    """

    on: date
    lines: tuple[tuple[SubscriptionState, PricedLine], ...]
    net: Money
    tax: Money
    gross: Money
    decision: TaxDecision
    subscriptions: int
    ending: tuple[SubscriptionState, ...] = ()


def plan_renewals(
    states: Iterable[SubscriptionState],
) -> list[tuple[SubscriptionState, NextPeriod]]:
    """The next renewal of each that runs; one that cannot be renewed as it stands is left out.

    So does the worker, which puts it aside for the desk: nothing of it is invoiced by then.
    """
    plans = []
    for state in states:
        if state.is_running:
            with suppress(DomainError):
                plans.append((state, plan_next_period(state)))
    return plans


def plan_next_invoice(
    states: Iterable[SubscriptionState], decision: TaxDecision, currency: str
) -> NextInvoice | None:
    """What is invoiced on the earliest renewal date; None if no subscription goes on.

    A subscription that ends is named with the invoice of its day, and is none by itself.
    """
    plans = plan_renewals(states)
    if all(plan.ends for _, plan in plans):
        return None
    on = min(plan.on for _, plan in plans if not plan.ends)
    lines: list[tuple[SubscriptionState, PricedLine]] = []
    sums: list[Totals] = []
    for _, plan in plans:
        if plan.on == on and not plan.ends:
            lines += [(plan.after, line) for line in plan.lines]
            sums.append(document_totals((x.net for x in plan.lines), decision.rate, currency))
    zero = Money.zero(currency)
    return NextInvoice(
        on=on,
        lines=tuple(lines),
        net=sum((s.net for s in sums), zero),
        tax=sum((s.tax for s in sums), zero),
        gross=sum((s.gross for s in sums), zero),
        decision=decision,
        subscriptions=len(sums),
        ending=tuple(state for state, plan in plans if plan.ends and plan.on <= on),
    )


def carry_forward(state: SubscriptionState, on: date) -> SubscriptionState:
    """The subscription as it is on `on` once the renewals due by then have run (P3).

    What a page shows while the worker is late; a write runs the renewals first and finds the same.
    One that could not be renewed (`price_missing`) is shown as it stands. A trial that is over is
    read-only.
    """
    state = trial_on(state, on)
    while state.is_running and state.term is not None and state.period is not None:
        if on < state.period.end:
            break
        try:
            state = plan_next_period(state).after
        except DomainError:
            break
    return state


def is_invoiced_by(renewal: date, today: date, notice_days: int, payment_terms: str) -> bool:
    """Whether the renewal's invoice is to be issued: on the day, or as the notice window closes.

    A bank transfer takes time, so its invoice is issued `notice_days` ahead (I3).
    """
    if payment_terms == "bank_transfer":
        return today >= notice_closes_on(renewal, notice_days)
    return today >= renewal
