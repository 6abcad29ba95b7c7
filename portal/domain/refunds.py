"""Where money goes that is owed back: to the method it came from, else to the balance (M6).

And what of a balance the next invoices use. Pure: what a page shows ahead is what is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from portal.domain.money import Money

__all__ = [
    "PaidPart", "RefundPlan", "RefundState", "RefundStep", "next_refund_state",
    "plan_balance_use", "plan_refunds",
]  # fmt: skip


class RefundState(StrEnum):
    """reserved: stored, not called yet; unknown: called, the answer was lost (M1)."""

    RESERVED = "reserved"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_ORDER = {
    RefundState.RESERVED: 0, RefundState.UNKNOWN: 0, RefundState.PENDING: 1,
    RefundState.SUCCEEDED: 2, RefundState.FAILED: 3,
}  # fmt: skip


def next_refund_state(now: str, news: str) -> RefundState | None:
    """The state after the provider's word; None where it is no news, or older (M2).

    A refund that had arrived may still come back from the bank: only a failure is the end.
    """
    current, told = RefundState(now), RefundState(news)
    return told if _ORDER[current] < _ORDER[told] else None


@dataclass(frozen=True, slots=True)
class PaidPart:
    """A payment of the invoice: what is left of it after earlier refunds.

    `refundable`: the provider collected it, so the provider can give it back.
    """

    payment_id: int
    left: Money
    refundable: bool


@dataclass(frozen=True, slots=True)
class RefundStep:
    """Give `amount` of one payment back to its method."""

    payment_id: int
    amount: Money


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What goes back to which payment's method, and what is left for the balance."""

    refunds: tuple[RefundStep, ...]
    to_balance: Money


def plan_refunds(owed: Money, parts: Iterable[PaidPart]) -> RefundPlan:
    """Spread what is owed over the payments, the latest first; never more than is left of each.

    `owed` is not negative. What was paid by transfer or from the balance goes to the balance.
    """
    rest = owed
    zero = Money.zero(owed.currency)
    steps = []
    for part in sorted(parts, key=lambda each: -each.payment_id):
        amount = min(rest, part.left)
        if part.refundable and zero < amount:
            steps.append(RefundStep(part.payment_id, amount))
            rest -= amount
    return RefundPlan(tuple(steps), rest)


def plan_balance_use(
    balance: Money, amounts: Iterable[Money], smallest: Money
) -> tuple[Money, ...]:
    """What of a balance pays each of these invoices, in their order; never more than there is.

    `smallest` is the least that the rest can be collected in, nothing where it is transferred: what
    is left of an invoice is nothing or at least that, and some of the balance stays for the next.
    An invoice that is smaller itself is paid in full, or not at all.
    """
    zero = Money.zero(balance.currency)
    left = max(balance, zero)
    used = []
    for amount in amounts:
        part = max(min(left, amount), zero)
        if part < amount:
            part = max(min(part, amount - smallest), zero)
        used.append(part)
        left -= part
    return tuple(used)
