"""An account's balance: the sum of its append-only entries (M6), never below zero.

Whoever takes of it holds the account's lock and counts under it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.db import among, fetch_all
from portal.models import AccountBalance

__all__ = ["get_balance", "list_balances"]

_ONE = select(func.coalesce(func.sum(AccountBalance.amount_minor), 0)).where(
    AccountBalance.account_id == bindparam("account_id")
)
_MANY = (
    select(AccountBalance.account_id, func.sum(AccountBalance.amount_minor))
    .where(among(AccountBalance.account_id))
    .group_by(AccountBalance.account_id)
    .having(func.sum(AccountBalance.amount_minor) > 0)
)


def get_balance(session: Session, account_id: int) -> int:
    """What the account is owed, in minor units of its currency."""
    session.flush()
    return int(session.scalar(_ONE, {"account_id": account_id}) or 0)


def list_balances(connection: Connection, account_ids: Collection[int]) -> dict[int, int]:
    """The balances of those among these accounts that have one; one statement."""
    rows = fetch_all(connection, _MANY, ids=list(account_ids))
    return {account_id: int(amount) for account_id, amount in rows}
