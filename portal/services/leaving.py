"""What goes when somebody leaves an account: open requests for consent, a withdrawn invitation.

Below `membership`, because the engine that frees a surplus (S6) needs it too.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from portal.db import among
from portal.models import Assignment, Checkout, Consent, Member

__all__ = ["close_requests", "remove_invited"]


def close_requests(session: Session, member_ids: Collection[int], now: datetime) -> int:
    """Withdraw what these members were asked to consent to and have not answered; how many."""
    if not member_ids:
        return 0
    session.flush()
    closed = session.execute(
        update(Consent)
        .where(among(Consent.member_id, ids=sorted(member_ids)), Consent.answered_at.is_(None))
        .values(answered_at=now, answer="withdrawn")
        .execution_options(synchronize_session=False)
    )
    return int(closed.rowcount)  # type: ignore[attr-defined]


def remove_invited(session: Session, member_ids: Collection[int]) -> None:
    """Remove the rows of invited members whose invitation is withdrawn (S8).

    The membership never came to be: a deactivated member may read, whoever never accepted may not.
    What happened stays in the activity.
    """
    ids = sorted(member_ids)
    if not ids:
        return
    session.flush()
    # A checkout that named the person as contact asks for one again.
    session.execute(
        update(Checkout)
        .where(among(Checkout.contact_member_id, ids=ids))
        .values(contact_member_id=None, completed=False)
        .execution_options(synchronize_session=False)
    )
    for model, column in ((Assignment, Assignment.member_id), (Consent, Consent.member_id),
                          (Member, Member.id)):  # fmt: skip
        session.execute(
            delete(model)
            .where(among(column, ids=ids))
            .execution_options(synchronize_session="fetch")
        )
