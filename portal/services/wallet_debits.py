"""Usage of the vendor's product takes credits out of the wallet: at most once a key (W1, W2).

This is what the vendor's product calls, thousands of times a day: three statements on one locked
row. The account is not locked, so that nobody's usage waits for a purchase; what concerns the
account (an automatic top-up) is left to a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.wallet import WalletState, plan_debit
from portal.models import Account, CreditEntry, Wallet
from portal.services.outbox import enqueue_job
from portal.services.wallet_mails import tell_of_low_balance

__all__ = ["Debit", "debit_wallet"]

_LONGEST_KEY = 120
_ENTRIES: Table = CreditEntry.__table__
_WALLETS: Table = Wallet.__table__


@dataclass(frozen=True, slots=True)
class Debit:
    """What became of a debit of `credits`; `balance` is what is left.

    One that is refused lacks `missing` credits and changed nothing. `is_repeat`: the key was used
    before for the same, and this is the answer of then.
    """

    credits: int
    balance: int
    missing: int = 0
    entry_id: int | None = None
    is_repeat: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the credits were taken."""
        return self.missing == 0


_WALLET = (
    select(
        _WALLETS.c.id, _WALLETS.c.balance, _WALLETS.c.auto_top_up, _WALLETS.c.threshold,
        _WALLETS.c.next_try_at, _WALLETS.c.top_up_asked,
    )
    .where(_WALLETS.c.account_id == bindparam("account_id"))
    .with_for_update(key_share=True)
)  # fmt: skip
_BY_KEY = select(
    _ENTRIES.c.id, _ENTRIES.c.change, _ENTRIES.c.balance_after, _ENTRIES.c.usage_kind,
    _ENTRIES.c.details,
).where(
    _ENTRIES.c.wallet_id == bindparam("wallet_id"),
    _ENTRIES.c.idempotency_key == bindparam("key"),
)  # fmt: skip
_ENTER: dict[str, Any] = {
    name: insert(_ENTRIES)
    .values(
        wallet_id=bindparam("wallet_id"), at=bindparam("at"), change=bindparam("change"),
        balance_after=bindparam("balance_after"), reason="usage",
        usage_kind=bindparam("usage_kind"), idempotency_key=bindparam("key"),
        note=bindparam("note"), details=bindparam("details", type_=_ENTRIES.c.details.type),
    )
    .on_conflict_do_nothing(index_elements=["wallet_id", "idempotency_key"])
    .returning(_ENTRIES.c.id)
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}  # fmt: skip
_SETTLE = (
    update(_WALLETS)
    .where(_WALLETS.c.id == bindparam("wallet_id"))
    .values(balance=bindparam("after"), top_up_asked=bindparam("asked"))
)
_ASK = (
    update(_WALLETS).where(_WALLETS.c.id == bindparam("wallet_id")).values(top_up_asked=True)
)  # fmt: skip


def debit_wallet(
    session: Session,
    account_id: int,
    usage_kind: str,
    *,
    quantity: int,
    key: str,
    catalogue: Catalogue,
    now: datetime,
    note: str = "",
) -> Debit:
    """Take the credits that `quantity` uses of `usage_kind` cost, once for `key`, or refuse.

    A refusal is an answer and no error: the caller commits it as well, because it may have asked
    for an automatic top-up. The same key may be used again after it. DomainError
    `account_unknown`, `usage_unknown`, `debit_key` (1 to 120 characters), `debit_key_reused` where
    the key was used for something else, `debit_amount` as `plan_debit`.
    """
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise DomainError("debit_key", most=_LONGEST_KEY)
    try:
        price = catalogue.usage_price(usage_kind)
    except KeyError:
        raise DomainError("usage_unknown", kind=usage_kind) from None
    connection = session.connection()
    row = connection.execute(_WALLET, {"account_id": account_id}).first()
    if row is None:
        return _without_wallet(session, account_id, price.credits * quantity, catalogue, now)
    wallet_id, state, cost = row[0], WalletState(*row[1:]), price.credits * quantity
    plan = plan_debit(
        state, cost, usual_threshold=catalogue.policy.low_balance_credits, now=now
    )  # fmt: skip
    asked = _Asked(usage_kind, quantity)
    if not plan.is_accepted:
        known = _repeat(connection, wallet_id, key, asked)
        if known is not None:
            return known
        if plan.asks_top_up:
            connection.execute(_ASK, {"wallet_id": wallet_id})
            _look_after_top_up(session, account_id, cost, now)
        if not state.auto_top_up:
            tell_of_low_balance(session, account_id, wallet_id, state.balance, "refused", now,
                                refused=cost)  # fmt: skip
        return Debit(cost, state.balance, missing=plan.missing)
    entry_id = connection.execute(
        _ENTER[connection.dialect.name],
        {"wallet_id": wallet_id, "at": now, "change": -cost,
         "balance_after": plan.balance_after, "usage_kind": usage_kind, "key": key, "note": note,
         "details": {"quantity": quantity}},
    ).scalar()  # fmt: skip
    if entry_id is None:
        known = _repeat(connection, wallet_id, key, asked)
        assert known is not None, "the key is taken, and its entry is locked by us"
        return known
    connection.execute(
        _SETTLE,
        {"wallet_id": wallet_id, "after": plan.balance_after,
         "asked": state.asked or plan.asks_top_up},
    )  # fmt: skip
    if plan.asks_top_up:
        _look_after_top_up(session, account_id, 0, now)
    if plan.turns_low:
        tell_of_low_balance(session, account_id, wallet_id, plan.balance_after, "used", now)
    return Debit(cost, plan.balance_after, entry_id=entry_id)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a key stands for: a later price of the same use is the same debit."""

    usage_kind: str
    quantity: int


def _repeat(connection: Connection, wallet_id: int, key: str, asked: _Asked) -> Debit | None:
    row = connection.execute(_BY_KEY, {"wallet_id": wallet_id, "key": key}).first()
    if row is None:
        return None
    entry_id, change, balance_after, usage_kind, details = row
    if _Asked(usage_kind, (details or {}).get("quantity", 1)) != asked:
        raise DomainError("debit_key_reused", key=key)
    return Debit(-change, balance_after, entry_id=entry_id, is_repeat=True)


def _without_wallet(
    session: Session, account_id: int, cost: int, catalogue: Catalogue, now: datetime
) -> Debit:
    """An account that never had credits has none."""
    if session.get(Account, account_id) is None:
        raise DomainError("account_unknown")
    plan = plan_debit(
        WalletState(0), cost, usual_threshold=catalogue.policy.low_balance_credits, now=now
    )
    return Debit(cost, 0, missing=plan.missing)


def _look_after_top_up(session: Session, account_id: int, needed: int, now: datetime) -> None:
    enqueue_job(session, "auto_top_up", {"account_id": account_id, "needed": needed},
                run_at=now, now=now)  # fmt: skip
