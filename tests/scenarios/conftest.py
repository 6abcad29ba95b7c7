"""Scenarios of many rounds: each begins as a test does, and its end is looked at from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from portal.clock import clock
from portal.extensions import db
from tests.conftest import NOW, Database


@pytest.fixture
def opened() -> Iterator[list[Session]]:
    """The sessions that a round looked at its end with."""
    sessions: list[Session] = []
    yield sessions
    for each in sessions:
        each.close()


@pytest.fixture
def fresh(app: Flask, database: Database, opened: list[Session]) -> Callable[[], None]:
    """Put the template back, as before each test."""

    def reset() -> None:
        while opened:
            opened.pop().close()
        with app.app_context():
            db.session.remove()
            database.reset()
        clock.fix(NOW)

    return reset


@pytest.fixture
def look(database: Database, opened: list[Session]) -> Callable[[], Session]:
    """Opens a session on what is committed now."""

    def session() -> Session:
        engine = create_engine(database.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        opened.append(Session(engine, autoflush=False))
        return opened[-1]

    return session
