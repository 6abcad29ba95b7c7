"""Wallets for tests: a balance to begin with, debits, automatic top-ups and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.domain.wallet import TopUpSettings
from portal.jobs.worker import run_due
from portal.models import (
    CreditEntry,
    Invoice,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    TopUp,
    Wallet,
)
from portal.parts import Parts
from portal.services.auto_top_up import set_auto_top_up
from portal.services.wallet_debits import Debit, debit_wallet
from portal.services.wallet_entries import wallet_of
from tests.support.buying import ATELIER, LOTTE, account_named, actor_of, use_method

__all__ = [
    "SMALL_GROSS", "TopUps", "attempt_in", "attempts_in", "debit", "fill", "invoice_in", "mails_of", "switch_on",
    "top_ups_in", "top_ups_of", "wallet_row", "work_at",
]  # fmt: skip

SMALL_GROSS = 6_050
"""The pack of 500 credits: €50.00 with 21 % VAT."""


def fill(balance: int, account: str = ATELIER) -> int:
    """The account has exactly `balance` credits; its id."""
    with transaction() as session:
        account_id = account_named(session, account).id
        wallet = wallet_of(session, account_id)
        change, wallet.balance = balance - wallet.balance, balance
        if change:
            session.add(CreditEntry(wallet_id=wallet.id, at=clock.now(), change=change,
                                    balance_after=balance, reason="correction"))  # fmt: skip
    return int(account_id)


def debit(
    parts: Parts, account_id: int, quantity: int = 1, *, key: str, kind: str = "sms"
) -> Debit:
    """The vendor's product books usage, and its transaction is committed."""
    with transaction() as session:
        return debit_wallet(
            session, account_id, kind, quantity=quantity, key=key, catalogue=parts.catalogue,
            now=clock.now(),
        )  # fmt: skip


def switch_on(
    parts: Parts,
    *,
    threshold: int = 50,
    cap: int = 20_000,
    pack: str = "small",
    card: str | None = None,
    email: str = LOTTE,
    account: str = ATELIER,
) -> None:
    """The customer chooses automatic top-up, after giving a method where `card` is one."""
    with transaction() as session:
        if card is not None:
            use_method(session, account, card)
        row = account_named(session, account)
        set_auto_top_up(
            session, row.id, TopUpSettings(threshold, pack, Money(cap, row.currency)),
            catalogue=parts.catalogue, actor=actor_of(session, email), now=clock.now(),
        )  # fmt: skip


def work_at(parts: Parts, now: datetime) -> None:
    """The worker runs at `now`, its periodic jobs included."""
    clock.fix(now)
    run_due(parts, now)


@dataclass(frozen=True, slots=True)
class TopUps:
    """All that top-ups may have changed, to be compared as one value.

    `charged` sums the payments that arrived or will, `invoiced` the invoices of top-ups.
    """

    balance: int
    statuses: tuple[str, ...]
    charged: int
    invoiced: int
    credited: int


def top_ups_of(session: Session, account_id: int) -> TopUps:
    """What became of the account's top-ups."""
    session.expire_all()
    wallet, top_ups = wallet_row(session, account_id), top_ups_in(session, account_id)
    charged = session.scalar(
        select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
            Payment.account_id == account_id,
            Payment.top_up_id.is_not(None),
            Payment.status.in_(("succeeded", "pending")),
        )
    )
    invoiced = session.scalar(
        select(func.coalesce(func.sum(Invoice.gross_minor), 0)).where(
            Invoice.id.in_([each.invoice_id for each in top_ups if each.invoice_id])
        )
    )
    credited = session.scalar(
        select(func.coalesce(func.sum(CreditEntry.change), 0)).where(
            CreditEntry.wallet_id == wallet.id, CreditEntry.reason == "top_up"
        )
    )
    return TopUps(
        wallet.balance, tuple(each.status for each in top_ups), int(charged or 0),
        int(invoiced or 0), int(credited or 0),
    )  # fmt: skip


def top_ups_in(session: Session, account_id: int) -> list[TopUp]:
    """The account's top-ups, the oldest first."""
    query = (
        select(TopUp)
        .join(Wallet, Wallet.id == TopUp.wallet_id)
        .where(Wallet.account_id == account_id)
        .order_by(TopUp.id)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def invoice_in(session: Session, account_id: int) -> Invoice:
    """The invoice of the account's only top-up."""
    (top_up,) = top_ups_in(session, account_id)
    return session.get_one(Invoice, top_up.invoice_id)


def attempts_in(session: Session, account_id: int) -> list[PaymentAttempt]:
    """The charges of the account's top-ups."""
    query = (
        select(PaymentAttempt)
        .join(Payment)
        .where(Payment.account_id == account_id, Payment.top_up_id.is_not(None))
        .order_by(PaymentAttempt.id)
    )
    return list(session.scalars(query))


def attempt_in(session: Session, account_id: int) -> PaymentAttempt:
    """The charge of the account's only top-up."""
    (attempt,) = attempts_in(session, account_id)
    return attempt


def wallet_row(session: Session, account_id: int) -> Wallet:
    """The wallet as it is committed."""
    return session.scalars(
        select(Wallet)
        .where(Wallet.account_id == account_id)
        .execution_options(populate_existing=True)
    ).one()


def mails_of(session: Session, topic: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The account's e-mails of a topic: recipient, language, payload."""
    mine = account_named(session, ATELIER).id
    rows = session.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.topic == topic, OutboxMessage.account_id == mine)
        .order_by(OutboxMessage.id)
    )
    return [(row.recipient or "", row.locale or "", dict(row.payload)) for row in rows]
