"""Claiming waiting rows, jobs and outbox messages alike, with a lease and a fence.

A claim is one statement. On PostgreSQL concurrent claims skip each other's rows; on SQLite the
transaction is IMMEDIATE, so there is one at a time. Whoever claims a row again after the lease
ran out raises its fence, and what the first claimer reports then counts for nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.models import Job, OutboxMessage
from portal.services.outbox import open_desk_task

__all__ = ["MAX_ATTEMPTS", "Claim", "claim_due", "fail", "finish", "is_due",
           "retry_delay"]  # fmt: skip

Queued = type[Job] | type[OutboxMessage]

MAX_ATTEMPTS = 12
"""With the back-off below the last try is about six hours after the first."""
_FIRST_RETRY, _LONGEST_RETRY = timedelta(seconds=10), timedelta(hours=6)
_ERROR_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that is ours until the lease runs out; `fence` proves it when we report back."""

    id: int
    fence: int
    attempts: int


def claim_due(
    session: Session, table: Queued, *, now: datetime, limit: int, lease: timedelta
) -> list[Claim]:
    """Claim up to `limit` waiting rows that are due and that nobody holds, the oldest first."""
    due_at = _due_at(table)
    due = (
        select(table.id)
        .where(
            table.status == "waiting",
            due_at <= now,
            or_(table.leased_until.is_(None), table.leased_until <= now),
        )
        .order_by(due_at, table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # SQLite has no such clause and needs none
        .cte("due")
    )
    claimed = session.execute(
        update(table)
        .where(table.id.in_(select(due.c.id)))
        .values(
            leased_until=now + lease,
            fence=table.fence + 1,
            attempts=table.attempts + 1,
        )
        .returning(table.id, table.fence, table.attempts)
        .execution_options(synchronize_session=False)
    )
    return sorted((Claim(*row) for row in claimed), key=lambda claim: claim.id)


def is_due(connection: Connection, table: Queued, now: datetime) -> bool:
    """Whether a claim would find anything."""
    row = connection.execute(
        select(table.id)
        .where(
            table.status == "waiting",
            _due_at(table) <= now,
            or_(table.leased_until.is_(None), table.leased_until <= now),
        )
        .limit(1)
    ).first()
    return row is not None


def finish(session: Session, table: Queued, claim: Claim, *, now: datetime, **also: Any) -> bool:
    """Mark the row as done; False where the lease was lost to another worker."""
    done: dict[str, Any] = (
        {"status": "done", "finished_at": now}
        if table is Job
        else {"status": "delivered", "delivered_at": now}
    )
    return _report(session, table, claim, {**done, "last_error": "", **also})


def fail(
    session: Session,
    table: Queued,
    claim: Claim,
    error: str,
    *,
    now: datetime,
    for_good: bool = False,
    quietly: bool = False,
) -> bool:
    """Put the row off to its next try, or end it after MAX_ATTEMPTS or `for_good`.

    What ends unfinished is put before the desk, unless `quietly`. False where the lease was lost.
    """
    ended = for_good or claim.attempts >= MAX_ATTEMPTS
    values: dict[str, Any] = {"last_error": error[:_ERROR_LENGTH], "leased_until": None}
    if ended:
        values["status"] = "failed"
    else:
        values[_due_at(table).key] = now + retry_delay(claim.attempts)
    ours = _report(session, table, claim, values)
    if ours and ended and not quietly:
        _tell_desk(session, session.get(table, claim.id), error, now)
    return ours


def _tell_desk(session: Session, row: object, error: str, now: datetime) -> None:
    if isinstance(row, Job):
        kind, what, account_id = "job_failed", row.kind, None
    else:
        assert isinstance(row, OutboxMessage)
        kind, what, account_id = "message_failed", row.topic, row.account_id
    open_desk_task(
        session,
        kind,
        dedupe_key=f"{kind}:{row.id}",
        details={"id": row.id, "what": what, "error": error[:200]},
        now=now,
        account_id=account_id,
        again=True,
    )
    session.flush()


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after that many tries: doubling from 10 seconds to 6 hours, ± 20 %."""
    wait = min(_FIRST_RETRY * 2 ** min(attempts - 1, 20), _LONGEST_RETRY)
    return wait * random.uniform(0.8, 1.2)


def _due_at(table: Queued) -> Any:
    return Job.run_at if table is Job else OutboxMessage.available_at


def _report(session: Session, table: Queued, claim: Claim, values: dict[str, Any]) -> bool:
    result = session.execute(
        update(table)
        .where(table.id == claim.id, table.fence == claim.fence, table.status == "waiting")
        .values(**values)
        .returning(table.id)
        .execution_options(synchronize_session=False)
    )
    return result.first() is not None
