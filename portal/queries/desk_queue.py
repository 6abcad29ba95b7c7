"""The desk's first page: what waits for the vendor's people, of every kind, and how much of it.

`staff_id` narrows to the customers of an account executive; None is everything. So does a Reader,
who also sees the bank entries of their own imports.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, or_, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.late_reductions import NEAR, AtStake, renewal_at_stake
from portal.domain.money import Money
from portal.domain.periods import Period
from portal.domain.requests import RequestKind, RequestStatus
from portal.models import (
    Account,
    BillingPeriod,
    ChangeRequest,
    DeskTask,
    Invoice,
    Person,
    StaffMember,
    SubscriptionItem,
)
from portal.queries.bank_statements import Reader, of_reader, waiting_entries

__all__ = ["OverdueRow", "QueueCounts", "RequestRow", "count_queue", "list_overdue",
           "list_waiting_requests"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How much waits."""

    requests: int
    overdue: int
    tasks: int
    entries: int


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A change request that is not finished; `handled_by` is who took it.

    `at_stake` is the renewal that it misses if nobody confirms it soon (S4).
    """

    id: int
    kind: str
    quantity: int | None
    status: str
    sent_at: datetime
    handled_by: str | None
    account_id: int
    account_name: str
    at_stake: AtStake | None


@dataclass(frozen=True, slots=True)
class OverdueRow:
    """An invoice that should have been transferred by `due_on`; `open` is what is missing."""

    id: int
    number: str
    due_on: date
    open: Money
    account_id: int
    account_name: str


# Written out, so that both databases see that the partial indexes of what is open hold them.
_OPEN_REQUEST = text("change_request.closed_at IS NULL")
_OPEN_TASK = text("desk_task.done_at IS NULL")
_OPEN_INVOICE = text("invoice.status = 'open'")
_MINE = Account.account_executive_id == bindparam("staff_id")
# Whoever pays automatically is reminded and suspended by itself (M5).
_OVERDUE = (
    _OPEN_INVOICE,
    Invoice.payment_terms == "bank_transfer",
    Invoice.due_on < bindparam("today"),
)


def _narrowed(statement: Any, is_mine: bool) -> Any:
    return statement.where(_MINE) if is_mine else statement


@cache
def _counts(is_mine: bool) -> Select[Any]:
    def count(table: Any, *conditions: Any) -> Any:
        found = select(func.count()).select_from(table).where(*conditions)
        if is_mine:  # their ids are read once, from an index: far less than each one's account
            found = found.where(table.account_id.in_(select(Account.id).where(_MINE)))
        return found.scalar_subquery()

    return select(
        count(ChangeRequest, _OPEN_REQUEST),
        count(Invoice, *_OVERDUE),
        count(DeskTask, _OPEN_TASK),
        waiting_entries(not is_mine),
    )


# What a near renewal may need stands first; the exact day is worked out for each (S4).
_FIRST = case(
    (
        and_(
            ChangeRequest.kind.in_(("fewer_seats", "plan", "period")),
            ChangeRequest.status.in_(("sent", "preparing")),
            or_(
                BillingPeriod.ends_on <= bindparam("near"),
                BillingPeriod.starts_on > ChangeRequest.sent_on,
            ),
        ),
        0,
    ),
    else_=1,
)


@cache
def _requests(is_mine: bool) -> Any:
    return _narrowed(
        select(
            ChangeRequest.id,
            ChangeRequest.kind,
            ChangeRequest.quantity,
            ChangeRequest.status,
            ChangeRequest.sent_at,
            Person.name,
            Account.id,
            Account.name,
            ChangeRequest.sent_on,
            BillingPeriod.starts_on,
            BillingPeriod.ends_on,
        )
        .join(Account, Account.id == ChangeRequest.account_id)
        .outerjoin(StaffMember, StaffMember.id == ChangeRequest.handled_by_id)
        .outerjoin(Person, Person.id == StaffMember.person_id)
        .outerjoin(SubscriptionItem, SubscriptionItem.id == ChangeRequest.item_id)
        .outerjoin(
            BillingPeriod,
            and_(
                BillingPeriod.subscription_id == SubscriptionItem.subscription_id,
                BillingPeriod.is_current,
            ),
        )
        .where(_OPEN_REQUEST)
        .order_by(_FIRST, ChangeRequest.sent_at, ChangeRequest.id)
        .limit(bindparam("limit")),
        is_mine,
    )


@cache
def _overdue(is_mine: bool) -> Any:
    on: Any = bindparam("on")
    key: Any = bindparam("id")
    behind = or_(Invoice.due_on > on, and_(Invoice.due_on == on, Invoice.id > key))
    return _narrowed(
        select(
            Invoice.id,
            Invoice.number,
            Invoice.due_on,
            Invoice.gross_minor - Invoice.credited_minor - Invoice.paid_minor,
            Invoice.currency,
            Account.id,
            Account.name,
        )
        .join(Account, Account.id == Invoice.account_id)
        .where(*_OVERDUE, Invoice.due_on >= on, behind)
        .order_by(Invoice.due_on, Invoice.id)
        .limit(bindparam("limit")),
        is_mine,
    )


def _of(staff_id: int | None, **values: Any) -> dict[str, Any]:
    return values if staff_id is None else {**values, "staff_id": staff_id}


def count_queue(connection: Connection, reader: Reader, today: date) -> QueueCounts:
    """How many requests, overdue transfers, tasks and bank entries wait; `today` is the vendor's."""
    is_mine = reader.staff_id is not None
    row = fetch_first(connection, _counts(is_mine), **of_reader(reader), today=today)
    return QueueCounts(*row)


def list_waiting_requests(
    connection: Connection, staff_id: int | None, today: date, notice_days: int, *, limit: int
) -> list[RequestRow]:
    """The requests that are not finished: what a near renewal needs, then the oldest first."""
    values = _of(staff_id, near=today + NEAR, limit=limit)
    rows = []
    for *facts, sent_on, start, end in fetch_all(
        connection, _requests(staff_id is not None), **values
    ):
        period = Period(start, end) if start is not None else None
        stake = renewal_at_stake(
            RequestKind(facts[1]), RequestStatus(facts[3]), sent_on, period, notice_days
        )
        is_near = stake is not None and stake.is_near(today)
        row: tuple[Any, ...] = (*facts, stake if is_near else None)
        rows.append(RequestRow(*row))
    return rows


def list_overdue(
    connection: Connection, staff_id: int | None, today: date, *,
    behind: tuple[date, int] | None, limit: int,
) -> list[OverdueRow]:  # fmt: skip
    """One page of the transfers that did not come in time, the longest overdue first."""
    on, key = behind or (date.min, 0)
    values = _of(staff_id, today=today, on=on, id=key, limit=limit)
    return [
        OverdueRow(row[0], row[1], row[2], Money(row[3], row[4]), row[5], row[6])
        for row in fetch_all(connection, _overdue(staff_id is not None), **values)
    ]
