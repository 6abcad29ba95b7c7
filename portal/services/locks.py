"""The one lock of buying: an account's money and licences change one transaction at a time.

On PostgreSQL it is the account's row; SQLite's writers already stand in line (BEGIN IMMEDIATE).
A service that writes an account's money, seats or quotes takes it first, always before other rows,
so two services never wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import among
from portal.models import Account

__all__ = ["lock_account", "lock_accounts"]


def lock_account(session: Session, account_id: int) -> Account:
    """The account, locked until the transaction ends.

    Not against rows that merely point to it (FOR NO KEY UPDATE): writing an audit event of an
    account never waits for whoever holds its lock.
    """
    return session.scalars(
        select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    ).one()


def lock_accounts(session: Session, account_ids: Collection[int], *, wait: bool) -> set[int]:
    """Lock many accounts, in the order of their ids; which of them are ours now.

    Without `wait` those that somebody else holds are left out: several workers share the work.
    """
    query = select(Account.id).where(among(Account.id, ids=account_ids)).order_by(Account.id)
    locked = session.scalars(query.with_for_update(key_share=True, skip_locked=not wait))
    return set(locked)
