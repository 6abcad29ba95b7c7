"""Credit notes: the only way an issued invoice is corrected (I2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.crediting import Credited, CreditPlan, InvoicedLine, plan_credit
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.domain.refunds import RefundPlan
from portal.models import Account, CreditNote, Invoice, InvoiceLine, Payment
from portal.services.audit import Actor, record
from portal.services.case_closing import close_case
from portal.services.locks import lock_account
from portal.services.numbering import take_number
from portal.services.outbox import enqueue_mail
from portal.services.refunding import give_back

__all__ = ["credit_invoice", "credit_note_number", "preview_credit"]

_SERIES = "credit_note"


def credit_note_number(prefix: str, year: int, sequence: int) -> str:
    """How a number reads: CN-2026-00012, or KAN-CN-2026-00012; never like an invoice's."""
    number = f"CN-{year}-{sequence:05d}"
    return f"{prefix}-{number}" if prefix else number


def credit_invoice(
    session: Session,
    invoice: Invoice,
    *,
    reason: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    amounts: Mapping[int, int] | None = None,
) -> CreditNote:
    """Issue a credit note for `amounts` (net minor units by line), or for all that is left.

    Takes the account's lock. The note reduces what is still to be paid; what was paid beyond that
    goes back to the original method, else to the account's balance (M6). Where nothing is owed any
    more its case closes with it (M5). `reason` is a code of portal.documents.credit_note_words, or
    text in the invoice's language. DomainError as `plan_credit`, and `invoice_being_collected` while a payment of the
    invoice is on its way: its outcome decides what was paid.
    """
    account = lock_account(session, invoice.account_id)
    session.refresh(invoice)
    if _is_being_collected(session, invoice):
        raise DomainError("invoice_being_collected", number=invoice.number)
    lines = session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()
    plan = _plan(session, invoice, lines, amounts)
    note = _issue(session, invoice, lines, plan, reason, catalogue, actor, now)
    money = _settle(session, invoice, note, plan, now)
    record(session, "credit_note_issued", actor=actor, now=now, account_id=invoice.account_id,
           subject=note.number,
           new={"invoice": invoice.number, "gross_minor": note.gross_minor,
                "currency": note.currency})  # fmt: skip
    _tell(session, account, invoice, note, money, now)
    close_case(session, account, invoice, catalogue=catalogue, now=now)
    session.flush()
    return note


def preview_credit(
    session: Session, invoice: Invoice, amounts: Mapping[int, int] | None = None
) -> CreditPlan:
    """What `credit_invoice` would issue; writes nothing. DomainError as there."""
    if _is_being_collected(session, invoice):
        raise DomainError("invoice_being_collected", number=invoice.number)
    lines = session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()
    return _plan(session, invoice, lines, amounts)


def _is_being_collected(session: Session, invoice: Invoice) -> bool:
    query = select(Payment.id).where(
        Payment.invoice_id == invoice.id, Payment.status.in_(("unresolved", "pending"))
    )
    return invoice.status == "pending" or session.scalars(query).first() is not None


def _plan(
    session: Session,
    invoice: Invoice,
    lines: Any,
    amounts: Mapping[int, int] | None,
) -> CreditPlan:
    def money(minor: int) -> Money:
        return Money(minor, invoice.currency)

    def taxes(groups: Any) -> dict[Decimal, Money]:
        return {Decimal(group["rate"]): money(group["tax_minor"]) for group in groups}

    notes = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).all()
    return plan_credit(
        [InvoicedLine(x.position, money(x.net_minor), Decimal(x.tax_rate)) for x in lines],
        taxes(invoice.tax.get("groups", ())),
        [
            Credited(
                {line["position"]: money(line["net_minor"]) for line in note.lines},
                taxes(note.tax["groups"]),
            )
            for note in notes
        ],
        money(invoice.paid_minor),
        None if amounts is None else {p: money(minor) for p, minor in amounts.items()},
    )


def _issue(
    session: Session,
    invoice: Invoice,
    lines: Any,
    plan: CreditPlan,
    reason: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> CreditNote:
    vendor = catalogue.vendor
    issued_on = local_date(now, vendor.time_zone)
    sequence = take_number(session, _SERIES, issued_on.year)
    totals = plan.totals
    note = CreditNote(
        invoice_id=invoice.id,
        account_id=invoice.account_id,
        series=_SERIES,
        year=issued_on.year,
        sequence=sequence,
        number=credit_note_number(vendor.invoice_prefix, issued_on.year, sequence),
        issued_at=now,
        issued_on=issued_on,
        currency=invoice.currency,
        net_minor=totals.net.minor,
        tax_minor=totals.tax.minor,
        gross_minor=totals.gross.minor,
        lines=[
            _frozen(line, plan.nets[line.position].minor)
            for line in lines
            if line.position in plan.nets
        ],
        tax={
            **{key: value for key, value in invoice.tax.items() if key != "groups"},
            "groups": [
                {
                    "rate": str(group.rate),
                    "net_minor": group.net.minor,
                    "tax_minor": group.tax.minor,
                }
                for group in totals.groups
            ],
        },
        reason=reason,
        issued_by_id=actor.person_id,
    )
    session.add(note)
    session.flush()
    return note


def _frozen(line: InvoiceLine, net_minor: int) -> dict[str, Any]:
    """A line of the note: the invoice's own where it is credited whole, else the amount alone."""
    whole = net_minor == line.net_minor
    return {
        "position": line.position,
        "kind": line.kind,
        "description": line.description,
        "item_id": line.item_id,
        "quantity": line.quantity if whole else 1,
        "unit_minor": line.unit_minor if whole else net_minor,
        "discount_basis_points": line.discount_basis_points if whole else 0,
        "discount_minor": line.discount_minor if whole else 0,
        "days_left": line.days_left if whole else None,
        "days": line.days if whole else None,
        "period_starts_on": _iso(line.period_starts_on),
        "period_ends_on": _iso(line.period_ends_on),
        "net_minor": net_minor,
        "tax_rate": line.tax_rate,
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _settle(
    session: Session, invoice: Invoice, note: CreditNote, plan: CreditPlan, now: datetime
) -> RefundPlan:
    """What the note makes of the invoice's open amount, and of what was paid too much by it."""
    invoice.credited_minor += note.gross_minor
    if invoice.status == "open" and plan.completes:
        invoice.status = "credited"
    elif invoice.status == "open" and plan.settles:
        invoice.status, invoice.paid_at = "paid", now
    return give_back(session, invoice, note, plan.owed, now)


def _tell(
    session: Session,
    account: Account,
    invoice: Invoice,
    note: CreditNote,
    money: RefundPlan,
    now: datetime,
) -> None:
    """The note travels to everybody who gets invoices, with where its money goes."""
    payload = {
        "account_name": account.name,
        "invoice_number": invoice.number,
        "credit_note_number": note.number,
        "currency": note.currency,
        "gross_minor": note.gross_minor,
        "refund_minor": sum(step.amount.minor for step in money.refunds),
        "balance_minor": money.to_balance.minor,
    }
    for recipient in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, "credit_note", recipient=recipient, locale=account.locale,
                     payload=payload, now=now, account_id=account.id,
                     dedupe_key=f"credit_note:{note.id}:{recipient}")  # fmt: skip
