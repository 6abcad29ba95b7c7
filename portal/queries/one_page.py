"""What a purchase in one step needs to know: how it is paid, whose it is, what was bought before."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_first
from portal.models import Account, Member, Order, PaymentMethod, QuoteSubject
from portal.queries.payment_methods import METHOD_COLUMNS, PaymentMethodRow

__all__ = ["OnePageRow", "get_last_order", "get_one_page"]


@dataclass(frozen=True, slots=True)
class OnePageRow:
    """The method that pays, the admin who would be the contact, the last order of the subject.

    The contact is the one who buys where that is an admin, else the account's first active one.
    """

    method: PaymentMethodRow | None
    contact_member_id: int | None
    last_order_id: int


# The account's orders, the latest first, each with what its quote was about.
_LAST_ORDER = (
    select(Order.id)
    .join(QuoteSubject, QuoteSubject.quote_id == Order.quote_id)
    .where(
        Order.account_id == bindparam("account_id"), QuoteSubject.subject == bindparam("subject")
    )
    .order_by(Order.id.desc())
    .limit(1)
)
_CONTACT = select(func.min(Member.id)).where(
    Member.account_id == bindparam("account_id"), Member.role == "admin", Member.status == "active"
)
_ONE_PAGE = (
    select(
        func.coalesce(
            _CONTACT.where(Member.person_id == bindparam("person_id")).scalar_subquery(),
            _CONTACT.scalar_subquery(),
        ),
        func.coalesce(_LAST_ORDER.scalar_subquery(), 0),
        *METHOD_COLUMNS,
    )
    .select_from(Account)
    .outerjoin(
        PaymentMethod,
        (PaymentMethod.account_id == Account.id)
        & PaymentMethod.is_default
        & PaymentMethod.removed_at.is_(None),
    )
    .where(Account.id == bindparam("account_id"))
)


def get_one_page(
    connection: Connection, account_id: int, person_id: int, subject: str
) -> OnePageRow:
    """For the account and the person who would buy; `subject` as quotes hold it (Q1)."""
    row = fetch_first(
        connection, _ONE_PAGE, account_id=account_id, person_id=person_id, subject=subject
    )
    contact, last_order_id, *method = row
    return OnePageRow(
        PaymentMethodRow(*method) if method[0] is not None else None, contact, last_order_id
    )


def get_last_order(connection: Connection, account_id: int, subject: str) -> int:
    """The account's last order of a subject, whatever became of it; 0 where there is none."""
    row = fetch_first(connection, _LAST_ORDER, account_id=account_id, subject=subject)
    return int(row[0]) if row is not None else 0
