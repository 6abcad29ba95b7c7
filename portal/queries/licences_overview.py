"""What the licences page reads of the account itself, in the one statement that it has for it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Account, PaymentMethod
from portal.queries.ended import Ended, read_ended, select_overview_with_ended
from portal.queries.quotes import AccountBuying, Holding, read_account_overview

__all__ = ["CardInUse", "LicencesOverview", "get_licences_overview"]


@dataclass(frozen=True, slots=True)
class CardInUse:
    """The account's default method, as far as a reminder names it; a debit has no expiry."""

    kind: str
    brand: str
    last4: str
    expires_year: int | None
    expires_month: int | None


@dataclass(frozen=True, slots=True)
class LicencesOverview:
    """The account's facts, what its quotes hold (Q1), what has ended, and how it pays."""

    buying: AccountBuying
    holdings: tuple[Holding, ...]
    ended: tuple[Ended, ...]
    method: CardInUse | None


_METHOD_COLUMNS = (
    PaymentMethod.kind,
    PaymentMethod.brand,
    PaymentMethod.last4,
    PaymentMethod.expires_year,
    PaymentMethod.expires_month,
)
# An account has one default method at most: no row is doubled.
_OVERVIEW = (
    select_overview_with_ended()
    .add_columns(*_METHOD_COLUMNS)
    .outerjoin(
        PaymentMethod,
        and_(
            PaymentMethod.account_id == Account.id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        ),
    )
)


def get_licences_overview(connection: Connection, account_id: int) -> LicencesOverview:
    """The account as the licences page shows it: one statement."""
    rows = fetch_all(connection, _OVERVIEW, account_id=account_id)
    buying, holdings = read_account_overview(rows)
    *_, ended, kind, brand, last4, year, month = rows[0]
    method = CardInUse(kind, brand, last4, year, month) if kind is not None else None
    return LicencesOverview(buying, holdings, read_ended(ended), method)
