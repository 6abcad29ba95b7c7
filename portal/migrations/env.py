"""Runs the migrations of `flask db …` on the app's database, all of them or none."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import text
from sqlalchemy.engine import Connection

from portal.migrations.rendering import include_object, render_item

# Any number that nothing else in the database uses: two hosts that start together migrate in turn.
_LOCK = 7_011_026
_database = current_app.extensions["migrate"].db


def _configure(**options: object) -> None:
    context.configure(
        target_metadata=_database.metadata,
        render_item=render_item,
        include_object=include_object,
        compare_type=True,
        # With BEGIN IMMEDIATE (portal/db.py) SQLite's DDL is transactional too.
        transactional_ddl=True,
        **options,
    )


def _online(connection: Connection) -> None:
    _configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


if context.is_offline_mode():
    _configure(url=_database.engine.url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with _database.engine.connect() as _connection:
        _online(_connection)
