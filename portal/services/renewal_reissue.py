"""A renewal that was invoiced ahead, and is not any more what was invoiced (P2, I2, I3).

A bank-transfer customer gets the invoice of the coming period when the notice window closes. A
change asked on that very day, or one that is undone since, makes another renewal of it: the
invoice is credited, and the renewal is invoiced anew by the same code that invoices every other.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.renewals import NextPeriod, plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.models import Account, BillingPeriod, CreditNote, Invoice, InvoiceLine, Term
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.crediting import credit_invoice
from portal.services.outbox import open_desk_task
from portal.services.renewals import renew_subscription

__all__ = ["CHANGED", "ENDS", "reissue_renewal"]

ENDS, CHANGED = "renewal_ends", "renewal_changed"
"""Why the invoice was credited: codes of portal.documents.credit_note_words."""


def reissue_renewal(
    session: Session,
    account: Account,
    before: SubscriptionState,
    *,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> CreditNote | None:
    """Bring a renewal invoiced ahead in line with what waits now; the credit note, if one is due.

    `before` is the subscription before the change, which is written and flushed; the account is
    locked. Where the subscription ends at that renewal the period that was to follow is gone;
    otherwise it points to its new invoice (P2). An invoice that is not what was planned before
    either (an order has billed a part of that period since, I3) is left to people.
    """
    following = session.scalars(
        select(BillingPeriod)
        .where(
            BillingPeriod.subscription_id == before.subscription_id,
            ~BillingPeriod.is_current,
            BillingPeriod.closed_at.is_(None),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if following is None:
        return None
    states = list_subscription_states(session.connection(), account.id)
    after = next(s for s in states if s.subscription_id == before.subscription_id)
    planned, renewal = plan_next_period(before), plan_next_period(after)
    if _terms(planned) == _terms(renewal):
        return None
    invoice = (
        session.get(Invoice, following.renewal_invoice_id)
        if following.renewal_invoice_id is not None
        else None
    )
    if not _is_what_was_invoiced(session, planned, following, invoice):
        open_desk_task(session, "renewal_differs", account_id=account.id, now=now,
                       dedupe_key=f"renewal_differs:{following.id}",
                       details={"subscription_id": before.subscription_id,
                                "invoice": invoice.number if invoice else ""})  # fmt: skip
        session.flush()
        return None
    note = None
    if invoice is not None and invoice.credited_minor < invoice.gross_minor:
        note = credit_invoice(
            session,
            invoice,
            reason=ENDS if renewal.ends else CHANGED,
            catalogue=catalogue,
            actor=actor,
            now=now,
        )
    session.delete(following)
    session.flush()
    _drop_unused_terms(session, before.subscription_id)
    if not renewal.ends:
        renew_subscription(
            session, account.id, before.subscription_id, catalogue=catalogue, now=now
        )
    return note


def _terms(renewal: NextPeriod) -> tuple[object, ...]:
    """What an invoice of the renewal would say."""
    return renewal.ends, renewal.after.period, _lines(renewal)


def _lines(renewal: NextPeriod) -> list[tuple[int | None, int, int, int]]:
    return [
        (line.item_id, line.quantity, line.unit_price.minor, line.net.minor)
        for line in renewal.lines
    ]


def _is_what_was_invoiced(
    session: Session, renewal: NextPeriod, following: BillingPeriod, invoice: Invoice | None
) -> bool:
    period = renewal.after.period
    if renewal.ends or period is None:
        return False
    if (period.start, period.end) != (following.starts_on, following.ends_on):
        return False
    lines = session.execute(
        select(
            InvoiceLine.item_id, InvoiceLine.quantity, InvoiceLine.unit_minor, InvoiceLine.net_minor
        )
        .where(InvoiceLine.invoice_id == (invoice.id if invoice is not None else 0))
        .order_by(InvoiceLine.position)
    )
    return [tuple(line) for line in lines] == _lines(renewal)


def _drop_unused_terms(session: Session, subscription_id: int) -> None:
    """A term that the withdrawn period had opened is opened by its successor, or never (P1)."""
    session.execute(
        delete(Term)
        .where(
            Term.subscription_id == subscription_id,
            ~select(BillingPeriod.id).where(BillingPeriod.term_id == Term.id).exists(),
        )
        .execution_options(synchronize_session=False)
    )
