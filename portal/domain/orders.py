"""Where an order stands after what the provider said; it never goes backwards (Q3, Q4, M2)."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

__all__ = ["UNRESOLVED", "AttemptStatus", "OrderStatus", "TransferReminder", "next_attempt_status",
           "transfer_reminder"]  # fmt: skip


class OrderStatus(StrEnum):
    """placed: the payment is being checked. paid: granted, being provisioned. done: provisioned.

    invoiced: a bank-transfer customer's, whose transfer is awaited (I3).
    """

    PLACED = "placed"
    REQUIRES_ACTION = "requires_action"
    INVOICED = "invoiced"
    FAILED = "failed"
    ABANDONED = "abandoned"
    PAID = "paid"
    DONE = "done"


UNRESOLVED = (OrderStatus.PLACED, OrderStatus.REQUIRES_ACTION)


class AttemptStatus(StrEnum):
    """One try to collect; reserved is stored before the call, unknown is looked up (M1)."""

    RESERVED = "reserved"
    UNKNOWN = "unknown"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    CANCELLED = "cancelled"


_RANK = {
    AttemptStatus.RESERVED: 0,
    AttemptStatus.UNKNOWN: 0,
    AttemptStatus.REQUIRES_ACTION: 1,
    AttemptStatus.PROCESSING: 2,
    AttemptStatus.DECLINED: 3,
    AttemptStatus.CANCELLED: 3,
    AttemptStatus.SUCCEEDED: 4,
}


def next_attempt_status(present: str, told: str) -> AttemptStatus | None:
    """The status to go to when the provider tells `told`, or None where nothing changes.

    News may come twice, late and in any order (M2): an earlier state never replaces a later one.
    Success outranks a decline: the provider may collect after a first refusal of the same charge.
    """
    now, then = AttemptStatus(present), AttemptStatus(told)
    return then if _RANK[then] > _RANK[now] else None


class TransferReminder(StrEnum):
    """What the customer of an order that waits for its transfer is reminded of, once each (Q3)."""

    DUE = "due"
    OVERDUE = "overdue"


_BEFORE = timedelta(days=5)
_UNASKED = timedelta(days=3)
_LATE = timedelta(days=14)


def transfer_reminder(
    issued_on: date, due_on: date, lapses_on: date | None, today: date
) -> TransferReminder | None:
    """What is to be said today about an open invoice of which nothing was given yet.

    Five days before it is due, or before the renewal `lapses_on` with which it lapses, whichever is
    first; and once it is overdue. Nobody is reminded of what they got within three days, and a
    worker that was down makes up for two weeks.
    """
    last = due_on if lapses_on is None else min(due_on, lapses_on - timedelta(days=1))
    if due_on < today <= due_on + _LATE:
        return TransferReminder.OVERDUE
    if last - _BEFORE <= today <= last and today - issued_on >= _UNASKED:
        return TransferReminder.DUE
    return None
