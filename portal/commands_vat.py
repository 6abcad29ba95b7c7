"""`flask vat confirm` and `flask vat reject`: an operator's word on a customer's VAT number (I4)."""

from __future__ import annotations

from typing import NoReturn, cast

import click
from flask import current_app
from flask.cli import AppGroup

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.vat_checking import decide_vat_number

__all__ = ["vat"]

vat = AppGroup("vat", help="VAT numbers of customers that VIES cannot check.")

_REFUSALS = {
    "account_unknown": "There is no account with this number.",
    "vat_number_missing": "This account has no VAT number.",
}


@vat.command("confirm", help="The VAT number of ACCOUNT_ID was checked and is valid.")
@click.argument("account_id", type=click.IntRange(min=1))
def confirm(account_id: int) -> None:
    """Its next invoices follow the number: reverse charge for a buyer abroad in the EU."""
    _decide(account_id, is_valid=True)


@vat.command("reject", help="The VAT number of ACCOUNT_ID is not valid.")
@click.argument("account_id", type=click.IntRange(min=1))
def reject(account_id: int) -> None:
    """The account's admins are told by e-mail."""
    _decide(account_id, is_valid=False)


def _decide(account_id: int, *, is_valid: bool) -> None:
    parts = cast(Parts, current_app.extensions["portal"])
    try:
        with transaction() as session:
            number = decide_vat_number(
                session, account_id, is_valid=is_valid, actor=Actor("staff", ""),
                now=parts.clock.now(),
            )  # fmt: skip
    except DomainError as error:
        _refuse(_REFUSALS.get(error.code, error.code))
    click.echo(f"{number} is {'valid' if is_valid else 'not valid'} from now on.")


def _refuse(line: str) -> NoReturn:
    click.echo(line, err=True)
    raise SystemExit(1)
