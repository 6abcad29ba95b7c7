"""What customers write and ask for, as the desk reads it: the messages and the packages that wait.

`staff_id` narrows to the customers of an account executive; None is everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.models import Account, Order, OrderLine, Person, ServiceRequest, SupportMessage
from portal.queries.keyset import Place, page_by_age, page_values

__all__ = [
    "DeskMessageRow", "DeskServiceRow", "ServiceToHandle", "get_service_to_handle",
    "list_desk_messages", "list_desk_services",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeskMessageRow:
    """A message in the desk's list; it stands as it does since `changed_at`."""

    id: int
    about: str
    author: str
    changed_at: datetime
    account_id: int
    account_name: str


@dataclass(frozen=True, slots=True)
class DeskServiceRow:
    """A service package that was asked for or bought, in the desk's list; `at` is since when."""

    id: int
    package_key: str
    status: str
    asked_by: str
    at: datetime
    account_id: int
    account_name: str


@dataclass(frozen=True, slots=True)
class ServiceToHandle:
    """One request for a package with all that was written, and the order where it was bought."""

    id: int
    package_key: str
    status: str
    wishes: str
    answer: str
    asked_at: datetime
    changed_at: datetime
    asked_by: str
    order_number: str | None


# Written out, so that both databases see that the partial indexes hold them.
_OPEN, _CLOSED = (
    text("service_request.closed_at IS NULL"),
    text("service_request.closed_at IS NOT NULL"),
)


def _page(found: Any, at: Any, key: Any, *, is_mine: bool, latest_first: bool) -> Select[Any]:
    if is_mine:
        found = found.where(Account.account_executive_id == bindparam("staff_id"))
    return page_by_age(found, at, key, latest_first=latest_first)


@cache
def _messages(is_mine: bool, latest_first: bool) -> Select[Any]:
    found = (
        select(
            SupportMessage.id, SupportMessage.about, Person.name, SupportMessage.changed_at,
            Account.id, Account.name,
        )
        .join(Account, Account.id == SupportMessage.account_id)
        .join(Person, Person.id == SupportMessage.author_id)
        .where(SupportMessage.status == bindparam("status"))
    )  # fmt: skip
    return _page(found, SupportMessage.changed_at, SupportMessage.id,
                 is_mine=is_mine, latest_first=latest_first)  # fmt: skip


@cache
def _services(is_mine: bool, are_closed: bool) -> Select[Any]:
    at = ServiceRequest.closed_at if are_closed else ServiceRequest.changed_at
    found = (
        select(
            ServiceRequest.id, ServiceRequest.package_key, ServiceRequest.status, Person.name, at,
            Account.id, Account.name,
        )
        .join(Account, Account.id == ServiceRequest.account_id)
        .join(Person, Person.id == ServiceRequest.asked_by_id)
        .where(_CLOSED if are_closed else _OPEN)
    )  # fmt: skip
    return _page(found, at, ServiceRequest.id, is_mine=is_mine, latest_first=are_closed)


_SERVICE = (
    select(
        ServiceRequest.id,
        ServiceRequest.package_key,
        ServiceRequest.status,
        ServiceRequest.wishes,
        ServiceRequest.answer,
        ServiceRequest.asked_at,
        ServiceRequest.changed_at,
        Person.name,
        Order.number,
    )
    .join(Person, Person.id == ServiceRequest.asked_by_id)
    .outerjoin(OrderLine, OrderLine.id == ServiceRequest.order_line_id)
    .outerjoin(Order, Order.id == OrderLine.order_id)
    .where(
        ServiceRequest.account_id == bindparam("account_id"),
        ServiceRequest.id == bindparam("service_id"),
    )
)


def list_desk_messages(
    connection: Connection, staff_id: int | None, *, status: str, behind: Place | None, limit: int
) -> list[DeskMessageRow]:
    """One page of the messages of a status: what waits by its age, the others the latest first."""
    latest_first = status != "new"
    values = _values(staff_id, behind, limit, latest_first=latest_first) | {"status": status}
    rows = fetch_all(connection, _messages(staff_id is not None, latest_first), **values)
    return [DeskMessageRow(*row) for row in rows]


def list_desk_services(
    connection: Connection, staff_id: int | None, *, are_closed: bool, behind: Place | None,
    limit: int,
) -> list[DeskServiceRow]:  # fmt: skip
    """One page of the packages that were asked for or bought: open by age, or closed."""
    values = _values(staff_id, behind, limit, latest_first=are_closed)
    rows = fetch_all(connection, _services(staff_id is not None, are_closed), **values)
    return [DeskServiceRow(*row) for row in rows]


def get_service_to_handle(
    connection: Connection, account_id: int, service_id: int
) -> ServiceToHandle | None:
    """One request of the account for a package, or None (also for another account's)."""
    row = fetch_first(connection, _SERVICE, account_id=account_id, service_id=service_id)
    return ServiceToHandle(*row) if row is not None else None


def _values(
    staff_id: int | None, behind: Place | None, limit: int, *, latest_first: bool
) -> dict[str, Any]:
    values = page_values(behind, limit, latest_first=latest_first)
    return values if staff_id is None else {**values, "staff_id": staff_id}
