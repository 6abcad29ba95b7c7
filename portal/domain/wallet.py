"""What a wallet does: usage takes credits out, automatic top-ups bring some in (W1 to W3).

Pure: the card on the wallet's page says what the job would do now, by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.money import Money

__all__ = [
    "MOST_CREDITS", "DebitPlan", "TopUpDecision", "TopUpFailure", "TopUpSettings", "TopUpState", "WalletState",
    "check_top_up_settings", "first_of_month", "first_of_next_month", "low_below", "plan_debit",
    "plan_top_up", "plan_top_up_failure",
]  # fmt: skip

MOST_CREDITS = 10_000_000
"""The most of one debit and of a threshold: more is a mistake of whoever asks."""
BACK_OFF = (timedelta(days=1), timedelta(days=3))
"""How long a top-up waits after the first decline, and after the second; the third ends it (W3)."""


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet as a debit sees it; `asked`: somebody looks after its top-up already."""

    balance: int
    auto_top_up: bool = False
    threshold: int | None = None
    next_try_at: datetime | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class DebitPlan:
    """What a debit does. `missing` credits keep it from being accepted; 0 where nothing does.

    `turns_low`: the balance falls below what is called low just now, and nothing fills it up by
    itself. `asks_top_up`: the automatic top-up is to be looked after.
    """

    balance_after: int
    missing: int
    turns_low: bool
    asks_top_up: bool

    @property
    def is_accepted(self) -> bool:
        """Whether there are enough credits: the balance is never negative (W1)."""
        return self.missing == 0


def low_below(threshold: int | None, usual: int) -> int:
    """Fewer credits than this are few: the customer's own threshold, else the vendor's."""
    return usual if threshold is None else threshold


def plan_debit(wallet: WalletState, cost: int, *, usual_threshold: int, now: datetime) -> DebitPlan:
    """Take `cost` credits out of the wallet, all or nothing (W1).

    DomainError `debit_amount` unless it is from 1 to MOST_CREDITS.
    """
    if not 1 <= cost <= MOST_CREDITS:
        raise DomainError("debit_amount", most=MOST_CREDITS)
    missing = max(cost - wallet.balance, 0)
    after = wallet.balance if missing else wallet.balance - cost
    low = low_below(wallet.threshold, usual_threshold)
    asks = (
        wallet.auto_top_up
        and not wallet.asked
        and (wallet.next_try_at is None or wallet.next_try_at <= now)
        and (missing > 0 or after < low)
    )
    return DebitPlan(
        balance_after=after,
        missing=missing,
        turns_low=not wallet.auto_top_up and after < low <= wallet.balance,
        asks_top_up=asks,
    )


class TopUpDecision(StrEnum):
    """What is done about an automatic top-up now, or why nothing is."""

    CHARGE = "charge"
    OFF = "off"
    OPEN = "open"
    ENOUGH = "enough"
    WAITS = "waits"
    SUSPENDED = "suspended"
    OWED = "owed"
    NOT_SOLD = "not_sold"
    NO_METHOD = "no_method"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class TopUpState:
    """All that a top-up depends on.

    `price` is the pack's, gross: what would be charged now; None where it is not sold any more.
    `spent` is what the month's top-ups have cost, those under way included. `is_open`: one is
    under way. `is_owed`: the money of an earlier one did not arrive in the end. `is_suspended`:
    nothing is bought while access is suspended (M5).
    """

    balance: int
    on: bool
    threshold: int | None
    price: Money | None
    cap: Money | None
    spent: Money
    is_open: bool = False
    is_owed: bool = False
    is_suspended: bool = False
    has_method: bool = True
    next_try_at: datetime | None = None


def plan_top_up(state: TopUpState, now: datetime, *, needed: int = 0) -> TopUpDecision:
    """Whether one pack is bought now (W3): below the threshold, or where `needed` are not there."""
    if not state.on or state.threshold is None or state.cap is None:
        return TopUpDecision.OFF
    if state.is_open:
        return TopUpDecision.OPEN
    if state.balance >= max(state.threshold, needed):
        return TopUpDecision.ENOUGH
    if state.next_try_at is not None and now < state.next_try_at:
        return TopUpDecision.WAITS
    if state.is_suspended:
        return TopUpDecision.SUSPENDED
    if state.is_owed:
        return TopUpDecision.OWED
    if state.price is None:
        return TopUpDecision.NOT_SOLD
    if not state.has_method:
        return TopUpDecision.NO_METHOD
    if state.spent + state.price > state.cap:
        return TopUpDecision.CAP
    return TopUpDecision.CHARGE


@dataclass(frozen=True, slots=True)
class TopUpFailure:
    """What follows from a top-up that could not be collected: the next try, or off."""

    declines: int
    next_try_at: datetime | None

    @property
    def is_off(self) -> bool:
        """Whether the customer has to switch it on again."""
        return self.next_try_at is None


def plan_top_up_failure(
    declines: int, *, hard: bool, now: datetime, is_ours: bool = False
) -> TopUpFailure:
    """Wait after the first and the second decline in a row, end at the third (W3).

    A hard decline ends it at once: that method is never to be tried again (M5). What is the
    vendor's own fault (`is_ours`) waits as well, and counts for nothing.
    """
    if is_ours:
        return TopUpFailure(declines, now + BACK_OFF[0])
    count = declines + 1
    if hard or count > len(BACK_OFF):
        return TopUpFailure(count, None)
    return TopUpFailure(count, now + BACK_OFF[count - 1])


def first_of_month(on: date) -> date:
    """The month that a top-up of that local day counts in."""
    return on.replace(day=1)


def first_of_next_month(on: date) -> date:
    """The local day on which the cap begins anew."""
    return (on.replace(day=28) + timedelta(days=4)).replace(day=1)


@dataclass(frozen=True, slots=True)
class TopUpSettings:
    """What the customer chose: below `threshold` credits buy `pack_key`, within `cap` a month."""

    threshold: int
    pack_key: str
    cap: Money


def check_top_up_settings(settings: TopUpSettings, price: Money | None) -> None:
    """Raise Rejected with what is wrong; `price` is the pack's, gross, None where it is not sold.

    Problems: `threshold` threshold_range, `pack` pack_unknown, `cap` cap_below_pack (the cap has to
    allow one top-up).
    """
    problems = list(_problems_of(settings, price))
    if problems:
        raise Rejected(problems)


def _problems_of(settings: TopUpSettings, price: Money | None) -> Iterable[Problem]:
    if not 1 <= settings.threshold <= MOST_CREDITS:
        yield Problem("threshold", "threshold_range", {"most": MOST_CREDITS})
    if price is None:
        yield Problem("pack", "pack_unknown")
    elif settings.cap < price:
        yield Problem("cap", "cap_below_pack", {"price": price})
