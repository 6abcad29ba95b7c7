"""Change requests as both sides read them: a list, one with its story, the desk's queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, literal, or_, select, text, union_all
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.late_reductions import InvoicedSeats
from portal.domain.money import Money
from portal.domain.periods import Period
from portal.domain.requests import RequestStatus, StepTaken
from portal.models import (
    Account,
    AddOn,
    BillingPeriod,
    ChangeRequest,
    CreditNote,
    Invoice,
    InvoiceLine,
    Member,
    Person,
    Plan,
    Product,
    Quote,
    RequestMessage,
    RequestStep,
    StaffMember,
    Subscription,
)
from portal.models import SubscriptionItem as Item
from portal.queries.activity import ItemKeys
from portal.queries.keyset import Place, page_by_age, page_values

__all__ = [
    "ChangeRequestRow", "QueueRow", "SaidOfRequest", "Story", "ToHandle", "get_request",
    "get_request_to_handle", "get_story",
    "list_closed_queue", "list_open_queue", "list_requests",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChangeRequestRow:
    """A request with what it led to. `item` is what it is about, None for one in words.

    `period` is the present one of its subscription, `invoice_owed` what its invoice still asks for.
    """

    id: int
    kind: str
    quantity: int | None
    target: str
    details: str
    purchase_order: str
    status: str
    sent_at: datetime
    sent_on: date
    effective_on: date | None
    decline_reason: str
    version: int
    closed_at: datetime | None
    sent_by: str
    handled_by_id: int | None
    handled_by: str | None
    quote_id: int | None
    quote_number: str | None
    quote_status: str | None
    invoice_id: int | None
    invoice_number: str | None
    invoice_due_on: date | None
    invoice_owed: Money | None
    item_id: int | None
    subscription_id: int | None
    period: Period | None
    item: ItemKeys | None


@dataclass(frozen=True, slots=True)
class ToHandle:
    """A request with what seeing to it has to know: how many admins could still act (S7), and the
    renewal invoices of its item since it was sent (S4)."""

    request: ChangeRequestRow
    active_admins: int
    invoiced: tuple[InvoicedSeats, ...]


@dataclass(frozen=True, slots=True)
class SaidOfRequest:
    """A message about a request, of either side."""

    at: datetime
    by: str
    from_staff: bool
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a request and what was said about it, each in its order."""

    steps: tuple[StepTaken, ...]
    said: tuple[SaidOfRequest, ...]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A request as the desk's queue shows it."""

    request: ChangeRequestRow
    account_id: int
    account_name: str


_SENDER = Person.__table__.alias("sender")
_HANDLER = Person.__table__.alias("handler")
_PRESENT = BillingPeriod.__table__.alias("present")
_COLUMNS = (
    ChangeRequest.id,
    ChangeRequest.kind,
    ChangeRequest.quantity,
    ChangeRequest.target,
    ChangeRequest.details,
    ChangeRequest.purchase_order,
    ChangeRequest.status,
    ChangeRequest.sent_at,
    ChangeRequest.sent_on,
    ChangeRequest.effective_on,
    ChangeRequest.decline_reason,
    ChangeRequest.version,
    ChangeRequest.closed_at,
    _SENDER.c.name,
    ChangeRequest.handled_by_id,
    _HANDLER.c.name,
    ChangeRequest.quote_id,
    Quote.number,
    Quote.status,
    ChangeRequest.invoice_id,
    Invoice.number,
    Invoice.due_on,
    Invoice.status,
    Invoice.gross_minor - Invoice.credited_minor - Invoice.paid_minor,
    Invoice.currency,
    ChangeRequest.item_id,
    Item.subscription_id,
    _PRESENT.c.starts_on,
    _PRESENT.c.ends_on,
    Product.key,
    Plan.key,
    AddOn.key,
    AddOn.package_key,
)
_REQUESTS = (
    select(*_COLUMNS)
    .select_from(ChangeRequest)
    .join(_SENDER, _SENDER.c.id == ChangeRequest.sent_by_id)
    .outerjoin(StaffMember, StaffMember.id == ChangeRequest.handled_by_id)
    .outerjoin(_HANDLER, _HANDLER.c.id == StaffMember.person_id)
    .outerjoin(Quote, Quote.id == ChangeRequest.quote_id)
    .outerjoin(Invoice, Invoice.id == ChangeRequest.invoice_id)
    .outerjoin(Item, Item.id == ChangeRequest.item_id)
    .outerjoin(Subscription, Subscription.id == Item.subscription_id)
    .outerjoin(
        _PRESENT,
        and_(_PRESENT.c.subscription_id == Item.subscription_id, _PRESENT.c.is_current),
    )
    .outerjoin(Product, Product.id == Subscription.product_id)
    .outerjoin(Plan, Plan.id == Item.plan_id)
    .outerjoin(AddOn, AddOn.id == Item.add_on_id)
)
_OF_ACCOUNT = (
    _REQUESTS.where(ChangeRequest.account_id == bindparam("account_id"))
    .order_by(ChangeRequest.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_ADMINS = (
    select(func.count(Member.id))
    .where(
        Member.account_id == ChangeRequest.account_id,
        Member.role == "admin",
        Member.status == "active",
    )
    .correlate(ChangeRequest)
    .scalar_subquery()
)
_ONE = _REQUESTS.where(
    ChangeRequest.id == bindparam("request_id"),
    ChangeRequest.account_id == bindparam("account_id"),
)
_BEGUN = BillingPeriod.__table__.alias("begun")
_RENEWAL = Invoice.__table__.alias("renewal")
_LINE = InvoiceLine.__table__.alias("renewal_line")
# A row for each period that began since it was sent, and again for each credit note of its invoice.
_TO_HANDLE = (
    _ONE.add_columns(
        _ADMINS, _LINE.c.id, _BEGUN.c.starts_on, _RENEWAL.c.id, _RENEWAL.c.number, _LINE.c.position,
        _LINE.c.quantity, _LINE.c.unit_minor, _RENEWAL.c.currency, CreditNote.lines,
    )
    .outerjoin(
        _BEGUN,
        and_(
            _BEGUN.c.subscription_id == Item.subscription_id,
            _BEGUN.c.starts_on > ChangeRequest.sent_on,
            or_(_BEGUN.c.is_current, _BEGUN.c.closed_at.is_not(None)),
        ),
    )
    .outerjoin(_RENEWAL, _RENEWAL.c.id == _BEGUN.c.renewal_invoice_id)
    .outerjoin(
        _LINE, and_(_LINE.c.invoice_id == _RENEWAL.c.id, _LINE.c.item_id == ChangeRequest.item_id)
    )
    .outerjoin(CreditNote, CreditNote.invoice_id == _RENEWAL.c.id)
    .order_by(_BEGUN.c.starts_on, CreditNote.id)
)  # fmt: skip
# Steps and messages in one statement; a step has a status, a message its words.
_STORY = union_all(
    select(
        literal(0).label("is_message"), RequestStep.id.label("id"), RequestStep.at.label("at"),
        RequestStep.status.label("words"), Person.name.label("by"),
        RequestStep.from_staff.label("from_staff"),
    )
    .outerjoin(Person, Person.id == RequestStep.author_id)
    .where(RequestStep.request_id == bindparam("request_id")),
    select(
        literal(1), RequestMessage.id, RequestMessage.at, RequestMessage.text, Person.name,
        RequestMessage.from_staff,
    )
    .join(Person, Person.id == RequestMessage.author_id)
    .where(RequestMessage.request_id == bindparam("request_id")),
).order_by("is_message", "id")  # fmt: skip

# Written out, so that both databases see that the partial indexes hold them.
_OPEN = text("change_request.closed_at IS NULL")
_CLOSED = text("change_request.closed_at IS NOT NULL")


@cache
def _queue(is_mine: bool, is_open: bool, is_one_status: bool) -> Select[Any]:
    queue = _REQUESTS.add_columns(Account.id, Account.name).join(
        Account, Account.id == ChangeRequest.account_id
    )
    if is_mine:
        queue = queue.where(Account.account_executive_id == bindparam("staff_id"))
    if is_one_status:
        queue = queue.where(ChangeRequest.status == bindparam("status"))
    if is_open:
        queue = queue.where(_OPEN)
        return page_by_age(queue, ChangeRequest.sent_at, ChangeRequest.id, latest_first=False)
    queue = queue.where(_CLOSED)
    return page_by_age(queue, ChangeRequest.closed_at, ChangeRequest.id, latest_first=True)


def list_requests(
    connection: Connection, account_id: int, *, limit: int, offset: int = 0
) -> list[ChangeRequestRow]:
    """The account's requests, the newest first."""
    rows = fetch_all(connection, _OF_ACCOUNT, account_id=account_id, limit=limit, offset=offset)
    return [_row(row) for row in rows]


def get_request(
    connection: Connection, account_id: int, request_id: int
) -> ChangeRequestRow | None:
    """A request of the account, or None (also for another account's)."""
    row = fetch_first(connection, _ONE, account_id=account_id, request_id=request_id)
    return _row(row) if row is not None else None


def get_request_to_handle(
    connection: Connection, account_id: int, request_id: int
) -> ToHandle | None:
    """As `get_request`, with what the desk has to know to decide."""
    rows = fetch_all(connection, _TO_HANDLE, account_id=account_id, request_id=request_id)
    if not rows:
        return None
    width = len(_COLUMNS)
    lines: dict[int, Any] = {}
    credited: dict[int, int] = {}
    for row in rows:
        line_id, *facts, noted = row[width + 1 :]
        if line_id is None:
            continue
        lines[line_id] = facts
        credited[line_id] = credited.get(line_id, 0) + sum(
            line["net_minor"] for line in noted or () if line["position"] == facts[3]
        )
    return ToHandle(
        _row(rows[0][:width]),
        rows[0][width],
        tuple(
            InvoicedSeats(starts_on, invoice_id, number, position, quantity,
                          Money(unit, currency), Money(credited[key], currency))
            for key, (starts_on, invoice_id, number, position, quantity, unit, currency)
            in lines.items()
        ),
    )  # fmt: skip


def get_story(connection: Connection, request_id: int) -> Story:
    """What happened and what was said; of a request that was found for its account."""
    steps: list[StepTaken] = []
    said: list[SaidOfRequest] = []
    for is_message, _id, at, words, by, from_staff in fetch_all(
        connection, _STORY, request_id=request_id
    ):
        if is_message:
            said.append(SaidOfRequest(at, by, from_staff, words))
        else:
            steps.append(StepTaken(at, RequestStatus(words), by, from_staff))
    return Story(tuple(steps), tuple(said))


def list_open_queue(
    connection: Connection, staff_id: int | None, *, status: str, behind: Place | None, limit: int
) -> list[QueueRow]:
    """One page of what is not finished, the longest waiting first; with `status` only that.

    `staff_id` narrows to the customers of an account executive; None is everything.
    """
    return _list_queue(connection, staff_id, True, status, behind, limit)


def list_closed_queue(
    connection: Connection, staff_id: int | None, *, behind: Place | None, limit: int
) -> list[QueueRow]:
    """One page of what is finished, the latest first."""
    return _list_queue(connection, staff_id, False, "", behind, limit)


def _list_queue(
    connection: Connection, staff_id: int | None, is_open: bool, status: str,
    behind: Place | None, limit: int,
) -> list[QueueRow]:  # fmt: skip
    values = page_values(behind, limit, latest_first=not is_open)
    if staff_id is not None:
        values["staff_id"] = staff_id
    if status:
        values["status"] = status
    statement = _queue(staff_id is not None, is_open, bool(status))
    width = len(_COLUMNS)
    return [
        QueueRow(_row(row[:width]), *row[width:])
        for row in fetch_all(connection, statement, **values)
    ]


def _row(row: Any) -> ChangeRequestRow:
    *head, due_on, status, owed, currency, item_id, subscription_id, start, end = row[:-4]
    product_key, *more = row[-4:]
    values: tuple[Any, ...] = (
        *head,
        due_on,
        Money(owed, currency) if status == "open" and owed > 0 else None,
        item_id,
        subscription_id,
        Period(start, end) if start is not None else None,
        ItemKeys(product_key, *more) if product_key is not None else None,
    )
    return ChangeRequestRow(*values)
