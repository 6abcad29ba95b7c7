"""The job that carries subscriptions from period to period; many workers may run it at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from portal.db import is_database_away, reading, transaction
from portal.domain.errors import DomainError
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.locks import lock_accounts
from portal.services.renewals import (
    START,
    BatchResult,
    Due,
    Place,
    list_due,
    park,
    renew_batch,
)
from portal.services.surplus_freeing import free_surplus, list_surplus

__all__ = ["BATCH", "run_renewals"]

BATCH = 500
"""Subscriptions a transaction: larger ones are no quicker, and take more memory and longer locks."""
_AHEAD = 4
"""Batches that are looked up at once."""
log = logging.getLogger(__name__)


@register("renewals", every=timedelta(minutes=10))
def run_renewals(
    parts: Parts, payload: Mapping[str, Any], now: datetime, *, batch: int = BATCH
) -> None:
    """Renew and invoice everything due, then free the surplus of the days that are over (S6).

    A late worker catches up one period a round. What another worker holds is passed over, and
    waited for in the last round, so that nothing is left to the next run.
    """
    while True:
        done, skipped = _round(parts, now, batch, wait=False)
        if not done:
            break
    if skipped:
        while _round(parts, now, batch, wait=True)[0]:
            pass
    _free(parts, now, batch)


def _round(parts: Parts, now: datetime, batch: int, *, wait: bool) -> tuple[int, int]:
    """One step of each that is due; how many were done, and how many others hold."""
    done = skipped = 0
    place: Place | None = START
    while place is not None:
        with reading() as connection:
            due, place = list_due(
                connection,
                notice_days=parts.catalogue.policy.change_notice_days,
                now=now,
                after=place,
                limit=batch * _AHEAD,
            )
        for first in range(0, len(due), batch):
            result = _renew(parts, due[first : first + batch], now, wait=wait)
            done, skipped = done + result.done, skipped + result.skipped
    return done, skipped


def _renew(parts: Parts, due: Sequence[Due], now: datetime, *, wait: bool) -> BatchResult:
    try:
        with transaction() as session:
            result = renew_batch(session, due, catalogue=parts.catalogue, now=now, wait=wait)
    except Exception as error:
        if is_database_away(error):
            raise
        if len(due) > 1:
            log.exception("a batch of %d renewals could not be written", len(due))
            return _one_by_one(parts, due, now, wait=wait)
        _log_parked(due[0], error)
        with transaction() as session:
            park(session, due[0].account_id, due[0].subscription_id, error, now=now)
        return BatchResult(0, 0, ((due[0], error),))
    for one, found in result.parked:
        _log_parked(one, found)
    return result


def _one_by_one(parts: Parts, due: Sequence[Due], now: datetime, *, wait: bool) -> BatchResult:
    """The batch could not be written: only the one at fault is put aside."""
    results = [_renew(parts, [one], now, wait=wait) for one in due]
    return BatchResult(
        sum(result.done for result in results),
        sum(result.skipped for result in results),
        tuple(parked for result in results for parked in result.parked),
    )


def _log_parked(one: Due, error: Exception) -> None:
    # A rule that says no speaks for itself; anything else is ours to be mended.
    mistake = None if isinstance(error, DomainError) else error
    log.error(
        "renewal of subscription %d parked: %s: %s", one.subscription_id, type(error).__name__,
        error, exc_info=mistake,
    )  # fmt: skip


def _free(parts: Parts, now: datetime, batch: int) -> None:
    after: int | None = 0
    while after is not None:
        with transaction() as session:
            found, after = list_surplus(session, now=now, after=after, limit=batch)
            if found:
                ours = lock_accounts(session, {account_id for account_id, _ in found}, wait=True)
                free_surplus(session, [one for account, one in found if account in ours], now=now)
