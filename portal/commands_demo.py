"""`flask demo serve` and `flask demo reset`: the whole portal on one machine, for trying it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
from flask import current_app
from flask.cli import AppGroup
from flask_migrate import upgrade

from portal.config import ROOT
from portal.db import reading, transaction
from portal.demo.own_database import is_demo, is_somebody_elses
from portal.demo.real_provider import leave_demo_provider
from portal.demo.seed import seed
from portal.extensions import db
from portal.migrations.head import FIRST, is_current
from portal.parts import Parts

__all__ = ["demo"]

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 15
LONGEST_PORT = 65_535

demo = AppGroup("demo", help="The demo: five customers, test cards, nothing real.")


def _parts() -> Parts:
    return cast(Parts, current_app.extensions["portal"])


@demo.command("serve", help="Serve the demo on 127.0.0.1 until Ctrl-C.")
@click.option("--port", default="8000", show_default=True, callback=lambda _c, _o, v: _port(v))
def serve(port: int) -> None:
    """Fill the database if it is empty, then run the web server and the worker."""
    parts = _parts()
    if not _is_free(port):
        raise click.ClickException(
            f"Port {port} is in use. Stop what uses it, or choose another: make run PORT={port + 1}"
        )
    with _only_one(parts.settings.instance):
        _fill(parts)
        db.engine.dispose()
        raise SystemExit(_run(port))


@demo.command("reset", help="Put the demo's data and clock back to the start.")
def reset() -> None:
    """Forget everything that was done in the demo."""
    parts = _parts()
    with _only_one(parts.settings.instance):
        _forget(parts)
        _fill(parts)
        db.engine.dispose()
    click.echo("The demo is back at its start.")


def _port(typed: str) -> int:
    if typed.isascii() and typed.isdigit() and len(typed) < 6 and 1 <= int(typed) <= LONGEST_PORT:
        return int(typed)
    raise click.ClickException(
        f"{typed!r} is no port: give a number from 1 to {LONGEST_PORT}, as in make run PORT=8001"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _only_one(instance: Path) -> Iterator[None]:
    """One demo at a time fills, serves or resets a folder's data."""
    instance.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (instance / "demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                "The demo is running already with this data. Stop it first (Ctrl-C where it runs)."
            ) from None
        yield


def _only_the_demos_own() -> None:
    """Refuse to fill or empty a database with data that no demo has made."""
    with reading() as connection:
        is_theirs = is_somebody_elses(connection)
    if is_theirs:
        raise click.ClickException(
            "This database holds data that was not made by the demo: "
            f"{db.engine.url.render_as_string(hide_password=True)}\n"
            "Nothing was changed. The demo takes a database of its own (DEMO_DATABASE_URL, or "
            "instance/demo.db). If it is the demo of an older version, remove it yourself."
        )


def _fill(parts: Parts) -> None:
    _only_the_demos_own()
    # Until the first release the first migration may be another one than the data was made with.
    mark = parts.settings.instance / "demo-schema"
    schema = hashlib.sha256(FIRST.read_bytes()).hexdigest()
    with reading() as connection:
        current = is_current(connection)
    if current and mark.exists() and mark.read_text(encoding="ascii") != schema:
        raise click.ClickException(
            "The demo's data was made by an older version. Start afresh: make demo-reset"
        )
    if not current:
        upgrade()
    mark.write_text(schema, encoding="ascii")
    with transaction() as session:
        if not is_demo(session.connection()):
            click.echo("Filling the demo …")
            seed(session, parts.catalogue, parts.clock.now())
        if parts.settings.stripe_secret_key:
            leave_demo_provider(session, parts.clock.now())


def _forget(parts: Parts) -> None:
    _only_the_demos_own()
    url = db.engine.url  # where a relative path leads to is known to the engine alone
    db.engine.dispose()
    if url.get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            Path(f"{url.database}{suffix}").unlink(missing_ok=True)
    else:
        with db.engine.begin() as connection:
            db.metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
            connection.exec_driver_sql("DROP FUNCTION IF EXISTS refuse_change()")
    (parts.settings.instance / "demo-clock").unlink(missing_ok=True)


def _run(port: int) -> int:
    """The web server and the worker as children; both end when one does, or at a signal."""
    environ = {**os.environ, "PORT": str(port)}
    stopping: list[int] = []
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda number, _frame: stopping.append(number))
    children = {"web server": _web(port, environ), "worker": _worker(environ)}
    try:
        if not _wait_until_served(port, children, stopping):
            return 0 if stopping else _told_of_end(children)
        click.echo(f"Licence Portal demo: http://{HOST}:{port}")
        click.echo(f"Sign in as somebody:  http://{HOST}:{port}/demo")
        click.echo("Stop with Ctrl-C; `make demo-reset` starts afresh.")
        while not stopping:
            if any(child.poll() is not None for child in children.values()):
                return _told_of_end(children)
            time.sleep(0.2)
        return 0
    finally:
        _stop(list(children.values()))


def _web(port: int, environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "warning"),
            *("--worker-class", "gthread", "--workers", "1", "--threads", "8"),
            *("--graceful-timeout", "5", "--bind", f"{HOST}:{port}"),
            "portal.app:create_demo_app()",
        ],
        cwd=ROOT,
        env=environ,
        start_new_session=True,  # Ctrl-C reaches this process alone, which stops the children
    )


def _worker(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "portal.cli:make_demo_app", "worker"],
        cwd=ROOT,
        env=environ,
        start_new_session=True,
    )


def _wait_until_served(
    port: int, children: dict[str, subprocess.Popen[bytes]], stopping: list[int]
) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and not stopping:
        if any(child.poll() is not None for child in children.values()):
            return False
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def _told_of_end(children: dict[str, subprocess.Popen[bytes]]) -> int:
    for name, child in children.items():
        code = child.poll()
        if code is not None:
            click.echo(
                f"The {name} has ended by itself (code {code}); its reason is above.", err=True
            )
    return 1


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    until = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.wait(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
