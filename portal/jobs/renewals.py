"""The job that carries subscriptions from period to period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.renewals import DueSubscription, list_due, park, renew_subscription

__all__ = ["run_renewals"]

_BATCH = 200
log = structlog.get_logger(__name__)


@register("renewals", every=timedelta(minutes=10))
def run_renewals(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Renew and invoice everything due; one that fails is parked and the others go on."""
    after = 0
    while True:
        with transaction() as session:
            due = list_due(
                session,
                notice_days=parts.catalogue.policy.change_notice_days,
                now=now,
                after=after,
                limit=_BATCH,
            )
        if not due:
            return
        for one in due:
            _renew(parts, one, now)
        after = due[-1].subscription_id


def _renew(parts: Parts, one: DueSubscription, now: datetime) -> None:
    try:
        with transaction() as session:
            renew_subscription(
                session,
                one.account_id,
                one.subscription_id,
                catalogue=parts.catalogue,
                now=now,
            )
    except Exception as error:  # whatever is wrong with one must not keep the others waiting
        log.exception("renewal_parked", subscription=one.subscription_id)
        with transaction() as session:
            park(session, one.account_id, one.subscription_id, error, now=now)
