"""The job of the account executives' daily digest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from portal.jobs.registry import register_transactional
from portal.parts import Parts
from portal.services.desk_digest import send_digests

__all__ = ["write_digests"]


@register_transactional("desk_digests", every=timedelta(hours=1))
def write_digests(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """Write the digests of this morning, once each."""
    send_digests(session, catalogue=parts.catalogue, now=now)
