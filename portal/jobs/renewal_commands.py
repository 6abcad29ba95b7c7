"""`flask renewals`: what an operator sees of renewals that stand still, and trying one again."""

from __future__ import annotations

from typing import cast

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from portal.db import reading, transaction
from portal.models import Subscription
from portal.parts import Parts
from portal.queries.parked import list_parked
from portal.services.renewals import renew_subscription

__all__ = ["renewals"]

renewals = AppGroup("renewals", help="Renewals that could not be made.")


@renewals.command("parked", help="List the subscriptions that could not be renewed, and why.")
def parked() -> None:
    """One line each, the longest parked first."""
    with reading() as connection:
        rows = list_parked(connection)
    for row in rows:
        due = f", was due on {row.renews_on:%Y-%m-%d}" if row.renews_on else ""
        click.echo(
            f"{row.subscription_id}  {row.account_name} ({row.product_key}){due}, "
            f"parked since {row.since:%Y-%m-%d %H:%M} UTC: {row.why}"
        )
    if not rows:
        click.echo("No subscription is parked.")
        return
    click.echo(
        f"{len(rows)} parked. The worker tries each again after an hour; "
        "`flask renewals retry ID` does it now."
    )


@renewals.command("retry", help="Renew the subscription ID now; exit 1 where it fails again.")
@click.argument("subscription_id", metavar="ID", type=int)
def retry(subscription_id: int) -> None:
    """Try one that is parked (any subscription may be named) without waiting for the worker."""
    parts = cast(Parts, current_app.extensions["portal"])
    with transaction() as session:
        account_id = session.scalar(
            select(Subscription.account_id).where(Subscription.id == subscription_id)
        )
        if account_id is None:
            raise click.ClickException(f"There is no subscription {subscription_id}.")
        steps = renew_subscription(
            session, account_id, subscription_id, catalogue=parts.catalogue, now=parts.clock.now()
        )
    with reading() as connection:
        still = [x for x in list_parked(connection) if x.subscription_id == subscription_id]
    if still:
        raise click.ClickException(f"{subscription_id} is still parked: {still[0].why}")
    done = {0: "nothing was due", 1: "1 period was invoiced or opened"}
    click.echo(f"{subscription_id}: {done.get(steps, f'{steps} periods were invoiced or opened')}.")
