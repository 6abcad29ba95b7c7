"""The invoice of a renewal, planned: its preview and the renewal itself use the same lines (C2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Period, Term, notice_closes_on
from portal.domain.pricing import PricedLine, document_totals, price_line
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import TaxDecision, Totals

__all__ = [
    "NextInvoice", "Renewal", "carry_forward", "is_invoiced_by", "plan_next_invoice",
    "plan_renewal", "plan_renewal_lines",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """What renews next: the date, every line by subscription, and the sum of those invoices.

    `gross` is the sum of the invoices' totals, each with its own VAT (I1).
    """

    on: date
    lines: tuple[tuple[SubscriptionState, PricedLine], ...]
    net: Money
    tax: Money
    gross: Money
    decision: TaxDecision
    subscriptions: int


def plan_renewal_lines(state: SubscriptionState) -> tuple[PricedLine, ...]:
    """The lines of the period that begins at the renewal: quantities with waiting changes in them.

    An item that falls to zero, or has no price, has no line.
    """
    lines: list[PricedLine] = []
    for item in state.items:
        if item.unit_price is None or item.quantity_at_renewal == 0:
            continue
        lines.append(
            price_line(
                position=len(lines) + 1,
                kind="seats" if item.per_seat else "add_on",
                quantity=item.quantity_at_renewal,
                unit_price=item.unit_price,
                item_id=item.item_id,
                price_id=item.price_id,
            )
        )
    return tuple(lines)


def plan_next_invoice(
    states: Iterable[SubscriptionState], decision: TaxDecision, currency: str
) -> NextInvoice | None:
    """What is invoiced on the earliest renewal date; None if no subscription runs."""
    running = [s for s in states if s.period is not None and s.status == "active"]
    if not running:
        return None
    on = min(state.period.end for state in running if state.period is not None)
    lines: list[tuple[SubscriptionState, PricedLine]] = []
    sums: list[Totals] = []
    for state in running:
        if state.period is not None and state.period.end == on:
            renewal = plan_renewal_lines(state)
            lines += [(state, line) for line in renewal]
            sums.append(document_totals((x.net for x in renewal), decision.rate, currency))
    zero = Money.zero(currency)
    return NextInvoice(
        on=on,
        lines=tuple(lines),
        net=sum((s.net for s in sums), zero),
        tax=sum((s.tax for s in sums), zero),
        gross=sum((s.gross for s in sums), zero),
        decision=decision,
        subscriptions=len(sums),
    )


@dataclass(frozen=True, slots=True)
class Renewal:
    """The next period of a subscription: its number in the term, its dates, its invoice's lines."""

    number: int
    period: Period
    lines: tuple[PricedLine, ...]


def plan_renewal(state: SubscriptionState, term: Term, number: int) -> Renewal:
    """What follows on period `number` of `term`: computed from the term, never chained (P1, P2).

    Numbers count from 1, so the period that follows has the term's index `number`.

    DomainError `period_off_term` where the present period is not the one the term says.
    """
    following = term.period(number)
    if state.period is None or state.period.end != following.start:
        raise DomainError("period_off_term", subscription_id=state.subscription_id)
    return Renewal(number + 1, following, plan_renewal_lines(state))


def carry_forward(state: SubscriptionState, term: Term | None, on: date) -> SubscriptionState:
    """The subscription as it is on `on` once the renewals due by then have run (P3).

    What a page shows while the worker is late; a write runs the renewals first and finds the same.
    """
    if state.period is None or term is None or state.status != "active" or on < state.period.end:
        return state
    items = tuple(
        replace(item, quantity=item.quantity_at_renewal, waiting_delta=0) for item in state.items
    )
    return replace(state, period=term.period(term.index_of(on)), items=items)


def is_invoiced_by(renewal: date, today: date, notice_days: int, payment_terms: str) -> bool:
    """Whether the renewal's invoice is to be issued: on the day, or as the notice window closes.

    A bank transfer takes time, so its invoice is issued `notice_days` ahead (I3).
    """
    if payment_terms == "bank_transfer":
        return today >= notice_closes_on(renewal, notice_days)
    return today >= renewal
