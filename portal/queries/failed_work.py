"""Work that was given up: what operators look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Account, Job, OutboxMessage

__all__ = ["FailedWork", "list_failed_jobs", "list_failed_messages"]


@dataclass(frozen=True, slots=True)
class FailedWork:
    """A job or a message that was given up; `what` is its code, `error` the last one."""

    id: int
    what: str
    created_at: datetime
    attempts: int
    error: str
    recipient: str
    account_id: int | None
    account_name: str | None


# Written out, so that both databases see that the partial indexes of what failed hold them.
_JOBS: Any = (
    select(Job.id, Job.kind, Job.created_at, Job.attempts, Job.last_error)
    .where(text("job.status = 'failed'"), Job.id < bindparam("before"))
    .order_by(Job.id.desc())
    .limit(bindparam("limit"))
)
_MESSAGES: Any = (
    select(
        OutboxMessage.id,
        OutboxMessage.topic,
        OutboxMessage.created_at,
        OutboxMessage.attempts,
        OutboxMessage.last_error,
        OutboxMessage.recipient,
        Account.id,
        Account.name,
    )
    .outerjoin(Account, Account.id == OutboxMessage.account_id)
    .where(text("outbox_message.status = 'failed'"), OutboxMessage.id < bindparam("before"))
    .order_by(OutboxMessage.id.desc())
    .limit(bindparam("limit"))
)
_BEYOND = 2**62


def list_failed_jobs(
    connection: Connection, *, limit: int, before: int | None = None
) -> list[FailedWork]:
    """Jobs that were given up, the latest first, older than the one of id `before`."""
    rows = fetch_all(connection, _JOBS, limit=limit, before=before or _BEYOND)
    return [FailedWork(*(*row, "", None, None)) for row in rows]


def list_failed_messages(
    connection: Connection, *, limit: int, before: int | None = None
) -> list[FailedWork]:
    """Mails and webhooks that were given up, the latest first."""
    rows = fetch_all(connection, _MESSAGES, limit=limit, before=before or _BEYOND)
    return [FailedWork(*row) for row in rows]
