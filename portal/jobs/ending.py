"""The job that reminds of the end of a cancelled subscription: download the data before (C3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.jobs.registry import register_transactional
from portal.parts import Parts
from portal.services.ending_reminders import send_ending_reminders

__all__ = ["remind_of_ends"]


@register_transactional("ending_reminders", every=timedelta(hours=1))
def remind_of_ends(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """Write to the admins of every account of which a subscription ends in a week."""
    send_ending_reminders(session, catalogue=parts.catalogue, now=now)
