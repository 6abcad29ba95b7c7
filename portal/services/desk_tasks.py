"""Finishing what was put before the vendor's people, and taking that back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.models import DeskTask
from portal.services.audit import Actor

__all__ = ["finish_task", "reopen_task"]


def finish_task(session: Session, task_id: int, *, actor: Actor, now: datetime) -> bool:
    """The task is done, by `actor`; False where somebody was first. DomainError `task_unknown`."""
    task = _task(session, task_id)
    if task.done_at is not None:
        return False
    task.done_at, task.done_by_id = now, actor.person_id
    session.flush()
    return True


def reopen_task(session: Session, task_id: int) -> bool:
    """The task is to be done after all; False where it is open. DomainError `task_unknown`."""
    task = _task(session, task_id)
    if task.done_at is None:
        return False
    task.done_at = task.done_by_id = None
    session.flush()
    return True


def _task(session: Session, task_id: int) -> DeskTask:
    task = session.scalars(
        select(DeskTask).where(DeskTask.id == task_id).with_for_update()
    ).one_or_none()
    if task is None:
        raise DomainError("task_unknown")
    return task
