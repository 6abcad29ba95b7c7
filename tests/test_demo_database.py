"""`make run` and `make demo-reset` in the wrong shell: nobody's data is filled up or thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from flask_migrate import upgrade
from sqlalchemy import func, select, text

from portal.app import create_app
from portal.commands_demo import _fill
from portal.commands_demo import demo as demo_commands
from portal.config import DEMO_CATALOG, ROOT, MailSettings, Mode, Settings
from portal.db import reading, transaction
from portal.demo.own_database import is_demo, is_somebody_elses
from portal.extensions import db
from portal.models import Account, Person, Product
from portal.services.catalogue_sync import sync_catalogue
from tests.conftest import Database

_URL = "portal_demo_own"


@pytest.fixture
def own(database: Database, tmp_path: Path) -> Iterator[Flask]:
    """An app on an empty database of its own."""
    server = database.server
    url = f"sqlite:///{tmp_path / 'own.db'}" if server is None else server.create_database(_URL)
    app = create_app(
        Settings(
            mode=Mode.TEST,
            database_url=url,
            secret_key="a-secret-of-the-tests-0123456789abcdef",
            catalog_file=DEMO_CATALOG,
            public_url="http://localhost",
            instance=tmp_path,
            mail=MailSettings(host="127.0.0.1", port=1, sender="portal@kanto.example"),
        )
    )
    yield app
    with app.app_context():
        db.engine.dispose()
    if server is not None:
        server.drop_database(_URL)


@pytest.fixture
def run(own: Flask) -> FlaskCliRunner:
    return own.test_cli_runner()


def _with_a_person(app: Flask) -> None:
    with app.app_context():
        upgrade()
        with transaction() as session:
            session.add(Person(email="anna@customer.example", name="Anna", locale="nl",
                               created_at=datetime(2026, 1, 1, tzinfo=UTC)))  # fmt: skip


def test_a_database_with_persons_is_not_emptied(own: Flask, run: FlaskCliRunner) -> None:
    _with_a_person(own)
    refused = run.invoke(demo_commands, ["reset"])
    assert refused.exit_code == 1
    assert "holds data that was not made by the demo" in refused.output
    assert "Nothing was changed." in refused.output
    with own.app_context(), reading() as connection:
        assert connection.scalars(select(Person.email)).all() == ["anna@customer.example"]


def test_a_database_with_persons_is_not_filled(own: Flask) -> None:
    _with_a_person(own)
    with own.app_context():
        with pytest.raises(Exception, match="not made by the demo"):
            _fill(own.extensions["portal"])
        with reading() as connection:
            assert connection.scalar(select(func.count(Account.id))) == 0


def test_a_portal_that_has_only_its_catalogue_yet_is_left_alone(
    own: Flask, run: FlaskCliRunner
) -> None:
    """`flask catalog apply` comes before the first person."""
    with own.app_context():
        upgrade()
        with transaction() as session:
            sync_catalogue(session, own.extensions["portal"].catalogue, datetime.now(UTC))
    assert run.invoke(demo_commands, ["reset"]).exit_code == 1
    with own.app_context(), reading() as connection:
        assert connection.scalar(select(func.count(Product.id)))


def test_tables_of_something_else_are_not_dropped(own: Flask, run: FlaskCliRunner) -> None:
    with own.app_context():
        with transaction() as session:
            session.execute(text("CREATE TABLE audit_event (note TEXT)"))
            session.execute(text("CREATE TABLE invoice (number TEXT)"))
            session.execute(text("INSERT INTO invoice VALUES ('A-1')"))
        assert run.invoke(demo_commands, ["reset"]).exit_code == 1
        with reading() as connection:
            assert connection.scalar(text("SELECT number FROM invoice")) == "A-1"


def test_the_demo_knows_its_own_database_again(own: Flask, run: FlaskCliRunner) -> None:
    with own.app_context():
        with reading() as connection:
            assert not is_somebody_elses(connection)
            assert not is_demo(connection)
        upgrade()  # a start that was broken off: tables without a row
        with reading() as connection:
            assert not is_somebody_elses(connection)
    for _time in range(2):  # filled, then emptied and filled again
        done = run.invoke(demo_commands, ["reset"])
        assert (done.exit_code, done.output.splitlines()[-1]) == (
            0, "The demo is back at its start.",
        )  # fmt: skip
        with own.app_context(), reading() as connection:
            assert is_demo(connection)
            assert not is_somebody_elses(connection)
            assert connection.scalar(select(func.count(Account.id))) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [("SMTP_HOST", "mail.example.com"), ("PUBLIC_URL", "https://portal.example.com")],
)
def test_the_shell_of_a_production_portal_starts_no_demo(
    tmp_path: Path, name: str, value: str
) -> None:
    clean = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "portal.cli:make_demo_app", "demo", "reset"],
        cwd=ROOT, env={**clean, "INSTANCE_PATH": str(tmp_path / "instance"), name: value},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert f"portal: {name} is set as for a production portal" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "instance" / "demo.db").exists()
