"""Transactions and engine settings for SQLite and PostgreSQL.

Writers use `transaction()`: one ORM session, committed once, at the edge (rule 4 of the road).
On SQLite it begins IMMEDIATE: deferred transactions that upgrade to a write lock fail under load.
Readers use `reading()`: a connection that never takes the write lock.

The drivers are in autocommit and transactions begin here, on SQLAlchemy's own "begin": so that a
reader of PostgreSQL pays for no BEGIN and no ROLLBACK, and none of both for switching modes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Engine,
    Executable,
    Text,
    TypeDecorator,
    bindparam,
    event,
)
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from portal.extensions import db

__all__ = [
    "Transaction", "among", "engine_options", "fetch_all", "fetch_first", "is_database_away",
    "prepare_engine", "reading", "snapshot", "transaction",
]  # fmt: skip

Transaction = Callable[[], AbstractContextManager[Session]]
"""Opens a transaction that commits at its end: `transaction`, as the edge hands it to a service."""

_READS = "portal_reads"
_LEFT = "portal_left"
_MOST_STATEMENTS = 500
_TRUSTED_SECONDS = 5
"""A PostgreSQL connection that was used this recently is taken to be alive."""


def engine_options(url: str) -> dict[str, Any]:
    """Options for `create_engine`, by database."""
    if url.startswith("sqlite"):
        return {
            "hide_parameters": True,  # errors are logged, and parameters are people's data
            "connect_args": {"isolation_level": None, "timeout": 20, "check_same_thread": False},
        }
    return {
        "hide_parameters": True,
        "connect_args": {"autocommit": True},
        "pool_size": 8,
        "max_overflow": 8,
        "pool_timeout": 10,
    }


def prepare_engine(engine: Engine) -> None:
    """Install what each database needs on its connections; before the first is opened."""
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "do_connect")
    def _made_for_its_owner(*_how: object) -> None:
        # SQLite makes its file for everybody to read, and its journals as the file is: an empty
        # one that is there already is taken as it is.
        file = engine.url.database or ""
        if file and not file.startswith((":memory:", "file:")):
            with suppress(OSError):  # SQLite says better why it cannot be opened
                Path(file).touch(mode=0o600, exist_ok=False)

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
        if connection.get_execution_options().get(_READS):
            # One snapshot for the whole request; past SQLAlchemy, as every page does it.
            cast(sqlite3.Connection, connection.connection.dbapi_connection).execute("BEGIN")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # One statement is one snapshot: a reader has nothing to wait for.
        if not connection.get_execution_options().get(_READS):
            connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "checkin")
    def _left(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_LEFT] = monotonic()

    @event.listens_for(engine, "checkout")
    def _is_alive(connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        # Asking each time costs as much as a statement of the page.
        if monotonic() - record.info.get(_LEFT, monotonic()) < _TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(cast(DBAPIConnection, connection))
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error  # the pool opens a new one


class _PrebuiltStatements(dict[tuple[Any, ...], tuple[Any, Any]]):
    """SQLAlchemy's cache of compiled SQL for statements that are module constants.

    Its own cache is asked with the whole structure of the statement, which is walked to be hashed
    at every execution. That structure is the statement's own and stays the same object: here it
    is known by its identity, and kept, so that no other can take its place.
    """

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        structure, compiled = super().get((id(key[1]), *key[2:]), (None, None))
        return compiled if structure is key[1] else default

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        if len(self) >= _MOST_STATEMENTS:  # some are built for one use: never without end
            self.clear()
        super().__setitem__((id(key[1]), *key[2:]), (key[1], compiled))


@lru_cache(maxsize=8)
def _reading_engine(engine: Engine) -> Engine:
    return engine.execution_options(**{_READS: True, "compiled_cache": _PrebuiltStatements()})


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection to read with; nothing that is written on it stays."""
    with _reading_engine(db.engine).connect() as connection:
        yield connection


@contextmanager
def snapshot() -> Iterator[Connection]:
    """As `reading`, but all its statements see one moment: for what is read in many of them."""
    with reading() as connection:
        if connection.dialect.name != "postgresql":  # SQLite's readers have one anyway
            yield connection
            return
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


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


def is_database_away(error: BaseException) -> bool:
    """Whether the database itself is away or busy: no item of a batch is to blame for that."""
    return isinstance(error, OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


class _IdList(TypeDecorator[Any]):
    """Many row ids as one value: an array, or JSON where there is none."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """PostgreSQL has arrays."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(BigInteger))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """The ids as the database takes them."""
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


def among(column: Any, name: str = "ids", ids: Collection[int] | None = None) -> Any:
    """Whether an id is one of `ids`, or of those given for `name` at the execution.

    One value however many they are: a parameter each, as `in_` has them, costs far more.
    """
    if ids is None:
        return _Among(column, bindparam(name, type_=_IdList))
    return _Among(column, bindparam(name, list(ids), type_=_IdList, unique=True))


class _Among(FunctionElement[Any]):
    """`column = ANY (ids)`, as each database says it."""

    # Not Boolean: SQLite's would read `(… IN …) = 1`, which no index answers.
    type = NullType()
    inherit_cache = True


@compiles(_Among, "postgresql")
def _any_of(element: Any, compiler: Any, **options: Any) -> str:
    column, ids = element.clauses
    return f"{compiler.process(column, **options)} = ANY ({compiler.process(ids, **options)})"


@compiles(_Among, "sqlite")
def _in_json(element: Any, compiler: Any, **options: Any) -> str:
    column, ids = element.clauses
    listed = f"json_each({compiler.process(ids, **options)})"
    return f"{compiler.process(column, **options)} IN (SELECT value FROM {listed})"  # noqa: S608  # bound


def fetch_all(connection: Connection, statement: Executable, **values: object) -> list[Any]:
    """All rows of a prebuilt statement; a row unpacks in the order of its columns."""
    return list(connection.execute(statement, values).all())


def fetch_first(connection: Connection, statement: Executable, **values: object) -> Any:
    """The first row of a prebuilt statement, or None."""
    return connection.execute(statement, values).first()
