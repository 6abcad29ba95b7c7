"""What time brings for invoices that are owed: found page by page, done under the account's lock.

Three sorts: an invoice that became overdue, a case of which something is due, and a case whose
invoice needs no money any more (credited, paid by transfer or from the balance).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.db import among, fetch_all
from portal.domain.catalogue import Catalogue
from portal.models import Account, DunningCase, Invoice, Payment
from portal.services.dunning import attend_invoice
from portal.services.locks import lock_accounts

__all__ = ["Attention", "attend", "list_due_cases", "list_overdue_invoices"]

_DATE_LINE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Attention:
    """An invoice that needs attention, and the id by which the list goes on after it."""

    place: int
    account_id: int
    invoice_id: int


_SETTLED: ColumnElement[bool] = Invoice.status.not_in(("open", "pending"))
_DUE = (
    select(DunningCase.id, DunningCase.account_id, DunningCase.invoice_id)
    .join(Invoice, Invoice.id == DunningCase.invoice_id)
    .where(
        DunningCase.status == "open",
        DunningCase.id > bindparam("after"),
        or_(DunningCase.next_on <= bindparam("by"), _SETTLED),
    )
    .order_by(DunningCase.id)
    .limit(bindparam("limit"))
)
_OVERDUE = (
    select(Invoice.id, Invoice.account_id, Invoice.id)
    .outerjoin(DunningCase, DunningCase.invoice_id == Invoice.id)
    .where(
        Invoice.status == "open",
        Invoice.due_on < bindparam("by"),
        Invoice.id > bindparam("after"),
        DunningCase.id.is_(None),
        ~select(Payment.id)
        .where(
            and_(Payment.invoice_id == Invoice.id, Payment.status.in_(("unresolved", "pending")))
        )
        .exists(),
    )
    .order_by(Invoice.id)
    .limit(bindparam("limit"))
)


def list_due_cases(
    connection: Connection, *, now: datetime, after: int, limit: int
) -> list[Attention]:
    """Open cases beyond `after` of which something is due somewhere on earth, or nothing is owed."""
    return _list(connection, _DUE, now, after, limit)


def list_overdue_invoices(
    connection: Connection, *, now: datetime, after: int, limit: int
) -> list[Attention]:
    """Open invoices beyond `after`, due before today somewhere on earth, that have no case yet."""
    return _list(connection, _OVERDUE, now, after, limit)


def _list(
    connection: Connection, query: object, now: datetime, after: int, limit: int
) -> list[Attention]:
    by = now.date() + _DATE_LINE
    rows = fetch_all(connection, query, by=by, after=after, limit=limit)  # type: ignore[arg-type]
    return [Attention(*row) for row in rows]


def attend(
    session: Session, batch: Collection[Attention], *, catalogue: Catalogue, now: datetime
) -> None:
    """Do what is due for these invoices today; the caller commits."""
    lock_accounts(session, {one.account_id for one in batch}, wait=True)
    rows = session.execute(
        select(Invoice, Account)
        .join(Account, Account.id == Invoice.account_id)
        .where(among(Invoice.id, ids=[one.invoice_id for one in batch]))
        .order_by(Invoice.id)
        .with_for_update(of=Invoice)
        .execution_options(populate_existing=True)
    ).all()
    for invoice, account in rows:
        attend_invoice(session, account, invoice, catalogue=catalogue, now=now)
