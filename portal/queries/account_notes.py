"""What the vendor's people wrote down about a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import AccountNote, Person

__all__ = ["NoteRow", "list_notes"]


@dataclass(frozen=True, slots=True)
class NoteRow:
    """One note, and who wrote it."""

    id: int
    at: datetime
    author: str
    author_id: int
    text: str


_NOTES = (
    select(AccountNote.id, AccountNote.at, Person.name, AccountNote.author_id, AccountNote.text)
    .join(Person, Person.id == AccountNote.author_id)
    .where(AccountNote.account_id == bindparam("account_id"), AccountNote.removed_at.is_(None))
    .order_by(AccountNote.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def list_notes(
    connection: Connection, account_id: int, *, limit: int, offset: int = 0
) -> list[NoteRow]:
    """The notes that were not taken away, the latest first."""
    rows = fetch_all(connection, _NOTES, account_id=account_id, limit=limit, offset=offset)
    return [NoteRow(*row) for row in rows]
