"""Quotes: pinned lines priced on a day, and what may be done with a quote when (Q1, Q2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.pricing import PricedLine, document_totals, price_line
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import TaxDecision, Totals

__all__ = [
    "PinnedLine", "PricedQuote", "QuoteStatus", "RenewalOutlook", "last_valid_day",
    "price_quote", "require_open", "subject_of_subscription", "terms_key",
]  # fmt: skip


class QuoteStatus(StrEnum):
    """accepted: an order was placed from it, or a bank-transfer customer said yes."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class PinnedLine:
    """What a quote pins of a line; its proration is of the day the order is placed (Q2)."""

    position: int
    kind: str
    item_id: int | None
    price_id: int | None
    quantity: int
    unit_price: Money
    discount_basis_points: int = 0


@dataclass(frozen=True, slots=True)
class RenewalOutlook:
    """The renewal invoice of a subscription (net) before and after what the quote adds."""

    subscription_id: int
    on: date
    interval: Interval
    net_before: Money
    net_after: Money
    gross_after: Money


@dataclass(frozen=True, slots=True)
class PricedQuote:
    """A quote as of a day: what is shown, and what is charged if it is ordered that day."""

    lines: tuple[PricedLine, ...]
    tax: TaxDecision
    totals: Totals
    outlook: tuple[RenewalOutlook, ...]


def last_valid_day(created_on: date, validity_days: int) -> date:
    """The account's last local day on which a quote of `created_on` can be accepted."""
    return created_on + timedelta(days=validity_days)


def subject_of_subscription(subscription_id: int) -> str:
    """The name under which a quote holds a subscription (Q1)."""
    return f"subscription:{subscription_id}"


def require_open(status: str, valid_until: date, today: date) -> None:
    """Raise what keeps a quote from being ordered: quote_accepted, _declined, _expired, …

    An open quote past its last day is expired, whether or not a job has said so yet (Q1).
    """
    if status != QuoteStatus.OPEN:
        raise DomainError(f"quote_{status}")
    if today > valid_until:
        raise DomainError("quote_expired")


def price_quote(
    lines: Sequence[PinnedLine],
    states: Iterable[SubscriptionState],
    tax: TaxDecision,
    currency: str,
    on: date,
) -> PricedQuote:
    """Price the pinned lines as of `on` (Q2); every seat line prorates on its own period (S2).

    DomainError `item_gone` where a line's item is no longer there, or its subscription has no
    present period.
    """
    where = {item.item_id: state for state in states for item in state.items}
    priced = tuple(_price(line, where, on) for line in lines)
    totals = document_totals((line.net for line in priced), tax.rate, currency)
    touched = {where[line.item_id].subscription_id: where[line.item_id]
               for line in lines if line.item_id is not None}  # fmt: skip
    outlook = tuple(_outlook(state, lines, tax, currency) for state in touched.values())
    return PricedQuote(priced, tax, totals, tuple(o for o in outlook if o is not None))


def _price(line: PinnedLine, where: Mapping[int, SubscriptionState], on: date) -> PricedLine:
    if line.item_id is None:
        return price_line(
            position=line.position, kind=line.kind, quantity=line.quantity,
            unit_price=line.unit_price, price_id=line.price_id,
            discount_basis_points=line.discount_basis_points,
        )  # fmt: skip
    state = where.get(line.item_id)
    if state is None or state.period is None:
        raise DomainError("item_gone", item_id=line.item_id)
    return price_line(
        position=line.position,
        kind=line.kind,
        quantity=line.quantity,
        unit_price=line.unit_price,
        item_id=line.item_id,
        price_id=line.price_id,
        discount_basis_points=line.discount_basis_points,
        period=state.period,
        on=on,
    )


def _outlook(
    state: SubscriptionState, lines: Sequence[PinnedLine], tax: TaxDecision, currency: str
) -> RenewalOutlook | None:
    if state.period is None or state.interval is None:
        return None
    added = {line.item_id: line.quantity for line in lines if line.kind == "seats"}
    before, after = Money.zero(currency), Money.zero(currency)
    nets: list[Money] = []
    for item in state.items:
        if item.unit_price is None:
            continue
        before += item.unit_price * item.quantity_at_renewal
        net = item.unit_price * (item.quantity_at_renewal + added.get(item.item_id, 0))
        after += net
        nets.append(net)
    gross = document_totals(nets, tax.rate, currency).gross
    return RenewalOutlook(
        state.subscription_id, state.period.end, state.interval, before, after, gross
    )


def terms_key(priced: PricedQuote) -> str:
    """A short key of all that is shown and money depends on: that and no other is charged (Q2)."""
    parts = [
        f"{line.position}|{line.quantity}|{line.unit_price.minor}|{line.days_left}|{line.days}|"
        f"{line.net.minor}"
        for line in priced.lines
    ]
    total = priced.totals
    parts.append(f"{priced.tax.treatment}|{priced.tax.rate}|{total.tax.minor}|{total.gross.minor}|"
                 f"{total.gross.currency}")  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
