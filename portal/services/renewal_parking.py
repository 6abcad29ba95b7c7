"""Putting a subscription that cannot be renewed aside, before the operator, and taking it back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.models import DeskTask, Subscription
from portal.services.outbox import open_desk_task

__all__ = ["RETRY_PARKED", "park", "unpark"]

RETRY_PARKED = timedelta(hours=1)
"""A parked subscription is tried again: what was wrong may have been put right meanwhile."""

_LONGEST = 500


def park(
    session: Session, account_id: int, subscription_id: int, error: Exception, *, now: datetime
) -> None:
    """Put it aside with its error, with a desk task that is open as long as it is parked."""
    found = {"kind": type(error).__name__, "message": str(error)[:_LONGEST]}
    session.execute(
        update(Subscription)
        .where(Subscription.id == subscription_id)
        .values(parked_at=now, parked_error=found)
    )
    details = {"subscription_id": subscription_id, **found}
    key = _key(subscription_id)
    open_desk_task(session, "renewal_parked", dedupe_key=key, details=details, now=now,
                   account_id=account_id)  # fmt: skip
    session.flush()
    task = session.scalars(select(DeskTask).where(DeskTask.dedupe_key == key)).one()
    task.details, task.done_at, task.done_by_id = details, None, None
    session.flush()


def unpark(session: Session, subscription_ids: Collection[int], now: datetime) -> None:
    """They are no longer parked: the desk has nothing left to do."""
    if not subscription_ids:
        return
    session.execute(
        update(Subscription)
        .where(Subscription.id.in_(subscription_ids))
        .values(parked_at=None, parked_error=None)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(DeskTask)
        .where(DeskTask.dedupe_key.in_([_key(each) for each in subscription_ids]),
               DeskTask.done_at.is_(None))
        .values(done_at=now)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _key(subscription_id: int) -> str:
    return f"renewal_parked:{subscription_id}"
