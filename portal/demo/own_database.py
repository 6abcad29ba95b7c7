"""The demo's mark in its database, and whether a database is somebody else's.

`make run` and `make demo-reset` fill and empty what they are given. Typed in the wrong shell that
would be customers' data, so the database itself has to say that it is a demo's.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import column, inspect, literal, select, table
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.services.audit import SYSTEM, record

__all__ = ["is_demo", "is_somebody_elses", "leave_mark"]

_MARK = "demo_filled"
_EVENTS = table("audit_event", column("action"))
_MIGRATIONS = "alembic_version"


def leave_mark(session: Session, now: datetime) -> None:
    """Mark the database as a demo's: an audit event, which nothing removes."""
    record(session, _MARK, actor=SYSTEM, now=now, account_id=None)


def is_demo(connection: Connection) -> bool:
    """Whether the demo filled this database; whatever its tables are, or lack."""
    found = inspect(connection)
    if not found.has_table(_EVENTS.name):
        return False
    if all(each["name"] != "action" for each in found.get_columns(_EVENTS.name)):
        return False
    marked = select(literal(1)).select_from(_EVENTS).where(_EVENTS.c.action == _MARK).limit(1)
    return connection.execute(marked).first() is not None


def is_somebody_elses(connection: Connection) -> bool:
    """Whether there is any row that no demo has written; False for empty tables, or none."""
    if is_demo(connection):
        return False
    names = set(inspect(connection).get_table_names()) - {_MIGRATIONS}
    return any(
        connection.execute(select(literal(1)).select_from(table(name)).limit(1)).first()
        for name in sorted(names)
    )
