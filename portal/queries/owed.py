"""What an account owes: its open invoices, why each was not collected, and what comes next (M5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.money import Money
from portal.domain.payment_references import display_reference
from portal.models import DunningCase, Invoice, Payment, PaymentAttempt, Product, Subscription

__all__ = ["OwedInvoice", "get_owed_invoice", "list_owed_invoices"]

_MOST = 50


@dataclass(frozen=True, slots=True)
class OwedInvoice:
    """An invoice with its case, if there is one, and the last attempt to charge it.

    `owed` is what is still to be paid, `product_key` what was renewed. `next_on`, `suspends_on`,
    `reason` and `stopped` are the case's; `suspended`: access is suspended for this invoice.
    """

    number: str
    product_key: str | None
    status: str
    due_on: date
    owed: Money
    gross: Money
    by_transfer: bool
    iban: str
    bic: str
    reference: str
    case_status: str | None
    started_on: date | None
    next_on: date | None
    suspends_on: date | None
    suspended: bool
    reason: str
    stopped: bool
    attempt_id: int | None
    attempt_status: str | None
    action_url: str
    decline_code: str | None

    @property
    def is_checked(self) -> bool:
        """Whether a charge is being made whose outcome is not known yet."""
        return self.attempt_status in ("reserved", "unknown")

    @property
    def to_confirm(self) -> bool:
        """Whether the bank waits for the customer."""
        return self.attempt_status == "requires_action"


_LAST_ATTEMPT = (
    select(func.max(PaymentAttempt.id))
    .join(Payment, Payment.id == PaymentAttempt.payment_id)
    .where(Payment.invoice_id == Invoice.id)
    .correlate(Invoice)
    .scalar_subquery()
)
_OWED = (
    select(
        Invoice.number,
        Product.key,
        Invoice.status,
        Invoice.due_on,
        Invoice.gross_minor,
        Invoice.credited_minor,
        Invoice.paid_minor,
        Invoice.currency,
        Invoice.payment_terms,
        Invoice.seller,
        Invoice.payment_reference,
        DunningCase.status,
        DunningCase.started_on,
        DunningCase.next_on,
        DunningCase.suspends_on,
        DunningCase.suspended_at,
        DunningCase.reason,
        DunningCase.stopped_because,
        PaymentAttempt.id,
        PaymentAttempt.status,
        PaymentAttempt.action_url,
        PaymentAttempt.decline_code,
    )
    .outerjoin(DunningCase, DunningCase.invoice_id == Invoice.id)
    .outerjoin(Subscription, Subscription.id == Invoice.subscription_id)
    .outerjoin(Product, Product.id == Subscription.product_id)
    .outerjoin(PaymentAttempt, PaymentAttempt.id == _LAST_ATTEMPT)
    .where(Invoice.account_id == bindparam("account_id"))
)
_LIST = (
    _OWED.where(
        or_(
            Invoice.status == "open",
            and_(Invoice.status == "pending", DunningCase.status == "open"),
        )
    )
    .order_by(Invoice.due_on, Invoice.id)
    .limit(_MOST)
)
_ONE = _OWED.where(Invoice.number == bindparam("number"))


def list_owed_invoices(connection: Connection, account_id: int) -> list[OwedInvoice]:
    """What is owed, also while a debit of it is on its way; the longest due first, at most 50."""
    return [_read(row) for row in fetch_all(connection, _LIST, account_id=account_id)]


def get_owed_invoice(connection: Connection, account_id: int, number: str) -> OwedInvoice | None:
    """One invoice of the account with its payment, whatever its status, or None."""
    row = fetch_first(connection, _ONE, account_id=account_id, number=number)
    return _read(row) if row is not None else None


def _read(row: Any) -> OwedInvoice:
    (number, product_key, status, due_on, gross, credited, paid, currency, terms, seller, reference,
     case_status, started_on, next_on, suspends_on, suspended_at, reason, stopped, attempt_id,
     attempt_status, action_url, decline_code) = row  # fmt: skip
    left = max(gross - credited - paid, 0) if status in ("open", "pending") else 0
    return OwedInvoice(
        number, product_key, status, due_on, Money(left, currency), Money(gross, currency),
        terms == "bank_transfer", seller.get("iban", ""), seller.get("bic", ""),
        display_reference(reference) or number, case_status, started_on, next_on, suspends_on,
        suspended_at is not None, reason or "", stopped is not None, attempt_id, attempt_status,
        action_url or "", decline_code,
    )  # fmt: skip
