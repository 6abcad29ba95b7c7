"""`flask wallet`: how the vendor's product books usage from a shell, and what is left (W1, W2)."""

from __future__ import annotations

from typing import NoReturn, cast

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from portal.db import reading, transaction
from portal.domain.errors import DomainError
from portal.models import Account, Wallet
from portal.parts import Parts
from portal.services.wallet_debits import debit_wallet

__all__ = ["wallet"]

wallet = AppGroup("wallet", help="The credits of customers.")

NOT_ENOUGH = 3
"""The exit status of a debit beyond the balance: no mistake, and worth trying again later."""
_REFUSALS = {
    "account_unknown": "There is no account with this number.",
    "usage_unknown": "The catalogue has no usage price {kind}.",
    "debit_key": "A key has 1 to {most} characters.",
    "debit_key_reused": "The key {key} was used for another debit.",
    "debit_amount": "A debit is of 1 to {most} credits.",
}


@wallet.command("debit", help="Take the credits for using KIND (a usage price) from ACCOUNT_ID.")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("kind")
@click.option("--quantity", type=click.IntRange(min=1), default=1, show_default=True,
              help="How many uses.")  # fmt: skip
@click.option("--key", required=True, help="Names this debit: the same key is booked once.")
@click.option("--note", default="", help="What it was for, to be shown in the history.")
def debit(account_id: int, kind: str, quantity: int, key: str, note: str) -> None:
    """Exit 0: taken (now, or by an earlier call with the key). 3: too few credits, nothing taken."""
    parts = cast(Parts, current_app.extensions["portal"])
    try:
        with transaction() as session:
            done = debit_wallet(
                session, account_id, kind, quantity=quantity, key=key, note=note,
                catalogue=parts.catalogue, now=parts.clock.now(),
            )  # fmt: skip
    except DomainError as error:
        _end(_REFUSALS.get(error.code, error.code).format(**error.data), 1)
    if not done.is_accepted:
        _end(f"Refused: {done.missing} of {done.credits} credits are missing; "
             f"the balance is {done.balance}.", NOT_ENOUGH)  # fmt: skip
    taken = "1 credit was" if done.credits == 1 else f"{done.credits} credits were"
    if done.is_repeat:
        click.echo(f"{taken} taken by an earlier call with this key; it left {done.balance}.")
    else:
        click.echo(f"{taken} taken; the balance is {done.balance}.")


@wallet.command("balance", help="The credits of ACCOUNT_ID.")
@click.argument("account_id", type=click.IntRange(min=1))
def balance(account_id: int) -> None:
    """A bare number, for scripts."""
    with reading() as connection:
        row = connection.execute(
            select(Account.id, Wallet.balance)
            .outerjoin(Wallet, Wallet.account_id == Account.id)
            .where(Account.id == account_id)
        ).first()
    if row is None:
        _end(_REFUSALS["account_unknown"], 1)
    click.echo(str(row[1] or 0))


def _end(line: str, status: int) -> NoReturn:
    click.echo(line, err=True)
    raise SystemExit(status)
