"""Desk tasks: what the vendor's people must look at, the longest waiting first.

`staff_id` narrows to the customers of an account executive; None is everything, also what belongs
to no customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select, text
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.models import Account, DeskTask, Person
from portal.queries.keyset import Place, page_by_age, page_values

__all__ = ["TaskRow", "get_task", "list_done_tasks", "list_open_tasks", "list_tasks_of"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task; `details` are what its kind recorded, `done_by` is None where it settled itself."""

    id: int
    kind: str
    details: Mapping[str, Any]
    created_at: datetime
    done_at: datetime | None
    done_by: str | None
    account_id: int | None
    account_name: str | None


_COLUMNS = (
    DeskTask.id,
    DeskTask.kind,
    DeskTask.details,
    DeskTask.created_at,
    DeskTask.done_at,
    Person.name,
    Account.id,
    Account.name,
)
# Written out, so that both databases see that the partial indexes hold them.
_OPEN, _DONE = text("desk_task.done_at IS NULL"), text("desk_task.done_at IS NOT NULL")


def _tasks(is_mine: bool, is_one_kind: bool = False) -> Select[Any]:
    found = (
        select(*_COLUMNS)
        .select_from(DeskTask)
        .outerjoin(Account, Account.id == DeskTask.account_id)
        .outerjoin(Person, Person.id == DeskTask.done_by_id)
    )
    if is_mine:
        found = found.where(Account.account_executive_id == bindparam("staff_id"))
    if is_one_kind:
        found = found.where(DeskTask.kind == bindparam("kind"))
    return found


@cache
def _open(is_mine: bool, is_one_kind: bool) -> Select[Any]:
    found = _tasks(is_mine, is_one_kind).where(_OPEN)
    return page_by_age(found, DeskTask.created_at, DeskTask.id, latest_first=False)


@cache
def _done(is_mine: bool, is_one_kind: bool) -> Select[Any]:
    found = _tasks(is_mine, is_one_kind).where(_DONE)
    return page_by_age(found, DeskTask.done_at, DeskTask.id, latest_first=True)


@cache
def _one(is_mine: bool) -> Select[Any]:
    return _tasks(is_mine).where(DeskTask.id == bindparam("task_id"))


_OF_ACCOUNT = (
    _tasks(is_mine=False)
    .where(DeskTask.account_id == bindparam("account_id"))
    .order_by(DeskTask.id.desc())
    .limit(bindparam("limit"))
)


def list_open_tasks(
    connection: Connection, staff_id: int | None, *, kind: str, behind: Place | None, limit: int
) -> list[TaskRow]:
    """One page of what is open, the longest waiting first; with `kind` only that."""
    return _list(connection, _open(staff_id is not None, bool(kind)), staff_id, kind,
                 page_values(behind, limit, latest_first=False))  # fmt: skip


def list_done_tasks(
    connection: Connection, staff_id: int | None, *, kind: str, behind: Place | None, limit: int
) -> list[TaskRow]:
    """One page of what is done, the latest first."""
    return _list(connection, _done(staff_id is not None, bool(kind)), staff_id, kind,
                 page_values(behind, limit, latest_first=True))  # fmt: skip


def list_tasks_of(connection: Connection, account_id: int, *, limit: int) -> list[TaskRow]:
    """The latest tasks of one customer, open and done."""
    rows = fetch_all(connection, _OF_ACCOUNT, account_id=account_id, limit=limit)
    return [TaskRow(*row) for row in rows]


def get_task(connection: Connection, task_id: int, staff_id: int | None) -> TaskRow | None:
    """One task, or None (also where `staff_id` does not serve its customer)."""
    values = {"task_id": task_id} | ({} if staff_id is None else {"staff_id": staff_id})
    row = fetch_first(connection, _one(staff_id is not None), **values)
    return TaskRow(*row) if row is not None else None


def _list(
    connection: Connection, statement: Any, staff_id: int | None, kind: str, values: dict[str, Any]
) -> list[TaskRow]:
    if staff_id is not None:
        values["staff_id"] = staff_id
    if kind:
        values["kind"] = kind
    return [TaskRow(*row) for row in fetch_all(connection, statement, **values)]
