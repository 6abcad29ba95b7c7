"""The wallet's ledger: the locked wallet, and the entries that bring credits into it (W1, W2).

Whoever changes a balance holds the wallet's row. Where the account is locked as well it comes
first (portal.services.locks); a debit takes the wallet alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.models import CreditEntry, Wallet

__all__ = ["credit", "debit_by_hand", "wallet_of"]


def wallet_of(session: Session, account_id: int) -> Wallet:
    """The account's wallet, made by the first who asks, locked until the transaction ends."""
    query = (
        select(Wallet)
        .where(Wallet.account_id == account_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    session.flush()
    wallet = session.scalars(query).one_or_none()
    if wallet is None:
        on_postgres = session.get_bind().dialect.name == "postgresql"
        insert = postgresql.insert if on_postgres else sqlite.insert
        session.execute(
            insert(Wallet)
            .values(account_id=account_id)
            .on_conflict_do_nothing(index_elements=["account_id"])
        )
        wallet = session.scalars(query).one()
    return wallet


def credit(
    session: Session,
    account_id: int,
    amount: int,
    *,
    reason: str,
    now: datetime,
    order_line_id: int | None = None,
    top_up_id: int | None = None,
    actor_id: int | None = None,
    note: str = "",
    details: Mapping[str, Any] | None = None,
) -> CreditEntry:
    """Bring `amount` credits (above zero) into the wallet, once an order's line and once a top-up (W2).

    A second call for the same line or top-up gives the entry of the first.
    """
    if amount <= 0:
        raise ValueError(f"credits that arrive are above zero: {amount}")
    wallet = wallet_of(session, account_id)
    known = _entry_for(session, order_line_id, top_up_id)
    if known is not None:
        return known
    wallet.balance += amount
    wallet.top_up_asked = False  # whether there is enough now is asked anew
    entry = CreditEntry(
        wallet_id=wallet.id,
        at=now,
        change=amount,
        balance_after=wallet.balance,
        reason=reason,
        order_line_id=order_line_id,
        top_up_id=top_up_id,
        note=note,
        details=dict(details) if details is not None else None,
        actor_id=actor_id,
    )
    session.add(entry)
    session.flush()
    return entry


def debit_by_hand(
    session: Session, wallet: Wallet, amount: int, *, actor_id: int | None, note: str, now: datetime
) -> CreditEntry:
    """Take `amount` credits (above zero, at most the balance) out of a locked wallet: a correction."""
    if not 0 < amount <= wallet.balance:
        raise ValueError(f"{amount} credits cannot be taken out of {wallet.balance}")
    wallet.balance -= amount
    entry = CreditEntry(
        wallet_id=wallet.id, at=now, change=-amount, balance_after=wallet.balance,
        reason="correction", note=note, actor_id=actor_id,
    )  # fmt: skip
    session.add(entry)
    session.flush()
    return entry


def _entry_for(
    session: Session, order_line_id: int | None, top_up_id: int | None
) -> CreditEntry | None:
    if order_line_id is not None:
        query = select(CreditEntry).where(CreditEntry.order_line_id == order_line_id)
    elif top_up_id is not None:
        query = select(CreditEntry).where(CreditEntry.top_up_id == top_up_id)
    else:
        return None
    return session.scalars(query).one_or_none()
