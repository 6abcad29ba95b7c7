"""Closing what is owed when its subscription ends: there is no further invoice (M5)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import among
from portal.domain.catalogue import Catalogue
from portal.domain.dunning import DunningMail
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.models import Account, BillingPeriod, DunningCase, Invoice
from portal.services.audit import SYSTEM, record
from portal.services.crediting import credit_invoice
from portal.services.dunning_mails import tell_of_case
from portal.services.outbox import open_desk_task
from portal.services.suspension import list_subscriptions_of

__all__ = ["close_ended_cases", "credit_ahead"]

_ENDS = "renewal_ends"  # a code of portal.documents.credit_note_words


def close_ended_cases(session: Session, account_ids: Collection[int], *, now: datetime) -> None:
    """Close the cases of these accounts whose subscriptions have all ended; what is owed stays so.

    The accounts are locked, and the ends are written.
    """
    if not account_ids:
        return
    session.flush()
    rows = session.execute(
        select(DunningCase, Invoice, Account)
        .join(Invoice, Invoice.id == DunningCase.invoice_id)
        .join(Account, Account.id == DunningCase.account_id)
        .where(among(DunningCase.account_id, ids=list(account_ids)), DunningCase.status == "open")
        .order_by(DunningCase.id)
        .execution_options(populate_existing=True)
    ).all()
    for case, invoice, account in rows:
        subscriptions = list_subscriptions_of(session, invoice)
        if not subscriptions or any(one.status != "ended" for one in subscriptions):
            continue
        today = local_date(now, account.time_zone)
        case.status, case.closed_at, case.next_on = "ended", now, None
        case.suspended_at = None
        record(session, "dunning_ended", actor=SYSTEM, now=now, account_id=account.id,
               subject=invoice.number)  # fmt: skip
        tell_of_case(
            session, account, case, invoice, DunningMail.ENDED, today=today, now=now,
            ends_on=max((one.ended_on for one in subscriptions if one.ended_on), default=today),
        )  # fmt: skip
    session.flush()


def credit_ahead(
    session: Session, period_ids: Collection[int], *, catalogue: Catalogue, now: datetime
) -> None:
    """Credit the invoices of periods that were invoiced ahead and never come (I2, I3)."""
    if not period_ids:
        return
    session.flush()
    invoices = session.scalars(
        select(Invoice)
        .join(BillingPeriod, BillingPeriod.renewal_invoice_id == Invoice.id)
        .where(
            among(BillingPeriod.id, ids=list(period_ids)),
            Invoice.credited_minor < Invoice.gross_minor,
        )
        .order_by(Invoice.id)
    ).all()
    for invoice in invoices:
        try:
            credit_invoice(
                session, invoice, reason=_ENDS, catalogue=catalogue, actor=SYSTEM, now=now
            )
        except DomainError:  # a payment of it is on its way
            open_desk_task(session, "renewal_differs", account_id=invoice.account_id, now=now,
                           dedupe_key=f"invoiced_ahead:{invoice.id}",
                           details={"invoice": invoice.number})  # fmt: skip
    session.flush()
