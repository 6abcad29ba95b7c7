"""Booking what was transferred: for an invoice, or for the account's balance (M6, Q3).

A transfer is a payment without attempts: nothing is asked of a provider. An entry of a bank
statement is booked once, whoever else looks at it; a payment that is typed is booked for what its
page showed, so that a second click books nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.periods import local_date
from portal.domain.transfers import TransferPlan, plan_deposit, plan_transfer
from portal.models import Account, AccountBalance, BankEntry, CreditNote, Invoice, Payment
from portal.services.audit import Actor, record
from portal.services.balances import get_balance
from portal.services.dunning import booking_taken_back, money_came
from portal.services.invoice_paying import (
    keep_overpayment,
    receive_payment,
    restate_paid,
    take_back_balance,
)
from portal.services.locks import lock_account
from portal.services.renewals import renew_due_of_account
from portal.services.statement_import import wait_again
from portal.services.transfer_mails import tell_of_transfer
from portal.services.transfer_orders import order_paid

__all__ = ["Booked", "Transfer", "book_deposit", "book_transfer", "preview_transfer",
           "take_back_transfer"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that arrived: how much, on which of the bank's days, with which reference of the payer.

    `entry_id` is the entry of a bank statement that tells of it; None where a person typed it.
    """

    amount: Money
    received_on: date
    reference: str = ""
    entry_id: int | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What was booked; `granted`: the order of the invoice was granted by it."""

    payment_id: int
    plan: TransferPlan
    granted: bool = False


def preview_transfer(
    session: Session, account_id: int, number: str, transfer: Transfer, *, today: date
) -> TransferPlan:
    """What booking would do; its `key` says so. DomainError as `book_transfer`."""
    return _plan(_invoice(session, account_id, number), transfer, today)


def book_transfer(
    session: Session,
    account_id: int,
    number: str,
    transfer: Transfer,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Booked:
    """Book a transfer for invoice `number`: all of it, a part, or more, which goes to the balance.

    What a payment in full brings follows by itself: the order is granted, reminders end, access is
    back. DomainError as `plan_transfer`, and `invoice_unknown`, `transfer_changed` where it
    would do something else by now than `shown` (the preview's key) says, `entry_decided`.
    """
    account = lock_account(session, account_id)
    entry = _entry(session, transfer)
    # What lapses at a renewal that is due lapses before: its money is owed to the customer then.
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    session.flush()
    invoice = _invoice(session, account_id, number, locked=True)
    plan = _plan(invoice, transfer, local_date(now, catalogue.vendor.time_zone))
    if shown != plan.key:
        raise DomainError("transfer_changed", number=number)
    payment = _payment(session, account, invoice, transfer, now)
    record(session, "transfer_booked", actor=actor, now=now, account_id=account.id,
           subject=invoice.number,
           new={"amount_minor": payment.amount_minor, "currency": payment.currency,
                "received_on": transfer.received_on.isoformat()})  # fmt: skip
    if receive_payment(session, invoice, payment, now, actor=actor):
        record(session, "invoice_paid", actor=actor, now=now, account_id=account.id,
               subject=invoice.number,
               new={"gross_minor": invoice.gross_minor, "currency": invoice.currency})  # fmt: skip
    _decide(entry, payment, actor, now)
    granted = order_paid(session, invoice, catalogue=catalogue, now=now)
    money_came(session, account, invoice, catalogue=catalogue, now=now)
    tell_of_transfer(session, account, invoice, payment, plan, actor=actor, now=now)
    session.flush()
    return Booked(payment.id, plan, granted)


def book_deposit(
    session: Session,
    account_id: int,
    transfer: Transfer,
    *,
    shown: Money | None = None,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> Booked:
    """Book a transfer that pays no invoice (paid or credited before, or none named) for the balance.

    The next renewal invoice uses it. DomainError as `plan_deposit`, `entry_decided`, and
    `balance_changed` where the balance is not `shown` any more: a second click books nothing.
    """
    account = lock_account(session, account_id)
    balance = Money(get_balance(session, account_id), account.currency)
    if shown is not None and balance != shown:
        raise DomainError("balance_changed", balance=balance)
    entry = _entry(session, transfer)
    today = local_date(now, catalogue.vendor.time_zone)
    plan = plan_deposit(transfer.amount, account.currency, transfer.received_on, today)
    payment = _payment(session, account, None, transfer, now)
    record(session, "deposit_booked", actor=actor, now=now, account_id=account.id,
           subject=account.name,
           new={"amount_minor": payment.amount_minor, "currency": payment.currency,
                "received_on": transfer.received_on.isoformat()})  # fmt: skip
    keep_overpayment(session, payment, payment.amount_minor, now, actor=actor)
    _decide(entry, payment, actor, now)
    tell_of_transfer(session, account, None, payment, plan, actor=actor, now=now)
    session.flush()
    return Booked(payment.id, plan)


def take_back_transfer(
    session: Session, account_id: int, payment_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> Payment:  # fmt: skip
    """Undo a booking that was a mistake: the invoice is open again, and the bank's entry waits.

    What the payment has granted stays granted, and is owed: reminders begin anew (M5). DomainError `payment_unknown`,
    `booking_over` where it is no transfer that counts, `booking_used` where what was too much of
    it was used or paid back since, `booking_credited` where its invoice was credited since.
    """
    account = lock_account(session, account_id)
    payment = session.scalars(
        select(Payment)
        .where(Payment.id == payment_id, Payment.account_id == account_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if payment is None:
        raise DomainError("payment_unknown")
    if payment.kind != "bank_transfer" or payment.status != "succeeded":
        raise DomainError("booking_over")
    kept = session.scalar(
        select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
            AccountBalance.payment_id == payment.id
        )
    )
    if int(kept or 0) > get_balance(session, account_id):
        raise DomainError("booking_used")
    invoice = session.get(Invoice, payment.invoice_id) if payment.invoice_id else None
    if invoice is not None:
        session.refresh(invoice, with_for_update=True)
        notes = select(CreditNote.id).where(
            CreditNote.invoice_id == invoice.id, CreditNote.issued_at >= payment.created_at
        )
        if session.scalars(notes).first() is not None:
            raise DomainError("booking_credited", number=invoice.number)
    payment.status = "reversed"
    take_back_balance(session, payment, now)
    if invoice is not None:
        restate_paid(session, invoice, now)
        booking_taken_back(session, account, invoice, catalogue=catalogue, now=now)
    entry = session.scalars(
        select(BankEntry).where(BankEntry.payment_id == payment.id).with_for_update()
    ).one_or_none()
    if entry is not None:
        wait_again(session, entry)
    record(session, "transfer_taken_back", actor=actor, now=now, account_id=account_id,
           subject=invoice.number if invoice is not None else "",
           new={"amount_minor": payment.amount_minor, "currency": payment.currency})  # fmt: skip
    session.flush()
    return payment


def _plan(invoice: Invoice, transfer: Transfer, today: date) -> TransferPlan:
    left = invoice.gross_minor - invoice.credited_minor - invoice.paid_minor
    return plan_transfer(
        invoice.status, invoice.number, Money(max(left, 0), invoice.currency), transfer.amount,
        transfer.received_on, today,
    )  # fmt: skip


def _invoice(session: Session, account_id: int, number: str, *, locked: bool = False) -> Invoice:
    query = select(Invoice).where(Invoice.account_id == account_id, Invoice.number == number)
    if locked:
        query = query.with_for_update().execution_options(populate_existing=True)
    invoice = session.scalars(query).one_or_none()
    if invoice is None:
        raise DomainError("invoice_unknown")
    return invoice


def _entry(session: Session, transfer: Transfer) -> BankEntry | None:
    """The entry, locked and still waiting, so that it is booked once."""
    if transfer.entry_id is None:
        return None
    entry = session.scalars(
        select(BankEntry)
        .where(BankEntry.id == transfer.entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if entry is None or entry.status != "waiting":
        raise DomainError("entry_decided")
    assert Money(entry.amount_minor, entry.currency) == transfer.amount, "the entry's own amount"
    return entry


def _decide(entry: BankEntry | None, payment: Payment, actor: Actor, now: datetime) -> None:
    if entry is not None:
        entry.status, entry.payment_id = "booked", payment.id
        entry.account_id = payment.account_id
        entry.decided_at, entry.decided_by_id = now, actor.person_id


def _payment(
    session: Session, account: Account, invoice: Invoice | None, transfer: Transfer, now: datetime
) -> Payment:
    payment = Payment(
        account_id=account.id,
        invoice_id=invoice.id if invoice is not None else None,
        kind="bank_transfer",
        amount_minor=transfer.amount.minor,
        currency=transfer.amount.currency,
        status="succeeded",
        bank_reference=transfer.reference[:140],
        received_on=transfer.received_on,
        created_at=now,
        settled_at=now,
    )
    session.add(payment)
    session.flush()
    return payment
