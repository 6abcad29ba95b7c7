"""Telling both sides that a transfer was booked: who gets the invoices, and the account executive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.money import Money
from portal.domain.transfers import TransferPlan
from portal.models import Account, Invoice, Payment, Person, StaffMember
from portal.services.audit import Actor
from portal.services.outbox import enqueue_mail

__all__ = ["tell_of_payout", "tell_of_transfer"]


def tell_of_transfer(
    session: Session,
    account: Account,
    invoice: Invoice | None,
    payment: Payment,
    plan: TransferPlan,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """What arrived and what it did; the receipt of an order that it paid to the cent says it all."""
    payload = {
        "account_id": account.id,
        "account_name": account.name,
        "amount_minor": plan.amount.minor,
        "currency": plan.amount.currency,
        "left_minor": plan.left.minor,
        "balance_minor": plan.to_balance.minor,
    }
    if invoice is not None:
        payload["invoice_number"] = invoice.number
    key = f"transfer_received:{payment.id}"
    has_receipt = (
        invoice is not None
        and invoice.order_id is not None
        and plan.settles
        and plan.to_balance.is_zero
    )
    if not has_receipt:
        for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
            enqueue_mail(session, "transfer_received", recipient=recipient, locale=account.locale,
                         payload=payload, now=now, account_id=account.id,
                         dedupe_key=f"{key}:{recipient}")  # fmt: skip
    executive = session.execute(
        select(Person.id, Person.email, Person.locale)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(StaffMember.id == account.account_executive_id, StaffMember.active)
    ).first()
    if executive is not None and executive.id != actor.person_id:
        enqueue_mail(session, "transfer_booked", recipient=executive.email,
                     locale=executive.locale, payload={**payload, "booked_by": actor.name}, now=now,
                     account_id=account.id, dedupe_key=f"transfer_booked:{payment.id}")  # fmt: skip


def tell_of_payout(
    session: Session, account: Account, entry_id: int, amount: Money, left: Money, now: datetime
) -> None:
    """Money of the balance is on its way to the customer's bank."""
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, "balance_paid_back", recipient=recipient, locale=account.locale,
                     payload={"account_name": account.name, "amount_minor": amount.minor,
                              "currency": amount.currency, "left_minor": left.minor},
                     now=now, account_id=account.id,
                     dedupe_key=f"balance_paid_back:{entry_id}:{recipient}")  # fmt: skip
