"""Transactions and engine settings for SQLite and PostgreSQL.

Writers use `transaction()`: one ORM session, committed once, at the edge (rule 4 of the road).
On SQLite it begins IMMEDIATE: deferred transactions that upgrade to a write lock fail under load.
Readers use `reading()`: a connection that never takes the write lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, Executable, event
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from portal.extensions import db

__all__ = ["engine_options", "fetch_all", "fetch_first", "prepare_engine", "reading", "transaction"]

_READS = "portal_reads"


def engine_options(url: str) -> dict[str, Any]:
    """Options for `create_engine`, by database."""
    if url.startswith("sqlite"):
        return {
            "connect_args": {"isolation_level": None, "timeout": 20, "check_same_thread": False}
        }
    return {"pool_pre_ping": True, "pool_size": 8, "max_overflow": 8, "pool_timeout": 10}


def prepare_engine(engine: Engine) -> None:
    """Install what SQLite needs on every connection; PostgreSQL needs nothing."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=20000")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _reading_engine() -> Engine:
    engine = db.engine
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_READS: True})
    # One statement is one snapshot on PostgreSQL: no BEGIN and ROLLBACK to wait for.
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection to read with; nothing that is written on it stays."""
    with _reading_engine().connect() as connection:
        yield connection


@contextmanager
def transaction() -> Iterator[Session]:
    """The one write transaction of a request's or a job's edge: commits at the end, or nothing."""
    session = Session(db.engine, autoflush=False, expire_on_commit=False)
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.close()


def fetch_all(connection: Connection, statement: Executable, **values: object) -> list[Any]:
    """All rows of a prebuilt statement; a row unpacks in the order of its columns."""
    return list(connection.execute(statement, values))


def fetch_first(connection: Connection, statement: Executable, **values: object) -> Any:
    """The first row of a prebuilt statement, or None."""
    return connection.execute(statement, values).first()
