"""The flask commands: staff, accounts, catalog, vat, renewals, ledger, worker, run-due; demo.

`flask --app portal.cli:make_app …` in production, `flask --app portal.cli:make_demo_app …` for the
demo. A command is an edge: it reads the clock and commits.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import OperationalError

from portal.app import create_app, create_demo_app
from portal.commands_demo import demo
from portal.commands_ledger import ledger
from portal.commands_payment_terms import payment_terms
from portal.commands_staff import executive, operator
from portal.commands_support import support
from portal.commands_trials import trials
from portal.commands_vat import vat
from portal.commands_wallet import wallet
from portal.config import DEMO_CATALOG
from portal.db import reading, transaction
from portal.domain.account_file import AccountFileMistakes, read_account_file
from portal.domain.catalogue import Catalogue
from portal.domain.catalogue_file import CatalogueMistakes, parse_catalogue
from portal.domain.catalogue_reader import Mistake
from portal.domain.errors import DomainError
from portal.jobs.commands import commands as job_commands
from portal.jobs.renewal_commands import renewals
from portal.migrations.head import is_current
from portal.parts import Parts
from portal.services.account_import import ImportStep, import_accounts, list_executives
from portal.services.catalogue_sync import (
    CatalogueChange,
    CatalogueInUse,
    StillUsed,
    sync_catalogue,
)

__all__ = ["make_app", "make_demo_app"]

accounts = AppGroup("accounts", help="Customers.")
catalog = AppGroup("catalog", help="What the vendor sells.")


def make_app() -> Flask:
    """The production app with its commands."""
    if _only_checks_the_catalogue():
        return _with_commands(Flask("portal"))
    return _with_commands(create_app())


def make_demo_app() -> Flask:
    """The demo app with its commands, `demo` among them."""
    if _only_checks_the_catalogue():
        return _with_commands(Flask("portal"))
    app = _with_commands(create_demo_app())
    app.cli.add_command(demo)
    return app


def _only_checks_the_catalogue() -> bool:
    """`catalog check` looks at a file: it must not fail for the settings or the file's mistakes."""
    return ["catalog", "check"] in [sys.argv[at : at + 2] for at in range(len(sys.argv))]


def _with_commands(app: Flask) -> Flask:
    for group in (accounts, catalog):
        app.cli.add_command(group)
    for theirs in (operator, executive, vat, renewals, ledger, trials, support, wallet):
        group = copy.copy(theirs)
        group.commands = {name: _checked(command) for name, command in theirs.commands.items()}
        app.cli.add_command(group)
    accounts.add_command(_checked(payment_terms))
    for command in job_commands:
        app.cli.add_command(_checked(command))
    return app


def _checked(command: click.Command) -> click.Command:
    """A command of another module, refused while the database lacks a migration."""
    checked = copy.copy(command)
    assert command.callback is not None
    checked.callback = with_appcontext(_needs_tables(command.callback))
    return checked


def _parts() -> Parts:
    return cast(Parts, current_app.extensions["portal"])


def _refuse(lines: Iterable[object]) -> None:
    for line in lines:
        click.echo(str(line), err=True)
    raise SystemExit(1)


def _needs_tables(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The command refuses with one line while the database lacks a migration."""

    @functools.wraps(callback)
    def checked(*args: Any, **options: Any) -> Any:
        current = True
        # A database that is away for a moment is for the command itself: the worker waits for it.
        with contextlib.suppress(OperationalError), reading() as connection:
            current = is_current(connection)
        if not current:
            _refuse(["The tables are missing: run `flask db upgrade` first."])
        return callback(*args, **options)

    return checked


# --- accounts --------------------------------------------------------------------------------------


@accounts.command("import", help="Add the accounts of a TOML FILE (docs/import.md).")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be added, and write nothing.")
@_needs_tables
def import_file(file: Path, dry_run: bool) -> None:
    """Import all of a file, or nothing."""
    parts = _parts()
    now = parts.clock.now()
    try:
        with transaction() as session:
            rows = read_account_file(
                _text_of(file), parts.catalogue, list_executives(session).keys(), now
            )
            steps = import_accounts(session, rows, parts.catalogue, now)
            if dry_run:  # everything was tried, and nothing is kept
                session.rollback()
    except AccountFileMistakes as error:
        _refuse([*_places(file, error.mistakes), "Nothing was imported."])
    except CatalogueInUse as error:
        _refuse([*map(_in_use, error.things), "Nothing was imported."])
    except DomainError as error:
        _refuse([f"{file.name}: accounts.{error.data.get('ref', '')}: {_import_refusal(error)}",
                 "Nothing was imported."])  # fmt: skip
    else:
        _tell(steps, dry_run)


def _import_refusal(error: DomainError) -> str:
    if error.code == "import_currency":
        return (
            f"This account is there already, in {error.data['currency']}: a currency is for good."
        )
    return error.code


def _tell(steps: tuple[ImportStep, ...], dry_run: bool) -> None:
    for step in steps:
        mark = "+" if step.added else "="
        where = "" if step.what == "account" else f"{step.ref}: "
        click.echo(f"{mark} {step.what} {where}{step.name}")
    added = sum(step.added for step in steps)
    verb = "would be added" if dry_run else "added"
    click.echo(f"{added} {verb}, {len(steps) - added} there already.")


# --- the catalogue ---------------------------------------------------------------------------------


@catalog.command("check", with_appcontext=False, help="Name every mistake of a catalogue FILE.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def check_catalog(file: Path | None) -> None:
    """Exit 1 where there is a mistake; without FILE the one of CATALOG_FILE, else the demo's."""
    path = file or Path(os.environ.get("CATALOG_FILE", "").strip() or DEMO_CATALOG)
    if not path.is_file():
        _refuse([f"{path}: there is no such file."])
    catalogue = _parse(path)
    plans = sum(len(product.plans) for product in catalogue.products)
    click.echo(f"{path.name}: {len(catalogue.products)} products, {plans} plans, no mistakes.")


@catalog.command("apply", help="Bring the database in line with the catalogue file.")
@_needs_tables
def apply_catalog() -> None:
    """New prices are for whoever buys from now on; running subscriptions keep theirs."""
    parts = _parts()
    try:
        with transaction() as session:
            changes = sync_catalogue(session, parts.catalogue, parts.clock.now())
    except CatalogueInUse as error:
        _refuse([*map(_in_use, error.things), "Nothing was changed."])
    else:
        for change in changes.changes:
            click.echo(_changed(change))
        click.echo(f"{len(changes.changes)} changes.")


def _parse(path: Path) -> Catalogue:
    try:
        return parse_catalogue(_text_of(path))
    except CatalogueMistakes as error:
        _refuse(_places(path, error.mistakes))
        raise AssertionError from error


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        _refuse([f"{path.name}: line {line}: This is not UTF-8 text."])
        raise AssertionError from error


def _places(path: Path, mistakes: Iterable[Mistake]) -> list[str]:
    return [f"{path.name}: {mistake}" for mistake in mistakes]


def _in_use(thing: StillUsed) -> str:
    users = "1 user" if thing.by == 1 else f"{thing.by} users"
    if thing.why == "removed":
        return (
            f"{thing.subject.place} is gone from the file but has {users} (subscriptions or "
            "automatic top-ups): keep it and add `retired = true` instead."
        )
    return (
        f"{thing.subject.place} has {users}, so what it is charged by cannot change: retire it and "
        "make another under a new key."
    )


def _changed(change: CatalogueChange) -> str:
    words = f"{change.what.replace('_', ' ')}: {change.subject.place}"
    if not change.interval:
        return words
    old, new = (None if x is None else f"{x} {change.currency}" for x in (change.old, change.new))
    amounts = " → ".join(x for x in (old, new) if x)
    return f"{words} {change.interval}: {amounts} (minor units)"
