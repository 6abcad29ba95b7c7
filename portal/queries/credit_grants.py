"""Credits that the vendor's people gave, refused, or that wait for a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Account, CreditGrant, Person

__all__ = ["GrantRow", "list_grants", "list_waiting_grants"]


@dataclass(frozen=True, slots=True)
class GrantRow:
    """One grant: who asked, who answered, and where it stands."""

    id: int
    account_id: int
    account_name: str
    credits: int
    reason: str
    status: str
    asked_by: str
    asked_by_id: int
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    answer: str


_BY = Person.__table__.alias("decided_by")
_GRANT = (
    select(
        CreditGrant.id,
        CreditGrant.account_id,
        Account.name,
        CreditGrant.credits,
        CreditGrant.reason,
        CreditGrant.status,
        Person.name,
        CreditGrant.asked_by_id,
        CreditGrant.asked_at,
        _BY.c.name,
        CreditGrant.decided_at,
        CreditGrant.answer,
    )
    .join(Account, Account.id == CreditGrant.account_id)
    .join(Person, Person.id == CreditGrant.asked_by_id)
    .outerjoin(_BY, _BY.c.id == CreditGrant.decided_by_id)
)
_OF_ACCOUNT = (
    _GRANT.where(CreditGrant.account_id == bindparam("account_id"))
    .order_by(CreditGrant.id.desc())
    .limit(bindparam("limit"))
)
_WAITING = (
    # Written out, so that both databases see that the partial index of what waits holds it.
    _GRANT.where(text("credit_grant.status = 'waiting'"))
    .order_by(CreditGrant.asked_at, CreditGrant.id)
    .limit(bindparam("limit"))
)


def list_grants(connection: Connection, account_id: int, *, limit: int) -> list[GrantRow]:
    """An account's grants, the latest first."""
    return _rows(fetch_all(connection, _OF_ACCOUNT, account_id=account_id, limit=limit))


def list_waiting_grants(connection: Connection, *, limit: int) -> list[GrantRow]:
    """What waits for a second person, the longest waiting first."""
    return _rows(fetch_all(connection, _WAITING, limit=limit))


def _rows(rows: list[Any]) -> list[GrantRow]:
    return [GrantRow(*row) for row in rows]
