"""`flask accounts payment-terms`: how a customer pays is the vendor's choice, account by account."""

from __future__ import annotations

from typing import cast

import click
from flask import current_app

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.payment_terms import PAYMENT_TERMS, change_payment_terms

__all__ = ["payment_terms"]

_REFUSALS = {
    "account_unknown": "There is no account with this number.",
    "terms_order_open": "An order is being paid: {numbers}. Wait until it is paid or given up.",
    "terms_invoice_open": (
        "Invoices are open: {numbers}. Collect, book or credit them first: each is paid in the way "
        "it was issued for."
    ),
    "terms_payment_open": "A payment is on its way. Wait for its outcome.",
    "terms_top_up": "Credits are topped up automatically. The customer switches that off first.",
    "terms_request_open": "A request of the customer is open on the desk. Close it first.",
}
_DONE = {
    "automatic": (
        "{account} pays automatically from now on. Its admins save a card or a SEPA direct debit at "
        "{url}/billing/payment-method."
    ),
    "bank_transfer": (
        "{account} pays by bank transfer from now on. A saved payment method was removed."
    ),
}


@click.command("payment-terms", help="Let ACCOUNT_ID pay automatically or by bank transfer.")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("terms", type=click.Choice(PAYMENT_TERMS))
def payment_terms(account_id: int, terms: str) -> None:
    """Refused, with the reason, while it would leave something half done."""
    parts = cast(Parts, current_app.extensions["portal"])
    try:
        with transaction() as session:
            changed = change_payment_terms(
                session, account_id, terms, actor=Actor("staff", ""), now=parts.clock.now()
            )
    except DomainError as error:
        click.echo(_REFUSALS.get(error.code, error.code).format(**error.data), err=True)
        raise SystemExit(1) from None
    account = f"Account {account_id}"
    if not changed:
        click.echo(f"{account} pays like this already.")
        return
    click.echo(_DONE[terms].format(account=account, url=parts.settings.public_url))
