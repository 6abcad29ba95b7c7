"""Writing many rows at once: COPY on PostgreSQL, one executemany on SQLite (rule 10 of the road).

Rows are tuples in the order of the named columns, ready for the database: a JSON column gets its
text, and there are no defaults but the id's. An ORM object a row would cost five times as much.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import JSON, Table, bindparam, func, select, text, update
from sqlalchemy.engine import Connection, Dialect

__all__ = ["as_json", "insert_rows", "take_ids", "update_rows"]

_MEMORY = 512  # a batch has few different instants and dates
as_json: Callable[[Any], str] = json.JSONEncoder().encode
"""The text of a JSON column, as SQLAlchemy writes it."""


@dataclass(frozen=True, slots=True)
class _Insert:
    """How rows of some columns of a table are written, on one database."""

    statement: str
    converts: tuple[tuple[int, Callable[[Any], Any]], ...]


def take_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """`count` ids for new rows that others will point to; to be used in this transaction.

    On SQLite nobody else writes meanwhile: take all of a table's ids before its rows are written.
    """
    if not count:
        return ()
    if connection.dialect.name == "postgresql":
        taken = connection.execute(
            _NEXT_IDS, {"sequence": f"{table.name}_id_seq", "count": count}
        ).scalars()
        return list(taken)
    last: int = connection.scalar(select(func.coalesce(func.max(table.c.id), 0))) or 0
    return range(last + 1, last + count + 1)


_NEXT_IDS = text(
    "SELECT nextval(CAST(:sequence AS regclass)) FROM generate_series(1, :count)"
).columns()


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Iterable[Sequence[Any]]
) -> None:
    """Write `rows`, the values of `columns`; nothing happens for none.

    From a generator PostgreSQL stores the first rows while the next are still being made.
    """
    coming = iter(rows)
    first = next(coming, None)
    if first is None:
        return
    found = chain((first,), coming)
    how = _insert_of(table, columns, connection.dialect)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection  # psycopg's
        with driver.cursor() as cursor, cursor.copy(how.statement) as copy:
            write = copy.write_row
            for row in found:
                write(row)
        return
    connection.exec_driver_sql(how.statement, [_converted(row, how.converts) for row in found])


def update_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Iterable[Sequence[Any]]
) -> None:
    """Change rows one by one in one go: each row is its id, then the values of `columns`."""
    found = [dict(zip(("row_id", *columns), row, strict=True)) for row in rows]
    if found:
        connection.execute(_update_of(table, columns), found)


def _converted(
    row: Sequence[Any], converts: tuple[tuple[int, Callable[[Any], Any]], ...]
) -> tuple[Any, ...]:
    values = list(row)
    for place, convert in converts:
        value = values[place]
        if value is not None:
            values[place] = convert(value)
    return tuple(values)


@lru_cache(maxsize=64)
def _insert_of(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Insert:
    listed = ", ".join(f'"{name}"' for name in columns)
    if dialect.name == "postgresql":
        return _Insert(f'COPY "{table.name}" ({listed}) FROM STDIN', ())
    marks = ", ".join("?" * len(columns))
    converts = []
    for place, name in enumerate(columns):
        kind = table.c[name].type
        if isinstance(kind, JSON):
            continue
        convert = kind.dialect_impl(dialect).bind_processor(dialect)
        if convert is not None:
            converts.append((place, lru_cache(maxsize=_MEMORY)(convert)))
    statement = f'INSERT INTO "{table.name}" ({listed}) VALUES ({marks})'  # noqa: S608  # names of ours
    return _Insert(statement, tuple(converts))


@lru_cache(maxsize=64)
def _update_of(table: Table, columns: tuple[str, ...]) -> Any:
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(table).where(table.c.id == bindparam("row_id")).values(**values)
