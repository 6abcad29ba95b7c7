"""Everything of an account, to be taken away: read by keyset, a thousand rows at a time.

A dataset is one statement that is asked again and again for the rows after the last one, so the
memory it takes does not depend on how much there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_
from sqlalchemy.engine import Connection

from portal.domain.money import Money, major

__all__ = ["CHUNK", "Column", "Dataset", "dataset", "iter_rows"]

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file and what it means; `kind` is text, int, day, instant, money or json."""

    name: str
    meaning: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Dataset:
    """One file: its columns, and the statement that reads the rows after a key.

    An amount is one column of the statement and two of the file: `x_minor` in minor units and `x`
    in the currency's own, as text, so that no program makes a fraction of it.
    """

    name: str
    columns: tuple[Column, ...]
    statement: Select[Any] = field(repr=False)
    keys: int

    @property
    def file_columns(self) -> tuple[Column, ...]:
        """The columns as the files have them."""
        found: list[Column] = []
        for column in self.columns:
            if column.kind == "money":
                found.append(
                    Column(f"{column.name}_minor", f"{column.meaning}, minor units", "int")
                )
                found.append(Column(column.name, f"{column.meaning}, as text", "text"))
            else:
                found.append(column)
        return tuple(found)


def dataset(
    name: str,
    source: Select[Any],
    columns: tuple[tuple[Any, str, str, str], ...],
    keys: tuple[Any, ...],
    condition: Any,
) -> Dataset:
    """A file of what `condition` binds to the account.

    `columns` are (expression, name, kind, meaning). `keys` order the rows: one or two whole
    numbers that are one row's alone.
    """
    first = keys[0] > bindparam("after_0")
    after = (
        or_(first, and_(keys[0] == bindparam("after_0"), keys[1] > bindparam("after_1")))
        if len(keys) > 1
        else first
    )
    statement = (
        source.with_only_columns(*(expression for expression, *_ in columns), *keys)
        .where(condition, after)
        .order_by(*keys)
        .limit(CHUNK)
    )
    return Dataset(
        name,
        tuple(Column(column, meaning, kind) for _, column, kind, meaning in columns),
        statement,
        len(keys),
    )


def iter_rows(
    connection: Connection, wanted: Dataset, account_id: int
) -> Iterator[tuple[Any, ...]]:
    """Every row of the account, in the order of `file_columns`, as JSON knows values."""
    kinds = [column.kind for column in wanted.columns]
    names = [column.name for column in wanted.columns]
    currency_at = names.index("currency") if "currency" in names else -1
    width, after = len(kinds), {f"after_{place}": 0 for place in range(wanted.keys)}
    while True:
        rows = connection.execute(wanted.statement, {"account_id": account_id, **after}).all()
        for row in rows:
            yield tuple(_values(row[:width], kinds, row[currency_at]))
        if len(rows) < CHUNK:
            return
        after = {f"after_{place}": rows[-1][width + place] for place in range(wanted.keys)}


def _values(row: Any, kinds: list[str], currency: Any) -> Iterator[Any]:
    for value, kind in zip(row, kinds, strict=True):
        if kind == "money":
            yield value
            yield None if value is None else str(major(Money(value, currency)))
        elif isinstance(value, datetime):
            yield value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        elif isinstance(value, date):
            yield value.isoformat()
        else:
            yield value
