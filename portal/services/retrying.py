"""Trying work again that was given up: a job, or a message that could not be delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from portal.models import DeskTask, Job, OutboxMessage
from portal.services.audit import Actor, record

__all__ = ["retry_job", "retry_message"]


def retry_job(session: Session, job_id: int, *, actor: Actor, now: datetime) -> bool:
    """Let the worker take the job up at once, as often as a new one; False where it is not failed."""
    if not _wait_again(session, Job, job_id, {"run_at": now}):
        return False
    _task_done(session, f"job_failed:{job_id}", actor, now)
    record(session, "job_retried", actor=actor, now=now, account_id=None, subject=str(job_id))
    return True


def retry_message(session: Session, message_id: int, *, actor: Actor, now: datetime) -> bool:
    """Deliver the message once more; False where it is not failed (somebody was first)."""
    if not _wait_again(session, OutboxMessage, message_id, {"available_at": now}):
        return False
    _task_done(session, f"message_failed:{message_id}", actor, now)
    record(session, "message_retried", actor=actor, now=now, account_id=None,
           subject=str(message_id))  # fmt: skip
    return True


def _wait_again(
    session: Session, table: type[Job] | type[OutboxMessage], key: int, due: dict[str, datetime]
) -> bool:
    found = session.execute(
        update(table)
        .where(table.id == key, table.status == "failed")
        .values(status="waiting", attempts=0, leased_until=None, **due)
        .execution_options(synchronize_session=False)
    )
    return int(cast("CursorResult[Any]", found).rowcount) == 1


def _task_done(session: Session, dedupe_key: str, actor: Actor, now: datetime) -> None:
    session.execute(
        update(DeskTask)
        .where(DeskTask.dedupe_key == dedupe_key, DeskTask.done_at.is_(None))
        .values(done_at=now, done_by_id=actor.person_id)
        .execution_options(synchronize_session=False)
    )
