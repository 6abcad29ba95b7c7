"""The one lock of buying: an account's money and licences change one transaction at a time.

On PostgreSQL it is the account's row; SQLite's writers already stand in line (BEGIN IMMEDIATE).
A service that writes an account's money, seats or quotes takes it first, always before other rows,
so two services never wait for each other.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Account

__all__ = ["lock_account"]


def lock_account(session: Session, account_id: int) -> Account:
    """The account, locked until the transaction ends.

    Not against rows that merely point to it (FOR NO KEY UPDATE): writing an audit event of an
    account never waits for whoever holds its lock.
    """
    return session.scalars(
        select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    ).one()
