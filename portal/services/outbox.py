"""Writing messages and jobs in the transaction that causes them; jobs deliver them later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import DeskTask, Job, OutboxMessage

__all__ = ["enqueue_job", "enqueue_mail", "open_desk_task", "request_entitlement"]


def enqueue_mail(
    session: Session,
    topic: str,
    *,
    recipient: str,
    locale: str,
    payload: Mapping[str, Any],
    now: datetime,
    account_id: int | None = None,
    dedupe_key: str | None = None,
    available_at: datetime | None = None,
) -> OutboxMessage | None:
    """Write one e-mail of the type `topic` (portal.mail.messages) to be rendered and sent later.

    `payload` is JSON: amounts in minor units, dates in ISO form. Returns None where a message
    with `dedupe_key` was written before.
    """
    if dedupe_key is not None and session.scalar(
        select(OutboxMessage.id).where(OutboxMessage.dedupe_key == dedupe_key)
    ):
        return None
    message = OutboxMessage(
        account_id=account_id,
        kind="mail",
        topic=topic,
        recipient=recipient,
        locale=locale,
        payload=dict(payload),
        dedupe_key=dedupe_key,
        status="waiting",
        created_at=now,
        available_at=available_at or now,
    )
    session.add(message)
    return message


def request_entitlement(
    session: Session, *, account_id: int, subscription_id: int, version: int,
    payload: Mapping[str, Any], now: datetime,
) -> OutboxMessage:  # fmt: skip
    """Write the message that tells the vendor's product what to grant (Q6)."""
    message = OutboxMessage(
        account_id=account_id,
        kind="entitlement",
        topic="entitlement",
        payload=dict(payload),
        dedupe_key=f"entitlement:{subscription_id}:{version}",
        status="waiting",
        created_at=now,
        available_at=now,
    )
    session.add(message)
    return message


def enqueue_job(
    session: Session,
    kind: str,
    payload: Mapping[str, Any],
    *,
    run_at: datetime,
    now: datetime,
    dedupe_key: str | None = None,
) -> Job | None:
    """Write background work (portal.jobs) to run at `run_at`; None where `dedupe_key` was taken."""
    if dedupe_key is not None and session.scalar(
        select(Job.id).where(Job.dedupe_key == dedupe_key)
    ):
        return None
    job = Job(
        kind=kind,
        payload=dict(payload),
        dedupe_key=dedupe_key,
        status="waiting",
        run_at=run_at,
        created_at=now,
    )
    session.add(job)
    return job


def open_desk_task(
    session: Session, kind: str, *, dedupe_key: str, details: Mapping[str, Any],
    now: datetime, account_id: int | None = None, again: bool = False,
) -> None:  # fmt: skip
    """Put something before the vendor's staff, once for `dedupe_key`.

    With `again` one that was done is open once more: what it is about has come back.
    """
    task = session.scalars(select(DeskTask).where(DeskTask.dedupe_key == dedupe_key)).one_or_none()
    if task is None:
        session.add(
            DeskTask(account_id=account_id, kind=kind, dedupe_key=dedupe_key,
                     details=dict(details), created_at=now)
        )  # fmt: skip
    elif again and task.done_at is not None:
        task.details, task.created_at = dict(details), now
        task.done_at = task.done_by_id = None
