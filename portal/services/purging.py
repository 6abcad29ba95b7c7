"""Forgetting what was only needed for a while; nothing of money, licences or the audit is here."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from portal.models import GatewayEvent, Job, SignInLink, SignInSession

__all__ = ["purge_finished"]

_LINKS_KEPT = timedelta(days=1)
_SESSIONS_KEPT = timedelta(days=30)
_JOBS_KEPT = timedelta(days=30)
_EVENTS_KEPT_AT_LEAST = timedelta(days=30)


def purge_finished(session: Session, *, event_days: int, now: datetime) -> None:
    """Delete expired sign-in links, sessions that are long over, and jobs that are long done.

    The provider's events go after `event_days`, never before 30. One that comes again after that
    does no harm: its effect is the state that is read again (M2).
    """
    events_kept = max(timedelta(days=event_days), _EVENTS_KEPT_AT_LEAST)
    sessions_before = now - _SESSIONS_KEPT
    for statement in (
        delete(SignInLink).where(SignInLink.expires_at < now - _LINKS_KEPT),
        delete(SignInSession).where(
            or_(
                SignInSession.ended_at < sessions_before,
                SignInSession.expires_at < sessions_before,
            )
        ),
        delete(Job).where(Job.status == "done", Job.finished_at < now - _JOBS_KEPT),
        delete(GatewayEvent).where(GatewayEvent.received_at < now - events_kept),
    ):
        session.execute(statement.execution_options(synchronize_session=False))
