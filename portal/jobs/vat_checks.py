"""The jobs that ask whether VAT numbers exist; no page ever waits for the answer (I4).

The register is asked between two transactions. A number that it cannot tell about stays as it
is: the first question is repeated with the queue's back-off and ends before the desk, where an
operator may confirm the number; what was asked again in passing is left to another day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.jobs.registry import register, register_transactional
from portal.parts import Parts
from portal.services.vat_checking import (
    CHECK_JOB,
    enqueue_rechecks,
    get_number_to_check,
    record_vat_answer,
)
from portal.vat.register import VatRegisterUnavailable

__all__ = ["check_number", "recheck_numbers"]

_BATCH = 50
log = structlog.get_logger(__name__)


@register(CHECK_JOB)
def check_number(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Ask the register about one account's number and write the answer down."""
    if not parts.vat_register.is_on:
        return  # the number stays unchecked; `flask vat confirm` is the way
    with transaction() as session:
        asked = get_number_to_check(session, int(payload["account_id"]), str(payload["number"]))
    if asked is None:
        return
    try:
        found = parts.vat_register.is_registered(asked.number)
    except VatRegisterUnavailable as error:
        if not payload.get("again"):
            raise
        log.info("vat_number_not_checked", account=asked.account_id, reason=str(error))
        return
    with transaction() as session:
        record_vat_answer(session, asked, found, now=now)


@register_transactional("recheck_vat_numbers", every=timedelta(hours=1))
def recheck_numbers(
    session: Session, parts: Parts, payload: Mapping[str, Any], now: datetime
) -> None:
    """Have old confirmations renewed before a renewal uses them, and open questions asked again."""
    if parts.vat_register.is_on:
        enqueue_rechecks(
            session,
            seller_country=parts.catalogue.vendor.address.country,
            notice_days=parts.catalogue.policy.change_notice_days,
            now=now,
            limit=_BATCH,
        )
