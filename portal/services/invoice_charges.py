"""Charging an invoice that is open: another try of its charge, or a new one; one at a time (M1, M5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.payment_methods import refusal_of
from portal.domain.periods import local_date
from portal.models import Account, DunningCase, Invoice, Payment, PaymentAttempt, PaymentMethod
from portal.payments.smallest_charge import AMOUNT_REFUSALS, is_too_small, smallest_charge
from portal.services.attempts import GRACE, reserve_attempt, reserve_retry
from portal.services.audit import Actor, record
from portal.services.locks import lock_account

__all__ = [
    "TAKEN_BACK", "InvoiceCharges", "charge_invoice", "default_method", "is_uncollectable", "not_chargeable_key",
    "owed_of", "pay_invoice", "read_charges", "retry_with_method",
]  # fmt: skip

TAKEN_BACK = "taken_back"
"""The reason where money that had arrived was taken back: nobody charges it again unasked (M4)."""
_RUNNING = ("reserved", "unknown", "processing")


@dataclass(frozen=True, slots=True)
class InvoiceCharges:
    """What stands in the books of an invoice's charges.

    `unsettled` is the attempt whose outcome is not known yet; there is one at most. `retried` is
    the payment whose charge was declined and can be tried again, with `charge_ref`. `tries` counts
    all attempts. `amount_refused`: the last charge of what is owed was refused for its amount.
    """

    unsettled: PaymentAttempt | None
    retried: Payment | None
    charge_ref: str
    tries: int
    amount_refused: bool = False

    @property
    def under_way(self) -> bool:
        """A charge is being made, or a debit was accepted: nothing else is done meanwhile."""
        return self.unsettled is not None and self.unsettled.status in _RUNNING

    @property
    def waits_for_customer(self) -> bool:
        """Somebody has to confirm a charge with the bank."""
        return self.unsettled is not None and not self.under_way


def owed_of(invoice: Invoice) -> int:
    """What is still to be paid, in minor units; nothing unless the invoice is open."""
    if invoice.status != "open":
        return 0
    return max(invoice.gross_minor - invoice.credited_minor - invoice.paid_minor, 0)


def is_uncollectable(invoice: Invoice, charges: InvoiceCharges) -> bool:
    """Whether the provider does not take what is owed of an invoice that is paid automatically.

    It is less than can be charged, or the provider has refused this very amount.
    """
    owed = Money(owed_of(invoice), invoice.currency)
    if invoice.payment_terms != "automatic" or owed.is_zero:
        return False
    return is_too_small(owed) or charges.amount_refused


def not_chargeable_key(invoice_id: int) -> str:
    """What makes the desk's task of an invoice that cannot be charged one."""
    return f"not_chargeable:{invoice_id}"


def default_method(session: Session, account: Account, now: datetime) -> PaymentMethod | None:
    """The method that may be charged today: neither removed, prepaid nor expired (M3)."""
    if account.payment_terms != "automatic":
        return None
    method = session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account.id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    ).one_or_none()
    return method if method is not None and _refusal(method, account, now) is None else None


def read_charges(session: Session, invoice: Invoice) -> InvoiceCharges:
    """The charges of an invoice; the account is locked."""
    session.flush()
    payments = session.scalars(
        select(Payment)
        .where(Payment.invoice_id == invoice.id, Payment.kind == "automatic")
        .order_by(Payment.id)
        .execution_options(populate_existing=True)
    ).all()
    attempts = session.scalars(
        select(PaymentAttempt)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.invoice_id == invoice.id)
        .order_by(PaymentAttempt.payment_id, PaymentAttempt.number)
        .execution_options(populate_existing=True)
    ).all()
    latest = {attempt.payment_id: attempt for attempt in attempts}
    unsettled = next((a for a in latest.values() if a.settled_at is None), None)
    retried, charge_ref, amount_refused = None, "", False
    if payments and payments[-1].status == "failed" and payments[-1].id in latest:
        last = latest[payments[-1].id]
        same = payments[-1].amount_minor == owed_of(invoice)
        if same and last.status == "declined" and last.gateway_ref:
            retried, charge_ref = payments[-1], last.gateway_ref
        amount_refused = same and last.decline_code in AMOUNT_REFUSALS
    return InvoiceCharges(unsettled, retried, charge_ref, len(attempts), amount_refused)


def charge_invoice(
    session: Session,
    account: Account,
    invoice: Invoice,
    method: PaymentMethod,
    charges: InvoiceCharges,
    *,
    now: datetime,
    on_session: bool = False,
) -> PaymentAttempt:
    """Reserve the next try: of the same charge where there is one of the same amount.

    The account is locked, the invoice owed, and no other attempt unsettled.
    """
    assert charges.unsettled is None and owed_of(invoice) > 0
    after, number = GRACE if on_session else timedelta(), charges.tries + 1
    if charges.retried is not None:
        return reserve_retry(
            session, charges.retried, method=method, charge_ref=charges.charge_ref,
            key=f"pi:invoice-{invoice.id}:try:{number}", on_session=on_session, now=now,
            after=after,
        )  # fmt: skip
    return reserve_attempt(
        session, account_id=account.id, invoice_id=invoice.id, method=method,
        amount_minor=owed_of(invoice), currency=invoice.currency,
        key=f"pi:invoice-{invoice.id}:{number}", now=now, after=after, on_session=on_session,
    )  # fmt: skip


def pay_invoice(
    session: Session,
    account_id: int,
    number: str,
    *,
    shown: Money,
    actor: Actor,
    now: datetime,
) -> int:
    """Reserve the charge of an open invoice that somebody pays on screen; the attempt's id.

    A charge that is unsettled already is the answer to every further press of the button (Q4).
    DomainError `invoice_unknown`, `invoice_not_owed`, `invoice_by_transfer`, `terms_changed` where
    another amount is owed than was shown, `invoice_too_small` with the `smallest` charge,
    `method_missing`, and as `refusal_of`.
    """
    account = lock_account(session, account_id)
    invoice = session.scalars(
        select(Invoice)
        .where(Invoice.account_id == account_id, Invoice.number == number)
        .with_for_update()
    ).one_or_none()
    if invoice is None:
        raise DomainError("invoice_unknown")
    charges = read_charges(session, invoice)
    if charges.unsettled is not None:
        return int(charges.unsettled.id)
    if owed_of(invoice) == 0:
        raise DomainError("invoice_not_owed", number=number)
    if account.payment_terms != "automatic":
        raise DomainError("invoice_by_transfer")
    if shown != Money(owed_of(invoice), invoice.currency):
        raise DomainError("terms_changed")
    if is_too_small(shown):
        raise DomainError("invoice_too_small", smallest=smallest_charge(invoice.currency))
    method = session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    ).one_or_none()
    if method is None:
        raise DomainError("method_missing")
    refusal = _refusal(method, account, now)
    if refusal is not None:
        raise DomainError(refusal)
    attempt = charge_invoice(session, account, invoice, method, charges, now=now, on_session=True)
    record(session, "invoice_payment_started", actor=actor, now=now, account_id=account_id,
           subject=invoice.number,
           new={"gross_minor": shown.minor, "currency": shown.currency})  # fmt: skip
    return int(attempt.id)


def retry_with_method(
    session: Session, account: Account, method: PaymentMethod, now: datetime, *, asked: bool
) -> None:
    """A new method tries everything that is owed at once, each invoice once (M5).

    What had stopped the retries was about the old one. But what the bank took back is tried only
    where the customer gave the method (`asked`), not where the provider renewed it by itself, and
    what is too little to be charged is so with every method. The account is locked.
    """
    if account.payment_terms != "automatic":
        return
    invoices = session.execute(
        select(Invoice, DunningCase)
        .outerjoin(DunningCase, DunningCase.invoice_id == Invoice.id)
        .where(
            Invoice.account_id == account.id,
            Invoice.status == "open",
            Invoice.payment_terms == "automatic",
            or_(DunningCase.id.is_(None), DunningCase.status == "open"),
        )
        .order_by(Invoice.id)
        .execution_options(populate_existing=True)
    ).all()
    for invoice, case in invoices:
        if case is not None:
            if case.stopped_because == TAKEN_BACK and not asked:
                continue
            case.stopped_because = None
        charges = read_charges(session, invoice)
        is_owed = owed_of(invoice) > 0 and not is_uncollectable(invoice, charges)
        if charges.unsettled is None and is_owed:
            charge_invoice(session, account, invoice, method, charges, now=now)
    session.flush()


def _refusal(method: PaymentMethod, account: Account, now: datetime) -> str | None:
    return refusal_of(
        method.funding, method.expires_year, method.expires_month,
        local_date(now, account.time_zone),
    )  # fmt: skip
