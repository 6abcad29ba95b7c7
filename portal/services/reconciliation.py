"""The nightly reconciliation: the provider's charges are the truth, and ours are brought to it.

What can be healed safely is: an outcome that we have not taken, also that of a dispute, and a refund
whose answer was lost. Everything else is put before the desk, once a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import Transaction, is_database_away
from portal.domain.catalogue import Catalogue
from portal.models import PaymentAttempt, Refund
from portal.payments.gateway import Gateway, GatewayRefused, GatewayUnknown, Patience
from portal.queries.ledger import REPORTED
from portal.services.charge_comparison import ChargeDifference, compare_charges
from portal.services.disputes import look_after_disputes, read_disputes_of
from portal.services.ledger_check import Reading
from portal.services.outbox import open_desk_task
from portal.services.payment_settlement import settle_charge
from portal.services.refunding import make_refund

__all__ = ["REVERSIBLE", "Reconciled", "reconcile", "window_of"]

REVERSIBLE = timedelta(days=70)
"""A debit may be taken back for eight weeks without a reason; with some days to hear of it."""

_BACK = timedelta(days=2)
"""Yesterday, and the night that the job did not run."""
_OLDEST = timedelta(days=90)
_DISPUTES_BACK = timedelta(days=29)
"""As far back as the provider lists them: news that were lost are found for a month."""
_HEALED_BY_OUTCOME = {"charge_not_settled", "charge_state"}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many differences there were: healed, and put before the desk (now or before)."""

    healed: int
    reported: int


def window_of(session: Session, now: datetime) -> datetime:
    """From when on the charges are compared: yesterday, and since the oldest that is unsettled."""
    attempts = select(func.min(PaymentAttempt.created_at)).where(
        PaymentAttempt.settled_at.is_(None)
    )
    refunds = (
        select(func.min(PaymentAttempt.created_at))
        .join(Refund, Refund.payment_id == PaymentAttempt.payment_id)
        .where(Refund.settled_at.is_(None))
    )
    oldest = [session.scalar(attempts), session.scalar(refunds), now - _BACK]
    earliest = min(each for each in oldest if each is not None) - timedelta(hours=1)
    return max(earliest, now - _OLDEST)


def reconcile(
    transaction: Transaction,
    reading: Reading,
    gateway: Gateway,
    since: datetime,
    *,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> Reconciled:
    """Compare the charges made since then, heal what can be healed, and report the rest.

    One that cannot be healed does not stop the others. GatewayUnknown where the provider's books,
    or those of a single charge, could not be read: the job runs again.
    """
    until = now()
    try:
        look_after_disputes(
            transaction, gateway, until - _DISPUTES_BACK, catalogue=catalogue, now=now
        )
    except GatewayRefused as refused:  # a key that may not list them: the charges are compared
        log.error("disputes_not_read", code=refused.code)
    found = list(compare_charges(reading, gateway, since, until))
    if not found:
        return Reconciled(0, 0)
    unread: dict[tuple[str, str, int | None], GatewayUnknown] = {}
    for difference in found:
        try:
            _heal(transaction, gateway, difference, catalogue, now)
        except GatewayUnknown as unknown:  # no difference yet: it was not answered
            unread[_name(difference)] = unknown
        except Exception as error:
            if is_database_away(error):
                raise
            log.exception("charge_not_healed", charge=difference.ref, code=difference.code)
    left = [
        each
        for each in compare_charges(reading, gateway, since, until)
        if _name(each) not in unread
    ]  # fmt: skip
    with transaction() as session:
        for difference in left:
            _report(session, difference, now())
    if unread:
        raise next(iter(unread.values()))
    return Reconciled(max(len(found) - len(left), 0), len(left))


def _name(difference: ChargeDifference) -> tuple[str, str, int | None]:
    return difference.code, difference.ref, difference.payment_id


def _heal(
    transaction: Transaction,
    gateway: Gateway,
    difference: ChargeDifference,
    catalogue: Catalogue,
    now: Callable[[], datetime],
) -> None:
    attempt_id = difference.attempt_id
    if difference.code in _HEALED_BY_OUTCOME and attempt_id is not None:
        try:
            outcome = gateway.get_charge(difference.ref, Patience.BACKGROUND)
        except GatewayRefused:
            return
        with transaction() as session:
            settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    elif difference.code == "charge_disputed" and difference.payment_id is not None:
        read_disputes_of(
            transaction, gateway, difference.payment_id, catalogue=catalogue, now=now
        )  # fmt: skip
    elif difference.code == "charge_refunded" and difference.payment_id is not None:
        with transaction() as session:
            waiting = session.scalars(
                select(Refund.id).where(
                    Refund.payment_id == difference.payment_id, Refund.settled_at.is_(None)
                )
            ).all()
        for refund_id in waiting:
            make_refund(transaction, gateway, refund_id, patience=Patience.BACKGROUND, now=now)


def _report(session: Session, difference: ChargeDifference, now: datetime) -> None:
    open_desk_task(
        session,
        REPORTED,
        dedupe_key=f"reconciliation:{difference.code}:{difference.ref or difference.payment_id}",
        details={
            "code": difference.code,
            "ref": difference.ref,
            "attempt_id": difference.attempt_id,
            "payment_id": difference.payment_id,
            "ours_minor": difference.ours_minor,
            "theirs_minor": difference.theirs_minor,
            "currency": difference.currency,
        },
        now=now,
        account_id=difference.account_id,
    )
    session.flush()
