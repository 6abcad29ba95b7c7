"""What waits for a renewal, was asked in time for it, and is confirmed near it or after it (S4, I2).

The day of sending counts, so whoever sees to it late must not cost the customer a period: before
the renewal the desk is told, after it what the removed licences cost since is credited. They stay
until the renewal for which it is confirmed, because seats never fall inside a period (S1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.money import Money, total
from portal.domain.periods import Period, notice_closes_on
from portal.domain.requests import RequestKind, RequestStatus, RequestStep, can_take

__all__ = ["AtStake", "InvoicedSeats", "LateCredit", "confirmation_key", "credited_by",
           "plan_late_credits", "renewal_at_stake"]  # fmt: skip

NEAR = timedelta(days=7)
"""So long before the renewal the desk marks what counts for it, and the digest names it first."""


@dataclass(frozen=True, slots=True)
class AtStake:
    """The renewal that the day of sending left; `missed`: its period has begun unconfirmed."""

    on: date
    missed: bool

    def is_near(self, today: date) -> bool:
        """Whether it is time to confirm, or past it."""
        return self.missed or self.on - today <= NEAR


@dataclass(frozen=True, slots=True)
class InvoicedSeats:
    """The line of a renewal invoice for the item that is asked about; `credited` of it is so far."""

    starts_on: date
    invoice_id: int
    number: str
    position: int
    quantity: int
    unit: Money
    credited: Money


@dataclass(frozen=True, slots=True)
class LateCredit:
    """What is credited of one line, without VAT."""

    invoice_id: int
    number: str
    position: int
    net: Money


def renewal_at_stake(
    kind: RequestKind, status: RequestStatus, sent_on: date, period: Period | None, notice_days: int
) -> AtStake | None:
    """The renewal that is met only if the request is confirmed soon; None where there is none.

    `period` is the subscription's present one.
    """
    if period is None or not can_take(kind, status, RequestStep.CONFIRM):
        return None
    for day, missed in ((period.start, True), (period.end, False)):
        if sent_on <= notice_closes_on(day, notice_days):
            return AtStake(day, missed)
    return None


def plan_late_credits(
    sent_on: date, removed: int, invoiced: Iterable[InvoicedSeats], notice_days: int
) -> tuple[LateCredit, ...]:
    """What `removed` licences cost in each period that began since, of those the request was for."""
    found = []
    for line in invoiced:
        left = line.unit * line.quantity - line.credited
        net = min(line.unit * min(removed, line.quantity), left)
        if sent_on <= notice_closes_on(line.starts_on, notice_days) and net.minor > 0:
            found.append(LateCredit(line.invoice_id, line.number, line.position, net))
    return tuple(found)


def credited_by(late: Sequence[LateCredit]) -> Money | None:
    """All that is credited, without VAT; None for nothing."""
    return total((one.net for one in late), late[0].net.currency) if late else None


def confirmation_key(key: str, late: tuple[LateCredit, ...]) -> str:
    """What was shown, with the amount that is credited by it: that and no other (Q4)."""
    net = credited_by(late)
    return key if net is None else f"{key}+{net.minor}"
