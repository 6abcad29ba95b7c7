"""Orders on their way: those the product has not acknowledged in time become a desk task (Q6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, cast, literal, select
from sqlalchemy.orm import Session

from portal.models import DeskTask, Order
from portal.services.entitlements import acknowledge_entitlement
from portal.services.outbox import open_desk_task

__all__ = ["acknowledge_entitlement", "report_overdue_orders"]


def report_overdue_orders(
    session: Session, *, processing_hours: int, now: datetime, limit: int = 200
) -> int:
    """Open a desk task for each paid order that is not done after `processing_hours`; how many."""
    late = session.execute(
        select(Order.id, Order.number, Order.account_id)
        .outerjoin(
            DeskTask, DeskTask.dedupe_key == literal("order_overdue:") + cast(Order.id, String)
        )
        .where(
            Order.status == "paid",
            Order.paid_at < now - timedelta(hours=processing_hours),
            DeskTask.id.is_(None),
            # A line that could not be given is before the desk by itself; nothing is waited for.
            Order.failure.is_(None),
        )
        .order_by(Order.id)
        .limit(limit)
    ).all()
    for order_id, number, account_id in late:
        open_desk_task(session, "order_overdue", dedupe_key=f"order_overdue:{order_id}",
                       details={"order_id": order_id, "number": number}, now=now,
                       account_id=account_id)  # fmt: skip
    session.flush()
    return len(late)
