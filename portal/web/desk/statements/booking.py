"""What the review's form sends, booked entry by entry: each in a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.queries.bank_statements import EntryRow
from portal.queries.desk_accounts import get_desk_account
from portal.services.statement_import import set_aside
from portal.services.transfer_booking import Transfer, book_deposit, book_transfer
from portal.web.desk.serving import acting_staff, served_by
from portal.web.messages import error_sentence
from portal.web.signed_in import parts, read_connection, stop_reading

__all__ = ["Outcome", "carry_out"]

_LONGEST_ID = 18


@dataclass(slots=True)
class Outcome:
    """How many were booked, and of what; how many set aside; what was wrong with the others."""

    booked: int = 0
    aside: int = 0
    sums: dict[str, Money] = field(default_factory=dict)
    wrong: list[tuple[EntryRow, str]] = field(default_factory=list)


def carry_out(choices: list[tuple[EntryRow, str]]) -> Outcome:
    """Do for each entry what was chosen; one that cannot be done is told, and the rest goes on."""
    served = {key: _is_served(key) for _row, value in choices if (key := _account_of(value))}
    stop_reading()
    outcome = Outcome()
    for row, value in choices:
        try:
            _do(row, value, served, outcome)
        except DomainError as error:
            outcome.wrong.append((row, error_sentence(error)))
    return outcome


def _do(row: EntryRow, value: str, served: dict[int, bool], outcome: Outcome) -> None:
    here, actor = parts(), acting_staff()
    if value == "aside":
        with transaction() as session:
            set_aside(session, row.id, actor=actor, now=here.clock.now())
        outcome.aside += 1
        return
    account_id = _account_of(value)
    if not account_id or not served[account_id]:
        raise DomainError("invoice_unknown")
    entry = row.entry
    words = entry.reference or entry.text
    transfer = Transfer(entry.amount, entry.received_on, words, row.id)
    kind, _, rest = value.partition(":")
    with transaction() as session:
        if kind == "invoice":
            _account, number, shown = rest.split(":", 2)
            book_transfer(session, account_id, number, transfer, shown=shown,
                          catalogue=here.catalogue, actor=actor, now=here.clock.now())  # fmt: skip
        else:
            book_deposit(session, account_id, transfer, catalogue=here.catalogue, actor=actor,
                         now=here.clock.now())  # fmt: skip
    outcome.booked += 1
    before = outcome.sums.get(entry.amount.currency, Money.zero(entry.amount.currency))
    outcome.sums[entry.amount.currency] = before + entry.amount


def _account_of(value: str) -> int:
    """The account of 'invoice:17:KAN-2026-00004:…' or 'account:17'; 0 for anything else."""
    kind, _, rest = value.partition(":")
    parts_of = rest.split(":")
    key = parts_of[0]
    is_whole = len(parts_of) == {"invoice": 5, "account": 1}.get(kind)
    is_id = key.isascii() and key.isdigit() and len(key) < _LONGEST_ID
    return int(key) if is_whole and is_id else 0


def _is_served(account_id: int) -> bool:
    return get_desk_account(read_connection(), account_id, served_by()) is not None
