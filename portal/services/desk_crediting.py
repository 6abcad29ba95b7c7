"""Credit notes that the vendor's people issue: shown first, and issued as they were shown (I2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.crediting import CreditPlan, TakeBack
from portal.domain.errors import DomainError
from portal.domain.orders import OrderStatus
from portal.models import CreditNote, Invoice, Order
from portal.services.audit import Actor
from portal.services.credit_taking import preview_take_back, take_back
from portal.services.crediting import credit_invoice, preview_credit
from portal.services.dunning import money_came
from portal.services.locks import lock_account
from portal.services.renewals import renew_due_of_account
from portal.services.transfer_orders import order_paid

__all__ = ["credit_key", "issue_credit", "plan_desk_credit", "plan_desk_take_back"]


def plan_desk_credit(
    session: Session, account_id: int, number: str, amounts: Mapping[int, int] | None
) -> CreditPlan:
    """What would be issued for `amounts` (net minor units by line), or for all that is left.

    DomainError as `credit_invoice`, `invoice_unknown`, and `credit_of_order` where all of an
    order's invoice would be credited whose transfer is awaited: such an order is withdrawn.
    """
    invoice = _invoice(session, account_id, number)
    plan = preview_credit(session, invoice, amounts)
    if plan.completes and invoice.order_id is not None:
        order = session.get_one(Order, invoice.order_id, populate_existing=True)
        if order.status == OrderStatus.INVOICED:
            raise DomainError("credit_of_order", order=order.number)
    return plan


def plan_desk_take_back(
    session: Session, account_id: int, number: str, plan: CreditPlan
) -> TakeBack:
    """What the planned note means for the credits of a pack that the invoice sold."""
    return preview_take_back(session, _invoice(session, account_id, number), plan.nets)


def credit_key(plan: CreditPlan) -> str:
    """What was shown; what is issued has the same. What is left keeps a second click from issuing."""
    nets = ",".join(f"{line}={net.minor}" for line, net in sorted(plan.nets.items()))
    return f"{nets}:{plan.totals.gross.minor}:{plan.owed.minor}:{plan.left.minor}"


def issue_credit(
    session: Session,
    account_id: int,
    number: str,
    amounts: Mapping[int, int] | None,
    *,
    shown: str,
    reason: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    credits_back: int = 0,
) -> CreditNote:
    """Issue the note; what it settles ends its reminders. DomainError `credit_changed`, as above.

    The credits of a pack stay, unless the `credits_back` that were shown are taken back.
    """
    account = lock_account(session, account_id)
    # As where money is booked: what lapses at a renewal that is due is not granted by a credit.
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    session.flush()
    plan = plan_desk_credit(session, account_id, number, amounts)
    if credit_key(plan) != shown:
        raise DomainError("credit_changed")
    invoice = _invoice(session, account_id, number)
    if credits_back:
        take_back(session, invoice, plan.nets, credits_back, actor=actor, now=now)
    note = credit_invoice(session, invoice, reason=reason, amounts=amounts, catalogue=catalogue,
                          actor=actor, now=now)  # fmt: skip
    order_paid(session, invoice, catalogue=catalogue, now=now)
    money_came(session, account, invoice, catalogue=catalogue, now=now)
    session.flush()
    return note


def _invoice(session: Session, account_id: int, number: str) -> Invoice:
    invoice = session.scalars(
        select(Invoice)
        .where(Invoice.account_id == account_id, Invoice.number == number)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if invoice is None:
        raise DomainError("invoice_unknown")
    return invoice
