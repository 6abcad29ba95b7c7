"""The nightly reconciliation: the provider's charges are the truth, and ours are brought to it.

What can be healed safely is: an outcome that we have not taken, and a refund whose answer was
lost. Everything else is put before the desk, once a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.models import PaymentAttempt, Refund
from portal.payments.gateway import Gateway, GatewayRefused, Patience
from portal.queries.ledger import REPORTED
from portal.services.charge_comparison import ChargeDifference, compare_charges
from portal.services.ledger_check import Reading
from portal.services.outbox import open_desk_task
from portal.services.payment_settlement import settle_charge
from portal.services.refunding import make_refund

__all__ = ["Reconciled", "reconcile", "window_of"]

_BACK = timedelta(days=2)
"""Yesterday, and the night that the job did not run."""
_OLDEST = timedelta(days=90)
_HEALED_BY_OUTCOME = {"charge_not_settled", "charge_state"}


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

    GatewayUnknown where the provider's books cannot be read: the job runs again.
    """
    until = now()
    found = list(compare_charges(reading, gateway, since, until))
    for difference in found:
        _heal(transaction, gateway, difference, catalogue, now)
    if not found:
        return Reconciled(0, 0)
    left = list(compare_charges(reading, gateway, since, until))
    with transaction() as session:
        for difference in left:
            _report(session, difference, now())
    return Reconciled(max(len(found) - len(left), 0), len(left))


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
