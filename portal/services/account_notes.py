"""What the vendor's people write down about a customer. A note says itself who wrote it, when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.models import AccountNote
from portal.services.audit import Actor

__all__ = ["add_note", "remove_note"]


def add_note(
    session: Session, account_id: int, text: str, *, actor: Actor, now: datetime
) -> AccountNote:
    """Add a note, which only the vendor's people see; DomainError `note_empty`."""
    text = text.strip()
    if not text:
        raise DomainError("note_empty")
    assert actor.person_id is not None, "a person writes a note"
    note = AccountNote(account_id=account_id, at=now, author_id=actor.person_id, text=text)
    session.add(note)
    session.flush()
    return note


def remove_note(
    session: Session, account_id: int, note_id: int, *, actor: Actor, now: datetime
) -> None:
    """Take a note away; DomainError `note_unknown` where the account has none of that id."""
    note = session.scalars(
        select(AccountNote).where(AccountNote.id == note_id, AccountNote.account_id == account_id)
    ).one_or_none()
    if note is None:
        raise DomainError("note_unknown")
    if note.removed_at is None:
        note.removed_at, note.removed_by_id = now, actor.person_id
        session.flush()
