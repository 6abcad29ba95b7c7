"""A charge that the customer disputes at its bank: when the money counts as gone, and as back (M4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from portal.domain.money import Money

__all__ = ["Dispute", "DisputeState", "is_money_gone", "money_taken", "next_dispute_state"]


class DisputeState(StrEnum):
    """opened: nothing was taken. taken: the money is gone while it is decided. lost: for good.
    won: it came back."""

    OPENED = "opened"
    TAKEN = "taken"
    LOST = "lost"
    WON = "won"


# One that was lost may still be won by an appeal; nothing comes after that.
_RANK = {
    DisputeState.OPENED: 0,
    DisputeState.TAKEN: 1,
    DisputeState.LOST: 2,
    DisputeState.WON: 3,
}
_GONE = (DisputeState.TAKEN, DisputeState.LOST)


@dataclass(frozen=True, slots=True)
class Dispute:
    """What the bank disputes of a charge, and how far it has come."""

    state: DisputeState
    amount: Money


def next_dispute_state(present: str | None, told: str) -> DisputeState | None:
    """The state to go to when the provider tells `told`, or None where nothing changes (M2)."""
    then = DisputeState(told)
    if present is None:
        return then
    return then if _RANK[then] > _RANK[DisputeState(present)] else None


def is_money_gone(disputes: Collection[Dispute], charged: Money, refunded: Money) -> bool:
    """Whether these disputes of a charge have taken all that was left of it.

    One about a part of it leaves the payment what it is: people look at the difference.
    """
    return any(
        each.state in _GONE and each.amount + refunded >= charged
        for each in disputes
        if each.amount.currency == charged.currency
    )


def money_taken(disputes: Collection[Dispute], charged: Money) -> Money:
    """What the bank took of a charge: what its disputes took, at most the charge.

    A payment that was taken back without one, a debit, is gone as a whole: its caller knows.
    """
    gone = sum(
        each.amount.minor
        for each in disputes
        if each.state in _GONE and each.amount.currency == charged.currency
    )
    return Money(min(gone, charged.minor), charged.currency)
