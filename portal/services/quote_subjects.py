"""What a quote holds (Q1): one open quote a subject, or one unresolved order."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.models import QuoteSubject

__all__ = ["release_subjects"]


def release_subjects(session: Session, quote_id: int) -> None:
    """The quote no longer holds its subjects: a new one may."""
    session.execute(
        update(QuoteSubject)
        .where(QuoteSubject.quote_id == quote_id)
        .values(holds=False)
        .execution_options(synchronize_session=False)
    )
