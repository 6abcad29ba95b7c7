"""The e-mails of a wallet: low, filled up by itself, could not be filled up (W3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.email_addresses import known_email
from portal.domain.periods import local_date
from portal.models import Account, CreditEntry, Invoice, Member, PaymentMethod, Person, TopUp
from portal.services.outbox import enqueue_mail

__all__ = ["tell_of_failed_top_up", "tell_of_low_balance", "tell_of_top_up"]


def tell_of_low_balance(
    session: Session, account_id: int, wallet_id: int, balance: int, why: str, now: datetime, *,
    refused: int = 0,
) -> None:  # fmt: skip
    """Write to all who can buy credits, once for each `why` until credits arrive again.

    `why` is `used`, `refused` (something that costs `refused` credits, the first of its kind), or
    the decision that keeps an automatic top-up from helping.
    """
    account = session.get_one(Account, account_id)
    # What has no kind of use is a part of an index; SQLite is kept from walking back through the
    # uses since then, which may be very many.
    arrived = session.scalar(
        select(-func.min(-CreditEntry.id)).where(
            CreditEntry.wallet_id == wallet_id,
            CreditEntry.usage_kind.is_(None),
            CreditEntry.change > 0,
        )
    )
    for address, locale in _buyers(session, account):
        enqueue_mail(session, "low_balance", recipient=address, locale=locale, now=now,
                     account_id=account_id,
                     dedupe_key=f"low_balance:{wallet_id}:{arrived or 0}:{why}:{address}",
                     payload={"account_name": account.name, "balance": balance, "why": why,
                              "refused": refused})  # fmt: skip


def tell_of_top_up(
    session: Session,
    account: Account,
    top_up: TopUp,
    invoice: Invoice,
    method_id: int | None,
    balance: int,
    now: datetime,
) -> None:
    """The receipt of a top-up, with its invoice, to where the account's receipts go."""
    method = session.get(PaymentMethod, method_id) if method_id is not None else None
    payload: dict[str, Any] = {
        "account_name": account.name,
        "credits": top_up.credits,
        "balance": balance,
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "invoice_status": invoice.status,
        "currency": invoice.currency,
        "gross_minor": invoice.gross_minor,
        "method": (
            {"kind": method.kind, "brand": method.brand, "last4": method.last4} if method else None
        ),
    }
    for address in dict.fromkeys([account.billing_email, *account.invoice_recipients]):
        enqueue_mail(session, "top_up_done", recipient=address, locale=account.locale, now=now,
                     account_id=account.id, dedupe_key=f"top_up_done:{top_up.id}:{address}",
                     payload=payload)  # fmt: skip


def tell_of_failed_top_up(
    session: Session,
    account: Account,
    top_up: TopUp,
    *,
    balance: int,
    next_try_at: datetime | None,
    now: datetime,
) -> None:
    """Why it failed, and when it is tried again; `next_try_at` is None where it is off now."""
    payload = {
        "account_name": account.name,
        "credits": top_up.credits,
        "currency": top_up.currency,
        "gross_minor": top_up.amount_minor,
        "balance": balance,
        "reason": top_up.failure_code or "",
        "retry_on": (
            local_date(next_try_at, account.time_zone).isoformat()
            if next_try_at is not None
            else ""
        ),
    }
    for address, locale in _buyers(session, account):
        enqueue_mail(session, "top_up_failed", recipient=address, locale=locale, now=now,
                     account_id=account.id, dedupe_key=f"top_up_failed:{top_up.id}:{address}",
                     payload=payload)  # fmt: skip


def _buyers(session: Session, account: Account) -> Iterator[tuple[str, str]]:
    """Admins and billing admins in their own language, and the billing address; nobody twice."""
    admins = session.execute(
        select(Person.email, Person.locale)
        .join(Member, Member.person_id == Person.id)
        .where(
            Member.account_id == account.id,
            Member.role.in_(("admin", "billing_admin")),
            Member.status == "active",
        )
        .order_by(Person.id)
    )
    told: set[str] = set()
    for address, locale in [*admins, (account.billing_email, account.locale)]:
        if known_email(address) not in told:
            told.add(known_email(address))
            yield address, locale
