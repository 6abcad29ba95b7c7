"""How connections are used: a writer's transaction is one, a reader's connection is alive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

import portal.db
from portal.db import reading, transaction
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
