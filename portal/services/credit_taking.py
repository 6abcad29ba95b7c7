"""Credits of a pack whose invoice is credited: they stay, or what is left of them is taken back (W2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.crediting import PackLine, TakeBack, plan_take_back
from portal.domain.errors import DomainError
from portal.domain.money import Money, total
from portal.models import CreditEntry, CreditNote, Invoice, InvoiceLine, OrderLine, TopUp, Wallet
from portal.services.audit import Actor, record
from portal.services.wallet_entries import debit_by_hand, wallet_of

__all__ = ["preview_take_back", "take_back"]


def preview_take_back(session: Session, invoice: Invoice, nets: Mapping[int, Money]) -> TakeBack:
    """The credits that a note of `nets` (by line) stands for, and what is left of them to take."""
    balance = session.scalar(select(Wallet.balance).where(Wallet.account_id == invoice.account_id))
    return plan_take_back(_packs(session, invoice, nets), balance or 0)


def take_back(
    session: Session, invoice: Invoice, nets: Mapping[int, Money], amount: int, *, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Take the `amount` of credits that was shown out of the wallet, before the note is issued.

    The account is locked by the caller. DomainError `credit_changed` where others are left by now.
    """
    wallet = wallet_of(session, invoice.account_id)
    plan = plan_take_back(_packs(session, invoice, nets), wallet.balance)
    if plan.left != amount:
        raise DomainError("credit_changed")
    debit_by_hand(session, wallet, amount, actor_id=actor.person_id, note=invoice.number, now=now)
    record(session, "credits_taken_back", actor=actor, now=now, account_id=invoice.account_id,
           subject=invoice.number, new={"credits": amount})  # fmt: skip


def _packs(session: Session, invoice: Invoice, nets: Mapping[int, Money]) -> list[PackLine]:
    """The lines of the invoice that brought credits, by the entries that they made."""
    arrived = _arrived(session, invoice)
    if not arrived:
        return []
    lines = session.execute(
        select(InvoiceLine.position, InvoiceLine.net_minor).where(
            InvoiceLine.invoice_id == invoice.id
        )
    )
    notes = session.scalars(
        select(CreditNote.lines).where(CreditNote.invoice_id == invoice.id)
    ).all()
    zero = Money.zero(invoice.currency)
    return [
        PackLine(
            credits=arrived[position],
            net=Money(net, invoice.currency),
            before=total(
                (Money(line["net_minor"], invoice.currency) for note in notes for line in note
                 if line["position"] == position),
                invoice.currency,
            ),
            now=nets.get(position, zero),
        )
        for position, net in lines
        if position in arrived
    ]  # fmt: skip


def _arrived(session: Session, invoice: Invoice) -> dict[int, int]:
    """The credits that arrived, by the invoice's line; a top-up has one line."""
    if invoice.order_id is None:
        of_top_up = (
            select(CreditEntry.change)
            .join(TopUp, TopUp.id == CreditEntry.top_up_id)
            .where(TopUp.invoice_id == invoice.id)
        )
        return dict(enumerate(session.scalars(of_top_up), start=1))
    # An invoice's lines are those of its order, in their order (portal.services.invoicing).
    of_order = (
        select(OrderLine.id, CreditEntry.change)
        .outerjoin(CreditEntry, CreditEntry.order_line_id == OrderLine.id)
        .where(OrderLine.order_id == invoice.order_id)
        .order_by(OrderLine.position)
    )
    rows = enumerate(session.execute(of_order), start=1)
    return {position: change for position, (_line, change) in rows if change is not None}
