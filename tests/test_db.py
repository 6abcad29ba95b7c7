"""How connections are used: a writer's transaction is one, a reader's connection is alive."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

import portal.db
from portal.app import create_app
from portal.config import DEMO_CATALOG, Mode, Settings
from portal.db import reading, transaction
from portal.extensions import db
from portal.models import Person


def _person(email: str) -> Person:
    return Person(
        email=email, name="Anna", locale="en", created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def _known(email: str) -> int:
    with reading() as connection:
        return connection.scalar(select(func.count()).where(Person.email == email)) or 0


def _add_and_fail(email: str) -> None:
    with transaction() as session:
        session.add(_person(email))
        session.flush()
        assert _known(email) == 0  # nobody else sees it meanwhile
        raise ZeroDivisionError


def test_a_transaction_is_all_or_nothing(app: Flask) -> None:
    """The drivers are in autocommit; a transaction still begins at its first statement."""
    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            _add_and_fail("gone@bulk.example")
        assert _known("gone@bulk.example") == 0
        with transaction() as session:
            session.add(_person("there@bulk.example"))
        assert _known("there@bulk.example") == 1


def test_the_same_statement_object_is_not_mistaken_for_another(app: Flask) -> None:
    """Statements are known by the identity of their structure, which is kept while they are."""
    with app.app_context(), reading() as connection:
        for number in range(700):
            column = Person.id if number % 2 else Person.email
            row = connection.execute(select(column).order_by(Person.id).limit(1)).one()
            assert isinstance(row[0], int if number % 2 else str)


def test_a_lost_connection_is_replaced(
    app: Flask, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PostgreSQL that was restarted meanwhile does not fail the next page."""
    if database.name != "postgresql":
        pytest.skip("SQLite has no server")
    monkeypatch.setattr(portal.db, "_TRUSTED_SECONDS", 0)
    with app.app_context():
        with reading() as lost, reading() as other:
            pid = lost.scalar(text("SELECT pg_backend_pid()"))
            other.execute(text(f"SELECT pg_terminate_backend({pid})"))
        for _ in range(3):
            with reading() as one, reading() as another:
                assert one.scalar(text("SELECT 1")) == another.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("place", ["own.db", "{folder}/instance/own.db"])
def test_the_files_of_sqlite_are_for_their_owner_alone(tmp_path: Path, place: str) -> None:
    """Persons, invoices and sessions are in it; other users of the host have no business there."""
    folder = tmp_path / "instance"
    before = os.umask(0o022)
    try:
        app = create_app(
            Settings(
                mode=Mode.TEST,
                database_url=f"sqlite:///{place.format(folder=tmp_path)}",
                secret_key="a-secret-of-the-tests-0123456789abcdef",
                catalog_file=DEMO_CATALOG,
                public_url="http://localhost",
                instance=folder,
            )
        )
        with app.app_context():
            with transaction() as session:
                session.execute(text("CREATE TABLE thing (id INTEGER)"))
                modes = {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}
            db.engine.dispose()
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes == {"own.db": 0o600, "own.db-wal": 0o600, "own.db-shm": 0o600}
