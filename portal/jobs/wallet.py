"""The jobs that fill wallets up (W3): at once where a debit asks, and what time or the customer brings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from portal.db import is_database_away, reading, transaction
from portal.jobs.registry import register, register_transactional
from portal.parts import Parts
from portal.services.auto_top_up import list_wanting, start_top_up
from portal.services.outbox import open_desk_task

__all__ = ["look_after_wallet", "look_after_wallets"]

_BATCH = 200
log = structlog.get_logger(__name__)


@register_transactional("auto_top_up")
def look_after_wallet(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """A debit found too few credits: buy a pack where that is wanted and allowed."""
    start_top_up(
        session, int(payload["account_id"]), needed=int(payload.get("needed", 0)),
        catalogue=parts.catalogue, now=now,
    )  # fmt: skip


@register("auto_top_ups", every=timedelta(minutes=15))
def look_after_wallets(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """The wallets below their threshold: a wait is over, a month begins, a method was saved."""
    after = 0
    while True:
        with reading() as connection:
            found = list_wanting(connection, now=now, after=after, limit=_BATCH)
        if not found:
            return
        for _wallet_id, account_id in found:
            _look_after(parts, account_id, now)
        after = found[-1][0]


def _look_after(parts: Parts, account_id: int, now: datetime) -> None:
    try:
        with transaction() as session:
            start_top_up(session, account_id, catalogue=parts.catalogue, now=now)
    except Exception as error:  # whatever is wrong with one must not keep the others waiting
        if is_database_away(error):
            raise  # the database is away or busy: nobody's wallet is to blame
        log.exception("top_up_stuck", account=account_id)
        with transaction() as session:
            open_desk_task(session, "top_up_stuck", account_id=account_id, now=now,
                           dedupe_key=f"top_up_stuck:{account_id}",
                           details={"error": type(error).__name__})  # fmt: skip
