"""The schema: migrations make what the models say, and the database holds the ledgers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import Table, delete, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.extensions import db
from portal.migrations.head import FIRST, is_current
from portal.migrations.regenerate import first_migration
from portal.models.columns import APPEND_ONLY_TABLES


def schema(engine: Any) -> list[tuple[str, str]]:
    """The database's own words for its tables, indexes and triggers."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            query = "SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name"
        else:
            query = (
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
            )
        return [tuple(row) for row in connection.execute(text(query))]


def test_migrations_make_what_the_models_say(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection, warnings.catch_warnings():
        # SQLite cannot reflect indexes on expressions; the next test compares those by name.
        warnings.simplefilter("ignore")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_every_index_and_check_of_the_models_is_there(app: Flask) -> None:
    with app.app_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = inspect(db.engine)
        names = {name for name, _ in schema(db.engine)}
        for table in db.metadata.tables.values():
            for index in table.indexes:
                assert index.name in names
            checks = {c["name"] for c in found.get_check_constraints(table.name)}
            wanted = {c.name for c in table.constraints if c.__visit_name__ == "check_constraint"}
            assert wanted <= checks, table.name


def test_the_first_migration_is_as_the_models_would_write_it() -> None:
    """Until the first release: `python -m portal.migrations.regenerate` after a change of models."""
    assert FIRST.read_text(encoding="utf-8") == first_migration()


def test_readyz_says_what_is_missing(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/readyz").status_code == 200
    with app.app_context():
        with db.engine.begin() as connection:
            assert is_current(connection)
            connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        answer = client.get("/readyz")
        assert (answer.status_code, "flask db upgrade" in answer.text) == (503, True)
        with db.engine.begin() as connection:
            connection.execute(text("DROP TABLE alembic_version"))
        assert client.get("/readyz").status_code == 503


def test_upgrading_again_changes_nothing(app: Flask) -> None:
    with app.app_context():
        before = schema(db.engine)
        upgrade()
        assert schema(db.engine) == before


@pytest.mark.parametrize("name", APPEND_ONLY_TABLES)
def test_rule5_a_ledger_refuses_update_and_delete(session: Session, name: str) -> None:
    table: Table = db.metadata.tables[name]
    _fill(session, table)
    column = next(c for c in table.columns if not c.primary_key and not c.foreign_keys)
    for statement in (update(table).values({column.name: column}), delete(table)):
        save = session.begin_nested()
        with pytest.raises(DBAPIError, match=f"{name} is append-only"):
            session.execute(statement)
        save.rollback()


def _fill(session: Session, table: Table) -> None:
    """A row to try it on; the demo's data has one in most ledgers."""
    if session.execute(select(table).limit(1)).first() is not None:
        return
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
    else:
        session.execute(text("SET LOCAL session_replication_role = replica"))
    values: dict[str, Any] = {}
    for column in table.columns:
        if column.primary_key or column.nullable:
            continue
        allowed = _allowed(table, column.name)
        kind = str(column.type)
        if allowed is not None:
            values[column.name] = allowed
        elif column.type.python_type is dict or kind == "JSON":
            values[column.name] = []
        elif column.type.python_type is int or column.type.python_type is bool:
            values[column.name] = column.type.python_type(1)
        elif column.type.python_type is str:
            values[column.name] = "EUR"
        else:
            from tests.conftest import NOW

            values[column.name] = NOW if "DATETIME" in kind.upper() else NOW.date()
    session.execute(table.insert().values(values))
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL session_replication_role = origin"))


def _allowed(table: Table, column: str) -> str | None:
    for constraint in table.constraints:
        words = str(getattr(constraint, "sqltext", ""))
        if words.startswith(f"{column} IN ("):
            return words.split("'")[1]
    return None
