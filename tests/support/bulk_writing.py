"""Collected rows go into the database in one piece a table (see tests.support.bulk)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, text

from portal.services.bulk_rows import insert_rows

__all__ = ["write_rows"]


def write_rows(connection: Connection, rows: Mapping[Any, list[dict[str, Any]]]) -> None:
    """Insert the rows of each model, parents first."""
    for model in sorted(rows, key=_place):
        _insert(connection, model.__table__, rows[model])


def _place(model: Any) -> int:
    tables = model.metadata.sorted_tables
    return int(tables.index(model.__table__))


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    columns = tuple(rows[0])
    insert_rows(
        connection, table, columns, [[_plain(row[name]) for name in columns] for row in rows]
    )
    if connection.dialect.name != "postgresql" or "id" not in table.c:
        return
    # The next row of the application must not take an id that is in use.
    connection.execute(
        text(
            f"SELECT setval(pg_get_serial_sequence('\"{table.name}\"', 'id'), max(id)) "
            f'FROM "{table.name}"'
        )
    )


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
