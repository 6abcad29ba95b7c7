"""Who did what, when, with old and new values: one append-only row an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.models import AuditEvent

__all__ = ["SYSTEM", "Actor", "record"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person of the customer, the vendor's staff, the system or the gateway."""

    kind: str
    name: str
    person_id: int | None = None


SYSTEM = Actor("system", "")


def record(
    session: Session,
    action: str,
    *,
    actor: Actor,
    now: datetime,
    account_id: int | None,
    subject: str = "",
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
) -> None:
    """Append an audit event. `action` is a code such as `seats_added`; values are JSON."""
    session.add(
        AuditEvent(
            account_id=account_id,
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.person_id,
            actor_name=actor.name,
            action=action,
            subject=subject,
            old=dict(old) if old is not None else None,
            new=dict(new) if new is not None else None,
        )
    )
