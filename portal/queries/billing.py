"""What the billing pages read: the account's details, and the renewals that are invoiced ahead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.money import Money
from portal.models import Account, AccountBalance, BillingPeriod, Invoice, Subscription
from portal.queries.quotes import AccountBuying, select_account_buying

__all__ = ["BillingAccount", "InvoicedAhead", "get_billing_account", "list_invoiced_ahead"]


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Whom the account's invoices are addressed to, and who gets them beside the contact.

    `vat_checked_at` is when VIES or an operator last said something about the VAT number;
    `balance` is what the account is owed: its next invoices use it.
    """

    buying: AccountBuying
    vat_checked_at: datetime | None
    invoice_recipients: tuple[str, ...]
    balance: Money


@dataclass(frozen=True, slots=True)
class InvoicedAhead:
    """A renewal on `on` whose invoice is issued already (I3: a bank transfer takes time)."""

    subscription_id: int
    on: date
    number: str
    issued_on: date


_BALANCE = (
    select(func.coalesce(func.sum(AccountBalance.amount_minor), 0))
    .where(AccountBalance.account_id == Account.id)
    .correlate(Account)
    .scalar_subquery()
)
_ACCOUNT = select_account_buying().add_columns(
    Account.vat_checked_at, Account.invoice_recipients, _BALANCE
)
_FOLLOWING = BillingPeriod.__table__.alias("following")
_AHEAD = (
    select(Subscription.id, _FOLLOWING.c.starts_on, Invoice.number, Invoice.issued_on)
    .join(
        BillingPeriod,
        (BillingPeriod.subscription_id == Subscription.id) & BillingPeriod.is_current,
    )
    .join(
        _FOLLOWING,
        (_FOLLOWING.c.subscription_id == Subscription.id)
        & (_FOLLOWING.c.starts_on == BillingPeriod.ends_on),
    )
    .join(Invoice, Invoice.id == _FOLLOWING.c.renewal_invoice_id)
    .where(Subscription.account_id == bindparam("account_id"), Subscription.status == "active")
    .order_by(Subscription.id)
)


def get_billing_account(connection: Connection, account_id: int) -> BillingAccount:
    """The billing details of an account that exists."""
    *values, checked_at, recipients, balance = fetch_first(
        connection, _ACCOUNT, account_id=account_id
    )
    buying = AccountBuying(*values)
    return BillingAccount(
        buying, checked_at, tuple(recipients), Money(int(balance), buying.currency)
    )


def list_invoiced_ahead(connection: Connection, account_id: int) -> list[InvoicedAhead]:
    """The account's coming renewals that are invoiced already, by subscription."""
    return [InvoicedAhead(*row) for row in fetch_all(connection, _AHEAD, account_id=account_id)]
