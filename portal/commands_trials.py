"""`flask trials`: which trials there are, and giving one more time."""

from __future__ import annotations

from datetime import date, datetime
from typing import cast

import click
from flask import current_app
from flask.cli import AppGroup

from portal.db import reading, transaction
from portal.domain.errors import DomainError
from portal.domain.trials import READ_ONLY, read_until
from portal.parts import Parts
from portal.queries.trials import UnpaidTrial, list_unpaid_trials
from portal.services.audit import Actor
from portal.services.trial_extending import extend_trial

__all__ = ["trials"]

_PAGE = 500
_REFUSALS = {
    "account_unknown": "There is no account with this number.",
    "trial_unknown": "This account has no trial of this product, or it has ended.",
    "trial_bought": "This is no trial any more: it is a paid subscription.",
    "trial_not_longer": "It lasts to {on:%Y-%m-%d} as it is: name a later day.",
    "trial_past": "This day is over where the customer is: name today or a later one.",
    "trial_too_long": "Name a day up to {on:%Y-%m-%d}: a trial is extended by a year at most.",
}

trials = AppGroup("trials", help="Trials that nobody bought yet.")


@trials.command("list", help="List the trials that run or can only be read, the next to end first.")
def list_all() -> None:
    """One line each."""
    parts = cast(Parts, current_app.extensions["portal"])
    after, count = (date.min, 0), 0
    with reading() as connection:
        while rows := list_unpaid_trials(
            connection, first=date.min, last=date.max, after=after, limit=_PAGE
        ):
            for row in rows:
                click.echo(_line(row, parts.catalogue.policy.trial_read_only_days))
            after, count = (rows[-1].ends_on, rows[-1].subscription_id), count + len(rows)
    click.echo("There is no trial." if not count else f"{count} trials.")


def _line(row: UnpaidTrial, keep_days: int) -> str:
    words = f"account {row.account_id}  {row.account_name} ({row.product_key}): "
    if row.status == READ_ONLY and row.read_only_from is not None:
        last = read_until(row.read_only_from, keep_days)
        words += f"over since {row.ends_on}, can be read until {last}"
    else:
        words += f"until {row.ends_on}"
    return f"{words}, is being bought" if row.is_being_bought else words


@trials.command("extend", help="Let the trial of PRODUCT of ACCOUNT_ID work to the end of a day.")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("product_key", metavar="PRODUCT")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True,
              help="Its new last day, e.g. 2026-12-24.")  # fmt: skip
def extend(account_id: int, product_key: str, until: datetime) -> None:
    """Also one that is over and can still be read; its admins are told."""
    parts = cast(Parts, current_app.extensions["portal"])
    try:
        with transaction() as session:
            before = extend_trial(
                session, account_id, product_key, until.date(), catalogue=parts.catalogue,
                actor=Actor("staff", ""), now=parts.clock.now(),
            )  # fmt: skip
    except DomainError as error:
        raise click.ClickException(
            _REFUSALS.get(error.code, error.code).format(**error.data)
        ) from None
    click.echo(
        f"The trial of {product_key} of account {account_id} lasts to {until:%Y-%m-%d} "
        f"(so far: {before:%Y-%m-%d}). Its admins are told."
    )
