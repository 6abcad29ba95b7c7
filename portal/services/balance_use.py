"""Using account balances on the invoices of a batch, in the transaction that issues them (M6).

Orders collect the amount that was shown and take nothing of it (Q2); what renews does. One
statement a batch finds the accounts that have a balance, and the others cost nothing more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table
from sqlalchemy.engine import Connection

from portal.domain.money import Money
from portal.domain.refunds import plan_balance_use
from portal.models import AccountBalance
from portal.payments.smallest_charge import smallest_charge
from portal.services.balances import list_balances
from portal.services.bulk_rows import insert_rows

__all__ = ["BalanceUse", "plan_uses", "write_uses"]

_BALANCES: Table = AccountBalance.__table__
_ENTRY = ("account_id", "at", "amount_minor", "currency", "reason", "invoice_id", "note")


@dataclass(frozen=True, slots=True)
class BalanceUse:
    """`used` of an account's balance pays an invoice, or a part of it."""

    account_id: int
    invoice_id: int
    used: Money


def plan_uses(
    connection: Connection, invoices: Sequence[tuple[int, int, Money]], by_transfer: Container[int]
) -> dict[int, BalanceUse]:
    """What pays which of these invoices (account, invoice, gross), in their order; by invoice.

    The accounts `by_transfer` pay any rest; from the others one is left that can be charged. All
    are locked by the caller: nobody else takes of their balances meanwhile.
    """
    balances = list_balances(connection, {account_id for account_id, _id, _gross in invoices})
    if not balances:
        return {}
    mine: defaultdict[int, list[tuple[int, Money]]] = defaultdict(list)
    for account_id, invoice_id, gross in invoices:
        if account_id in balances:
            mine[account_id].append((invoice_id, gross))
    uses = {}
    for account_id, theirs in mine.items():
        currency = theirs[0][1].currency
        balance = Money(balances[account_id], currency)
        smallest = Money.zero(currency) if account_id in by_transfer else smallest_charge(currency)
        parts = plan_balance_use(balance, [gross for _id, gross in theirs], smallest)
        for (invoice_id, _gross), used in zip(theirs, parts, strict=True):
            if not used.is_zero:
                uses[invoice_id] = BalanceUse(account_id, invoice_id, used)
    return uses


def write_uses(connection: Connection, uses: Iterable[BalanceUse], now: datetime) -> None:
    """The ledger's entries, after the invoices that they pay."""
    insert_rows(connection, _BALANCES, _ENTRY, (
        (use.account_id, now, -use.used.minor, use.used.currency, "used", use.invoice_id, "")
        for use in uses
    ))  # fmt: skip
