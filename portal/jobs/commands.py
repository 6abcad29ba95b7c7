"""`flask worker` and `flask run-due`."""

from __future__ import annotations

import logging
import signal
import threading
from typing import cast

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.jobs.worker import run_due, settle_in, work
from portal.parts import Parts

__all__ = ["commands"]


def _parts() -> Parts:
    return cast(Parts, current_app.extensions["portal"])


@click.command("worker", help="Run jobs and deliver messages until SIGTERM or Ctrl-C.")
@with_appcontext
def worker() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    settle_in()
    work(_parts(), stop)


@click.command("run-due", help="Run everything that is due once, then end.")
@with_appcontext
def run_due_once() -> None:
    parts = _parts()
    settle_in()
    counts = run_due(parts, parts.clock.now())
    click.echo(f"{counts.jobs} jobs, {counts.messages} messages, {counts.failed} to be tried again")


commands: list[click.Command] = [worker, run_due_once]
