"""Column types and small declarations that every table shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    event,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

__all__ = [
    "Code",
    "Currency",
    "Document",
    "Id",
    "Instant",
    "LongText",
    "Minor",
    "Name",
    "OptionalInstant",
    "UtcDateTime",
    "append_only",
    "one_of",
    "reference",
]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant on both databases; SQLite alone would hand back a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_BIG = BigInteger().with_variant(Integer, "sqlite")

Id = Annotated[int, mapped_column(_BIG, primary_key=True)]
Minor = Annotated[int, mapped_column(BigInteger)]
Currency = Annotated[str, mapped_column(String(3))]
Code = Annotated[str, mapped_column(String(40))]
Name = Annotated[str, mapped_column(String(200))]
LongText = Annotated[str, mapped_column(Text)]
Instant = Annotated[datetime, mapped_column(UtcDateTime)]
OptionalInstant = Annotated[datetime | None, mapped_column(UtcDateTime)]
Document = Annotated[dict[str, Any], mapped_column(JSON)]


def reference(target: str, *, index: bool = True, nullable: bool = False) -> Any:
    """A foreign key column; rows that others point to are never deleted (RESTRICT)."""
    return mapped_column(
        _BIG, ForeignKey(target, ondelete="RESTRICT"), index=index, nullable=nullable
    )


def one_of(column: str, *values: str) -> CheckConstraint:
    """The database refuses any other value in `column`."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


# The statements that make a ledger append-only, per database; migrations run the same ones.
APPEND_ONLY_SQL = {
    "sqlite": (
        (
            "CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
            "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        ),
        (
            "CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger AS "
            "$$BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END$$ LANGUAGE plpgsql"
        ),
        (
            "CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        ),
    ),
}

APPEND_ONLY_TABLES: list[str] = []


def append_only(table: Any) -> None:
    """Hold rule 5 of the road in the database: rows are added, never changed or deleted."""
    assert isinstance(table, Table)
    APPEND_ONLY_TABLES.append(table.name)
    for dialect, statements in APPEND_ONLY_SQL.items():
        for statement in statements:
            ddl = DDL(statement.format(table=table.name).replace("%", "%%"))
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))
