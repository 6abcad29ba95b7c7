"""The demo provider's disputes: a card's holder objects at the bank, which takes the money at once.

It is decided weeks later. Until then, and where it was lost, the charge cannot be refunded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.disputes import DisputeState
from portal.domain.money import Money
from portal.models import DemoObject
from portal.payments.demo_books import add_object, change_object, find_object, read_books
from portal.payments.demo_numbers import Behaviour
from portal.payments.gateway import DisputeOutcome

__all__ = [
    "DECIDED_AFTER", "DISPUTED_AFTER", "decide_dispute", "dispute_outcome", "is_dispute_due",
    "list_demo_disputes", "open_dispute",
]  # fmt: skip

DISPUTED_AFTER = timedelta(days=5)
DECIDED_AFTER = timedelta(days=30)
_ENDS_AS = {
    Behaviour.DISPUTE_LOST.value: DisputeState.LOST,
    Behaviour.DISPUTE_WON.value: DisputeState.WON,
}


def open_dispute(session: Session, charge: DemoObject, now: datetime) -> DemoObject:
    """The bank takes what is left of a charge."""
    left = charge.data["amount_minor"] - charge.data.get("refunded_minor", 0)
    data = {
        "charge": charge.ref,
        "amount_minor": left,
        "currency": charge.data["currency"],
        "reason": "fraudulent",
        "ends_as": _ENDS_AS[charge.data["disputes_as"]].value,
        "ends_at": (now + DECIDED_AFTER).isoformat(),
    }
    dispute = add_object(session, "dispute", DisputeState.TAKEN.value, data, now)
    change_object(charge, dispute=dispute.ref, is_gone=True)
    return dispute


def decide_dispute(session: Session, dispute: DemoObject) -> None:
    """The bank decides: the money stays with the holder, or comes back."""
    change_object(dispute, dispute.data["ends_as"])
    if dispute.status == DisputeState.WON:
        charge = find_object(session, "charge", dispute.data["charge"], lock=True)
        change_object(charge, is_gone=False)


def is_dispute_due(row: DemoObject, now: datetime) -> bool:
    """Whether a charge is disputed, or a dispute decided, by now."""
    if row.kind == "dispute":
        return (
            row.status == DisputeState.TAKEN
            and datetime.fromisoformat(row.data["ends_at"]) <= now
        )  # fmt: skip
    disputes_at = row.data.get("disputes_at")
    return (
        disputes_at is not None
        and "dispute" not in row.data
        and datetime.fromisoformat(disputes_at) <= now
    )


def dispute_outcome(row: DemoObject) -> DisputeOutcome:
    """A dispute in the port's words."""
    return DisputeOutcome(
        ref=row.ref,
        charge_ref=row.data["charge"],
        state=DisputeState(row.status),
        amount=Money(row.data["amount_minor"], row.data["currency"]),
        reason=row.data["reason"],
    )


def list_demo_disputes(since: datetime, until: datetime) -> Iterator[DisputeOutcome]:
    """The disputes opened from `since` up to `until`, the oldest first."""
    with read_books() as session:
        rows = session.scalars(
            select(DemoObject)
            .where(
                DemoObject.kind == "dispute",
                DemoObject.created_at >= since,
                DemoObject.created_at < until,
            )
            .order_by(DemoObject.id)
        )
        found = [dispute_outcome(row) for row in rows]
    yield from found
