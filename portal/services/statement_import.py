"""Bank statements: kept entry by entry, each once; booked only by a person, in transfer_booking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.domain.bank_statements import Statement, StatementEntry, owner_of, plan_matching
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.models import BankEntry, BankStatement
from portal.queries.transfers_to_match import list_candidates
from portal.services.audit import Actor

__all__ = ["Imported", "find_owners", "import_statements", "put_back", "set_aside",
           "wait_again"]  # fmt: skip

_ENTRIES: Table = BankEntry.__table__
_AT_ONCE = 500
_MATCHED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought; `statement_id` is None where every entry was there already."""

    statement_id: int | None
    entries: int
    known: int


def import_statements(
    session: Session,
    statements: Sequence[Statement],
    *,
    file_name: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> tuple[Imported, ...]:
    """Keep the entries that no earlier import had: a statement that comes twice has no effect.

    DomainError `statement_other_account` (`iban`) where one is of a bank account that is not the
    vendor's; nothing is kept then.
    """
    ours = _compact(catalogue.vendor.bank.iban)
    for statement in statements:
        if ours and _compact(statement.iban) != ours:
            raise DomainError("statement_other_account", iban=statement.iban)
    return tuple(_keep(session, each, file_name, actor, now) for each in statements)


def set_aside(session: Session, entry_id: int, *, actor: Actor, now: datetime) -> None:
    """The entry is no payment to be booked here; DomainError `entry_decided`."""
    entry = _locked(session, entry_id, "waiting")
    entry.status, entry.decided_at, entry.decided_by_id = "set_aside", now, actor.person_id
    session.flush()


def put_back(session: Session, entry_id: int) -> None:
    """An entry that was set aside waits again; DomainError `entry_decided`."""
    entry = _locked(session, entry_id, "set_aside")
    entry.status, entry.decided_at, entry.decided_by_id = "waiting", None, None
    session.flush()


def wait_again(session: Session, entry: BankEntry) -> None:
    """Nothing is booked for the (locked) entry any more: it waits for whom it waited before that."""
    entry.status, entry.payment_id = "waiting", None
    entry.decided_at = entry.decided_by_id = None
    told = StatementEntry(
        entry.key, entry.booked_on, Money(entry.amount_minor, entry.currency), entry.payer_name,
        entry.payer_iban, entry.payer_reference, entry.payer_text,
    )  # fmt: skip
    session.flush()
    (entry.account_id,) = find_owners(session, [told])


def _keep(
    session: Session, statement: Statement, file_name: str, actor: Actor, now: datetime
) -> Imported:
    assert actor.person_id is not None, "a person imports a statement"
    found = {entry.key: entry for entry in statement.entries}
    known = _known(session, list(found))
    if len(known) == len(found):
        return Imported(None, 0, len(known))
    row = BankStatement(
        iban=_compact(statement.iban)[:34],
        number=statement.number[:40],
        currency=statement.currency[:3],
        file_name=file_name[:200],
        imported_at=now,
        imported_by_id=actor.person_id,
        entries=0,
        known=0,
    )
    session.add(row)
    session.flush()
    kept_anew = [entry for key, entry in found.items() if key not in known]
    owners = find_owners(session, kept_anew)
    fresh = [_values(row.id, entry, owner) for entry, owner in zip(kept_anew, owners, strict=True)]
    for start in range(0, len(fresh), _AT_ONCE):
        # Another import of the same file at this very moment: whoever is second brings nothing.
        session.execute(_insert(session).on_conflict_do_nothing(index_elements=["key"]),
                        fresh[start : start + _AT_ONCE])  # fmt: skip
    kept = session.scalars(select(BankEntry.id).where(BankEntry.statement_id == row.id)).all()
    if not kept:
        session.delete(row)
        session.flush()
        return Imported(None, 0, len(found))
    row.entries, row.known = len(kept), len(found) - len(kept)
    session.flush()
    return Imported(row.id, row.entries, row.known)


def find_owners(session: Session, entries: Sequence[StatementEntry]) -> list[int | None]:
    """The account whose payment each entry seems to be, in their order; None where it is open."""
    owners: list[int | None] = []
    for start in range(0, len(entries), _MATCHED_AT_ONCE):
        part = entries[start : start + _MATCHED_AT_ONCE]
        candidates = list_candidates(session.connection(), part, None)
        account_of = {found.invoice.invoice_id: found.account_id for found in candidates}
        matches = plan_matching(part, [found.invoice for found in candidates])
        owners += [owner_of(match, account_of) for match in matches]
    return owners


def _known(session: Session, keys: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        known.update(session.scalars(select(BankEntry.key).where(BankEntry.key.in_(part))))
    return known


def _values(statement_id: int, entry: StatementEntry, owner: int | None) -> dict[str, object]:
    is_to_decide = entry.amount.minor > 0 or entry.reversal
    return {
        "statement_id": statement_id,
        "key": entry.key,
        "booked_on": entry.booked_on,
        "valued_on": entry.valued_on,
        "account_id": owner,
        "amount_minor": entry.amount.minor,
        "currency": entry.amount.currency,
        "payer_name": entry.payer_name,
        "payer_iban": entry.payer_iban,
        "payer_reference": entry.reference,
        "payer_text": entry.text,
        "is_reversal": entry.reversal,
        "status": "waiting" if is_to_decide else "outgoing",
    }


def _insert(session: Session) -> postgresql.Insert | sqlite.Insert:
    on_postgres = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(_ENTRIES) if on_postgres else sqlite.insert(_ENTRIES)


def _locked(session: Session, entry_id: int, status: str) -> BankEntry:
    entry = session.scalars(
        select(BankEntry)
        .where(BankEntry.id == entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if entry is None or entry.status != status:
        raise DomainError("entry_decided")
    return entry


def _compact(iban: str) -> str:
    return iban.replace(" ", "").upper()
