"""Where an order stands after what the provider said; it never goes backwards (Q3, Q4, M2)."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["UNRESOLVED", "AttemptStatus", "OrderStatus", "next_attempt_status"]


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
