"""Closing the case of an invoice that needs no money any more: paid, or credited (M5)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.dunning import DunningMail
from portal.domain.periods import local_date
from portal.models import Account, DunningCase, Invoice, Payment, PaymentAttempt
from portal.services.audit import SYSTEM, record
from portal.services.dunning_mails import tell_of_case
from portal.services.outbox import enqueue_job
from portal.services.suspension import restore_access

__all__ = ["close_case", "get_case"]


def get_case(session: Session, invoice: Invoice) -> DunningCase | None:
    """The case of an invoice, locked, whatever its status."""
    session.flush()
    return session.scalars(
        select(DunningCase)
        .where(DunningCase.invoice_id == invoice.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def close_case(
    session: Session, account: Account, invoice: Invoice, *, catalogue: Catalogue, now: datetime
) -> bool:
    """Close the case of an invoice that is neither open nor pending; whether access came back.

    Access is back at once; renewals that were due meanwhile are the caller's, or their job's. What
    the provider may still collect for the invoice is cancelled there, case or no case. The account
    is locked.
    """
    if invoice.status in ("open", "pending"):
        return False
    _cancel_charges(session, invoice, now)
    case = get_case(session, invoice)
    if case is None or case.status != "open":
        return False
    was_suspended = case.suspended_at is not None
    restored = restore_access(session, account, case, invoice, catalogue=catalogue, now=now)
    case.status, case.closed_at, case.next_on = "recovered", now, None
    record(session, "dunning_recovered", actor=SYSTEM, now=now, account_id=account.id,
           subject=invoice.number)  # fmt: skip
    if case.told_on is not None and (was_suspended or invoice.status == "paid"):
        tell_of_case(session, account, case, invoice, DunningMail.RECOVERED,
                     today=local_date(now, account.time_zone), now=now)  # fmt: skip
    session.flush()
    return bool(restored)


def _cancel_charges(session: Session, invoice: Invoice, now: datetime) -> None:
    """Paid elsewhere, or credited: the provider must not collect it as well.

    Also what waits for the customer to confirm it, or for its next try. What the provider may not
    have heard of yet has no `gateway_ref`: whoever is to collect it finds the invoice paid.
    """
    left = session.scalars(
        select(Payment.id)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
        .where(
            Payment.invoice_id == invoice.id,
            Payment.status.in_(("failed", "unresolved")),
            PaymentAttempt.gateway_ref.is_not(None),
        )
        .distinct()
    )
    for payment_id in left:
        enqueue_job(session, "cancel_charge", {"payment_id": payment_id}, run_at=now, now=now,
                    dedupe_key=f"cancel_charge:{payment_id}")  # fmt: skip
