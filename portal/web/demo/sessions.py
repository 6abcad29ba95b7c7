"""Signing in without a link, and staying signed in when the clock moves: in the demo only."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from flask import session as cookie
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.models import Member, Person, SignInSession
from portal.services.sign_in import SESSION_LIFETIME
from portal.web.locale import SESSION_KEY, chosen_before_sign_in
from portal.web.signed_in import ROTATED_AT, token_hash

__all__ = ["keep_signed_in", "put_in_cookie", "sign_in_as"]


def sign_in_as(session: Session, email: str, now: datetime) -> tuple[str, str] | None:
    """Begin a session of the person with `email`, in the first account: its token and language.

    A language chosen on the page before is the person's from now on, as at any sign-in.
    """
    person = session.scalar(select(Person).where(Person.email == email))
    if person is None:
        return None
    person.locale = chosen_before_sign_in() or person.locale
    account_id = session.scalar(
        select(Member.account_id)
        .where(Member.person_id == person.id, Member.status != "invited")
        .order_by(Member.id)
        .limit(1)
    )
    token = secrets.token_urlsafe(32)
    session.add(
        SignInSession(
            person_id=person.id,
            account_id=account_id,
            token_hash=token_hash(token),
            created_at=now,
            rotated_at=now,
            expires_at=now + SESSION_LIFETIME,
            browser="",
            address="",
        )
    )
    session.flush()
    return token, person.locale


def put_in_cookie(token: str, locale: str, now: datetime) -> None:
    """Let the browser carry the session from now on; nothing of the one before is kept."""
    cookie.clear()
    cookie["_user_id"] = token
    cookie["_fresh"] = True
    cookie[SESSION_KEY] = locale
    cookie[ROTATED_AT] = int(now.timestamp())


def keep_signed_in(session: Session, ahead: timedelta, now: datetime) -> None:
    """Sessions live on when the clock jumps from `now` by `ahead`: nobody really waited so long."""
    live = session.scalars(
        select(SignInSession).where(
            SignInSession.ended_at.is_(None), SignInSession.expires_at > now
        )
    ).all()
    for each in live:
        session.execute(
            update(SignInSession)
            .where(SignInSession.id == each.id)
            .values(expires_at=each.expires_at + ahead, rotated_at=each.rotated_at + ahead)
            .execution_options(synchronize_session=False)
        )
