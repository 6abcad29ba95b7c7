"""`flask ledger check`: whether invoices, payments, seats, balances and the provider agree."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import click
from flask import current_app
from flask.cli import AppGroup

from portal.db import reading, snapshot
from portal.parts import Parts
from portal.payments.gateway import GatewayRefused, GatewayUnknown
from portal.services.ledger_check import Difference, check_books, check_provider

__all__ = ["ledger"]

ledger = AppGroup("ledger", help="The books: invoices, payments, seats, balances.")


@ledger.command("check", help="Print every difference, a line each; exit 1 if there is any.")
@click.option(
    "--provider-days",
    type=click.IntRange(min=0),
    default=35,
    show_default=True,
    help="Compare the charges of so many days with the provider; 0 leaves it out.",
)
def check(provider_days: int) -> None:
    """Read everything, write nothing; 0 without a difference."""
    parts = cast(Parts, current_app.extensions["portal"])
    found = 0

    def tell(difference: Difference) -> None:
        nonlocal found
        found += 1
        click.echo(str(difference))

    with snapshot() as connection:
        for one in check_books(connection):
            tell(one)
    until = parts.clock.now()
    asked = provider_days > 0 and parts.gateway.name != "none"
    if asked:
        try:
            since = until - timedelta(days=provider_days)
            for one in check_provider(reading, parts.gateway, since, until):
                tell(one)
        except (GatewayUnknown, GatewayRefused) as error:
            click.echo(f"The provider's books could not be read: {error}", err=True)
            raise SystemExit(2) from error
    if found:
        click.echo(f"{found} differences." if found > 1 else "1 difference.", err=True)
        raise SystemExit(1)
    compared = f", with the provider's charges of {provider_days} days" if asked else ""
    click.echo(f"The books agree{compared}.")
