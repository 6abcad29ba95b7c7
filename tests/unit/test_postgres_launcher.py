"""The PostgreSQL launcher of the tests: starts, copies databases, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.support.postgres import PostgresServer, pid_of

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


def test_it_speaks_postgresql_and_keeps_what_is_committed(server: PostgresServer) -> None:
    engine = create_engine(server.create_database("plain"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE word (id int PRIMARY KEY, said text)"))
        connection.execute(text("INSERT INTO word VALUES (1, 'één')"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT upper(said) FROM word")).scalar_one() == "ÉÉN"
        assert connection.execute(text("SHOW fsync")).scalar_one() == "off"
        assert connection.execute(text("SHOW server_version_num")).scalar_one() >= "180000"
    engine.dispose()


def test_a_copy_of_a_template_is_independent(server: PostgresServer) -> None:
    template = create_engine(server.create_database("template-one"))
    with template.begin() as connection:
        connection.execute(text("CREATE TABLE number AS SELECT 7 AS value"))
    template.dispose()

    copy = create_engine(server.create_database("copy-one", template="template-one"))
    with copy.begin() as connection:
        connection.execute(text("UPDATE number SET value = 8"))
    copy.dispose()

    with template.connect() as connection:
        assert connection.execute(text("SELECT value FROM number")).scalar_one() == 7
    template.dispose()


def test_a_database_is_dropped_with_its_connections(server: PostgresServer) -> None:
    engine = create_engine(server.create_database("short-lived"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        server.drop_database("short-lived")
        server.drop_database("short-lived")
        connection.invalidate()
    engine.dispose()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(server.url("short-lived").replace("+psycopg", ""))


def test_without_a_server_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        PostgresServer().create_database("x")


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_process_is_killed(order: signal.Signals) -> None:
    program = (
        "import sys, time\n"
        "from tests.support.postgres import PostgresServer, pid_of\n"
        "server = PostgresServer(); server.start()\n"
        "print(pid_of(server), server._folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    pid, folder = child.stdout.readline().split()
    child.stdout.close()
    assert _runs(int(pid))
    child.send_signal(order)
    child.wait(timeout=10)
    deadline = time.monotonic() + 10
    while (_runs(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(pid))
    assert not Path(folder).exists()


def test_stopping_removes_process_and_files() -> None:
    server = PostgresServer()
    server.start()
    pid, folder = pid_of(server), server._folder
    assert pid
    assert folder
    assert folder.exists()
    server.stop()
    server.stop()
    assert not _runs(pid)
    assert not folder.exists()


def _runs(pid: int) -> bool:
    """Whether the process lives; one that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    if not state.exists():
        return True
    try:
        return state.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
