"""Fixtures: one app a database and session, a database fresh from a template for every test.

Tests run on SQLite and on PostgreSQL 18 (embedded, from a wheel). The template holds the schema
of the migrations and the demo's customers as of NOW.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade
from hypothesis import settings
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from portal.app import create_app
from portal.clock import clock
from portal.config import DEMO_CATALOG, MailSettings, Mode, Settings
from portal.db import transaction
from portal.extensions import db, limiter
from portal.parts import Parts
from tests.fake_stripe.driver import FakeStripe
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree
from tests.support.postgres import PostgresServer
from tests.support.soak import IS_SOAK

# A gate asks every change the same questions; `make soak` asks new ones, and more of them.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("soak", max_examples=2_000, deadline=None)
settings.load_profile("soak" if IS_SOAK else "gate")

# A Thursday morning in the European winter; the demo's customers are laid around it.
NOW = datetime(2026, 10, 29, 9, 0, tzinfo=UTC)


class Database:
    """One kind of database: how to make a fresh copy of its template."""

    def __init__(self, name: str, folder: Path, server: PostgresServer | None) -> None:
        self.name = name
        self.folder = folder
        self.server = server
        if server is not None:
            self.url = server.create_database("portal_test")
        else:
            self.url = f"sqlite:///{folder / 'portal.db'}"

    def keep_as_template(self) -> None:
        """What the database holds now is what every test begins with."""
        db.engine.dispose()
        if self.server is not None:
            self.server.create_database("portal_template", template="portal_test")
        else:
            shutil.copyfile(self.folder / "portal.db", self.folder / "template.db")

    def reset(self) -> None:
        """Put the template's content back."""
        db.engine.dispose()
        if self.server is not None:
            self.server.drop_database("portal_test")
            self.server.create_database("portal_test", template="portal_template")
        else:
            for suffix in ("-wal", "-shm"):
                (self.folder / f"portal.db{suffix}").unlink(missing_ok=True)
            shutil.copyfile(self.folder / "template.db", self.folder / "portal.db")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database",
        choices=["sqlite", "postgresql"],
        help="run the tests on one database only (quicker while working)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        only = metafunc.config.getoption("--only-database")
        names = [only] if only else ["sqlite", "postgresql"]
        metafunc.parametrize("database", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    name = request.param
    server = request.getfixturevalue("postgres") if name == "postgresql" else None
    return Database(name, tmp_path_factory.mktemp(name), server)


@pytest.fixture(scope="session")
def portal_app(database: Database) -> Iterator[Flask]:
    """The app on one database, its template made: migrated, and filled with the demo's customers."""
    from portal.demo.seed import seed

    settings = Settings(
        mode=Mode.TEST,
        database_url=database.url,
        secret_key="a-secret-of-the-tests-0123456789abcdef",
        catalog_file=DEMO_CATALOG,
        public_url="http://localhost",
        instance=database.folder,
        mail=MailSettings(host="127.0.0.1", port=1, sender="portal@kanto.example"),
    )
    app = create_app(settings)
    with app.app_context():
        assert make_url(database.url).database
        upgrade()
        parts: Parts = app.extensions["portal"]
        with transaction() as session:
            seed(session, parts.catalogue, NOW)
        database.keep_as_template()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(portal_app: Flask, database: Database) -> Iterator[Flask]:
    """The app with the template's customers, the clock standing at NOW."""
    with portal_app.app_context():
        database.reset()
    clock.fix(NOW)
    limiter.enabled = False  # one for the process: an app that a test made may have switched it on
    yield portal_app
    clock.fix(None)


@pytest.fixture
def parts(app: Flask) -> Parts:
    found: Parts = app.extensions["portal"]
    return found


@pytest.fixture
def app_context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def agreeing_books(request: pytest.FixtureRequest, app: Flask) -> Iterator[None]:
    """Whatever the test did with money: the ledger check finds nothing at its end (M7).

    Not where it wrote rows past the services: they are marked `forges_rows`.
    """
    yield
    if request.node.get_closest_marker("forges_rows") is None:
        with app.app_context():
            the_books_agree(app.extensions["portal"])


@pytest.fixture(scope="session")
def fake_stripe() -> Iterator[FakeStripe]:
    """A fake Stripe for the whole run, its state put back for every test."""
    with FakeStripe() as running:
        yield running


@pytest.fixture
def session(app_context: None) -> Iterator[Session]:
    """A session of a test's own; it is never committed for you."""
    own = Session(db.engine, autoflush=False, expire_on_commit=False)
    yield own
    own.rollback()
    own.close()


@pytest.fixture
def books(app: Flask) -> Iterator[Session]:
    """A session that sees what is committed, statement by statement, and keeps nobody waiting.

    (The `session` above begins like a writer: on SQLite everybody else waits for its end.)
    """
    with app.app_context():
        url = db.engine.url
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with Session(engine, autoflush=False, expire_on_commit=False) as own:
        yield own


@pytest.fixture
def client(app: Flask) -> PortalClient:
    """A browser without JavaScript that checks every page it fetches."""
    return PortalClient(app)
