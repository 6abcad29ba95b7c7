"""Quotes: pinned lines priced on a day, and what may be done with a quote when (Q1, Q2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.order_lines import (
    SUBSCRIPTION_KINDS,
    PinnedLine,
    new_id,
    require_fit,
    state_of,
    with_line,
)
from portal.domain.periods import Interval
from portal.domain.pricing import PricedLine, document_totals, price_line
from portal.domain.renewals import NextPeriod, plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import TaxDecision, Totals

__all__ = [
    "REMINDER_DAYS", "PinnedLine", "PricedQuote", "QuoteStatus", "RenewalOutlook",
    "is_reminder_due", "last_valid_day",
    "price_quote", "require_open", "subject_of_product", "subject_of_request",
    "subject_of_service", "subject_of_subscription", "subject_of_wallet", "terms_key",
]  # fmt: skip


class QuoteStatus(StrEnum):
    """accepted: an order was placed from it, or a bank-transfer customer said yes.

    withdrawn: the account executive who prepared it took it back.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class RenewalOutlook:
    """The renewal invoice of a subscription (net) before and after what the quote adds.

    One that the quote begins has nothing before: `begins_on` is the first day that it pays for.
    One that was a trial (`was_trial`) keeps its id; any other that is begun has one below zero.
    """

    subscription_id: int
    on: date
    interval: Interval
    net_before: Money
    net_after: Money
    gross_after: Money
    product_key: str = ""
    begins_on: date | None = None
    was_trial: bool = False

    @property
    def is_new(self) -> bool:
        """Whether the quote begins the subscription, or makes a trial a paid one."""
        return self.begins_on is not None


@dataclass(frozen=True, slots=True)
class PricedQuote:
    """A quote as of a day: what is shown, and what is charged if it is ordered that day."""

    lines: tuple[PricedLine, ...]
    tax: TaxDecision
    totals: Totals
    outlook: tuple[RenewalOutlook, ...]


REMINDER_DAYS = 3
"""A quote that is still open is spoken of so many days before its last one."""


def is_reminder_due(created_on: date, valid_until: date, today: date) -> bool:
    """Whether to remind of an open quote: in its last days, unless it was only just made."""
    last = (valid_until - today).days
    return 0 <= last <= REMINDER_DAYS and (valid_until - created_on).days > REMINDER_DAYS


def last_valid_day(created_on: date, validity_days: int) -> date:
    """The account's last local day on which a quote of `created_on` can be accepted."""
    return created_on + timedelta(days=validity_days)


def subject_of_subscription(subscription_id: int) -> str:
    """The name under which a quote holds a subscription (Q1)."""
    return f"subscription:{subscription_id}"


def subject_of_product(account_id: int, product_key: str) -> str:
    """The name under which a quote holds the start of a product's subscription (Q1)."""
    return f"product:{account_id}:{product_key}"


def subject_of_wallet(account_id: int) -> str:
    """The name under which a quote holds an account's wallet (Q1)."""
    return f"wallet:{account_id}"


def subject_of_service(account_id: int, package: str) -> str:
    """The name under which a quote holds an account's order of a service (Q1)."""
    return f"service:{account_id}:{package}"


def subject_of_request(request_id: int) -> str:
    """The name under which a quote holds the change request that it was prepared for (Q1)."""
    return f"request:{request_id}"


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
    ahead: Mapping[int, date] | None = None,
) -> PricedQuote:
    """Price the pinned lines as of `on` (Q2); each line prorates on its subscription's period (S2).

    A start is not prorated: its first period is a whole one from `on`, or from the end of its trial
    (C5). What is sold once is neither. `ahead` are the first days of the periods that were invoiced
    ahead, by subscription: what a line adds to such a period is billed as well, by a line of the
    kind `coming` after the others (I3). DomainError as `state_of`,
    `require_fit` and `with_line` where a line does not fit its subscription (any more), and `not_an_upgrade` where a
    switch would pay money back (C1).
    """
    before = {state.subscription_id: state for state in states}
    after = dict(before)
    priced: list[PricedLine] = []
    touched: dict[int, None] = {}
    for line in lines:
        if line.kind in SUBSCRIPTION_KINDS:
            present = state_of(line, after.values())
            require_fit(line, present)
            state = with_line(present, line, on)
            after[state.subscription_id] = state
            touched[state.subscription_id] = None
            priced.append(_price(line, state, on))
        else:
            priced.append(_price(line, None, on))
    _refuse_negative_switch(priced)
    invoiced = {
        key for key, first in (ahead or {}).items()
        if key in before and key in touched and _begins_next(after[key], first)
    }  # fmt: skip
    for key in sorted(invoiced):
        priced += _coming(before[key], after[key], lines, len(priced))
    totals = document_totals((line.net for line in priced), tax.rate, currency)
    outlook = (
        _outlook(before.get(key), after[key], tax, currency, ahead=key in invoiced)
        for key in touched
    )
    return PricedQuote(tuple(priced), tax, totals, tuple(o for o in outlook if o is not None))


def _price(line: PinnedLine, state: SubscriptionState | None, on: date) -> PricedLine:
    return price_line(
        position=line.position,
        kind=line.kind,
        quantity=line.quantity,
        unit_price=line.unit_price,
        item_id=line.item_id,
        price_id=line.price_id,
        discount_basis_points=line.discount_basis_points,
        period=state.period if state is not None else None,
        on=None if line.kind == "start" or state is None else state.paid_from(on),
        per_seat=line.per_seat,
        discount_minor=line.discount_minor,
    )


def _begins_next(state: SubscriptionState, first: date) -> bool:
    """Whether the period that begins on `first` is the one that follows the present one."""
    return state.is_running and state.period is not None and state.period.end == first


def _coming(
    before: SubscriptionState, after: SubscriptionState, lines: Sequence[PinnedLine], so_far: int
) -> Iterator[PricedLine]:
    """What the lines add to the coming period, which was invoiced without them: whole, and undiscounted."""
    was, will = plan_next_period(before), plan_next_period(after)
    if was.ends or will.ends:
        return
    invoiced = {line.item_id: line for line in was.lines}
    for line in will.lines:
        old = invoiced.get(line.item_id)
        more = [(line.quantity, line.unit_price, line.price_id)]
        if old is not None and old.unit_price == line.unit_price:
            more = [(line.quantity - old.quantity, line.unit_price, line.price_id)]
        elif old is not None:
            more.insert(0, (old.quantity, -old.unit_price, old.price_id))
        for quantity, unit, price_id in more:
            if quantity > 0:
                so_far += 1
                yield price_line(
                    position=so_far, kind="coming", quantity=quantity, unit_price=unit,
                    item_id=line.item_id if (line.item_id or 0) > 0 else None, price_id=price_id,
                    period=will.after.period, per_seat=line.per_seat,
                    of_line=_line_about(lines, line.item_id),
                )  # fmt: skip


def _line_about(lines: Sequence[PinnedLine], item_id: int | None) -> int | None:
    """The position of the last line about an item: what it is by then."""
    about = [x.position for x in lines if item_id in (x.item_id, new_id(x))]
    return about[-1] if about else None


def _refuse_negative_switch(lines: Iterable[PricedLine]) -> None:
    sums: dict[int, int] = {}
    for line in lines:
        if line.kind in ("plan_credit", "plan_charge"):
            sums[line.item_id or 0] = sums.get(line.item_id or 0, 0) + line.net.minor
    if any(total < 0 for total in sums.values()):
        raise DomainError("not_an_upgrade")


def _outlook(
    state: SubscriptionState | None,
    bought: SubscriptionState,
    tax: TaxDecision,
    currency: str,
    *,
    ahead: bool,
) -> RenewalOutlook | None:
    """The renewal without and with the quote, everything that waits for it included (C2).

    Where the next one was invoiced `ahead`, the quote bills what it adds, and the one after counts.
    """
    if not bought.is_running or bought.term is None:
        return None
    after = _renewal(bought, ahead=ahead)
    if after.ends or after.after.interval is None:
        return None
    present = state is not None and state.is_running
    before = Money.zero(currency)
    if state is not None and present:
        before = _renewal(state, ahead=ahead).net(currency)
    begins_on = bought.period.start if bought.period is not None and not present else None
    totals = document_totals((line.net for line in after.lines), tax.rate, currency)
    return RenewalOutlook(
        bought.subscription_id, after.on, after.after.interval, before, totals.net, totals.gross,
        bought.product_key, begins_on, state is not None and not present,
    )  # fmt: skip


def _renewal(state: SubscriptionState, *, ahead: bool) -> NextPeriod:
    following = plan_next_period(state)
    return plan_next_period(following.after) if ahead and not following.ends else following


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
