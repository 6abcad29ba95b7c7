"""The daily digest: each morning an account executive reads what waits at their customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.permissions import StaffRole
from portal.models import Person, StaffMember
from portal.queries.bank_statements import Reader
from portal.queries.desk_queue import RequestRow, count_queue, list_waiting_requests
from portal.services.outbox import enqueue_mail

__all__ = ["FROM_HOUR", "send_digests"]

FROM_HOUR = 7
"""The vendor's local hour from which the digest of a day is written."""

_LISTED = 10


def send_digests(session: Session, *, catalogue: Catalogue, now: datetime) -> int:
    """Write today's digests that were not written yet; how many there were.

    Whoever has nothing waiting gets none. Three statements an account executive: they are few.
    """
    local = now.astimezone(ZoneInfo(catalogue.vendor.time_zone))
    if local.hour < FROM_HOUR:
        return 0
    today, connection, written = local.date(), session.connection(), 0
    executives = session.execute(
        select(StaffMember.id, Person.id, Person.name, Person.email, Person.locale)
        .join(Person, Person.id == StaffMember.person_id)
        .where(StaffMember.role == StaffRole.ACCOUNT_EXECUTIVE.value, StaffMember.active)
        .order_by(StaffMember.id)
    ).all()
    for staff_id, person_id, name, email, locale in executives:
        counts = count_queue(connection, Reader(person_id, staff_id), today)
        if not (counts.requests or counts.overdue or counts.tasks or counts.entries):
            continue
        waiting = list_waiting_requests(
            connection, staff_id, today, catalogue.policy.change_notice_days, limit=_LISTED
        )
        mail = enqueue_mail(
            session, "desk_digest", recipient=email, locale=locale, now=now,
            dedupe_key=f"desk_digest:{staff_id}:{today.isoformat()}",
            payload={
                "name": name, "on": today.isoformat(), "requests": counts.requests,
                "overdue": counts.overdue, "tasks": counts.tasks, "entries": counts.entries,
                "lines": [
                    {"account_name": one.account_name, "kind": one.kind,
                     "quantity": one.quantity or 0, "days": (now - one.sent_at).days,
                     **_at_stake(one)}
                    for one in waiting
                ],
            },
        )  # fmt: skip
        written += mail is not None
    session.flush()
    return written


def _at_stake(row: RequestRow) -> dict[str, Any]:
    """The renewal that is near, or was missed, for a request that was sent in time for it (S4)."""
    if row.at_stake is None:
        return {}
    return {"renewal_on": row.at_stake.on.isoformat(), "missed": row.at_stake.missed}
