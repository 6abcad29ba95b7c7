"""Signing in by a mailed link, and the life of the session that follows.

Only hashes of tokens are stored. A link works once, for ten minutes, also when it is pressed in
two places at the same instant: the database decides who was first. A session lives twelve hours
whatever happens; its token is replaced at sign-in, when the account is switched, and every hour.
Each token is a row of its own; the rows of one sign-in are a family and end together, so that no
token outlives the sign-in that it belongs to.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, ScalarSelect, exists, func, select, update
from sqlalchemy.orm import Session

from portal.domain.email_addresses import known_email
from portal.domain.errors import DomainError
from portal.models import Member, Person, SignInLink, SignInSession, StaffMember
from portal.services.audit import Actor, record
from portal.services.outbox import enqueue_mail

__all__ = [
    "LINK_MINUTES",
    "ROTATE_AFTER",
    "SESSION_LIFETIME",
    "Opened",
    "end_other_sessions",
    "end_session",
    "open_session",
    "renew_token",
    "send_link",
    "switch_account",
]

LINK_MINUTES = 10
SESSION_LIFETIME = timedelta(hours=12)
ROTATE_AFTER = timedelta(hours=1)
# A request that was on its way when the token was replaced is still let in.
_GRACE = timedelta(seconds=60)
_MOST_LINKS = 5


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just begun: its token in clear, which exists nowhere else."""

    token: str
    person_id: int
    account_id: int | None
    locale: str
    next_path: str


def send_link(
    session: Session,
    email: str,
    *,
    address: str,
    next_path: str,
    locale: str | None = None,
    now: datetime,
) -> SignInLink | None:
    """Mail a link `address`/TOKEN to the person of `email`, in `locale` or else their language.

    An address that belongs to nobody who may sign in gets nothing, and so does one that was sent
    five links in ten minutes; the caller answers the same in every case.
    """
    person = session.scalar(select(Person).where(Person.email == known_email(email)))
    if person is None or not _may_sign_in(session, person.id):
        return None
    recent = session.scalar(
        select(func.count()).where(
            SignInLink.person_id == person.id,
            SignInLink.created_at > now - timedelta(minutes=LINK_MINUTES),
        )
    )
    if (recent or 0) >= _MOST_LINKS:
        return None
    token = secrets.token_urlsafe(32)
    link = SignInLink(
        person_id=person.id,
        token_hash=_hash(token),
        created_at=now,
        expires_at=now + timedelta(minutes=LINK_MINUTES),
        next_path=next_path,
    )
    session.add(link)
    enqueue_mail(
        session,
        "sign_in_link",
        recipient=person.email,
        locale=locale or person.locale,
        payload={"link": f"{address}/{token}", "minutes": LINK_MINUTES, "name": person.name},
        now=now,
    )
    return link


def open_session(
    session: Session,
    token: str,
    *,
    browser: str,
    address: str,
    locale: str | None = None,
    now: datetime,
) -> Opened:
    """Use up the link of `token` and begin a session; DomainError `sign_in_link_invalid`.

    Invited members become active. A person with one account is in it from the start.
    `locale`, a language chosen before signing in, is the person's from now on.
    """
    used = session.execute(
        update(SignInLink)
        .where(
            SignInLink.token_hash == _hash(token),
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > now,
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    if _count(used) != 1:
        raise DomainError("sign_in_link_invalid")
    link = session.scalars(select(SignInLink).where(SignInLink.token_hash == _hash(token))).one()
    person = session.get_one(Person, link.person_id)
    if not _may_sign_in(session, person.id):
        raise DomainError("sign_in_link_invalid")
    person.locale = locale or person.locale
    actor = Actor("person", person.name, person.id)
    # Locked, in the order of their ids: an invitation may be withdrawn at the same instant.
    members = list(
        session.scalars(
            select(Member)
            .where(Member.person_id == person.id)
            .order_by(Member.id)
            .with_for_update()
        )
    )
    for member in members:
        if member.status == "invited":
            member.status = "active"
            record(session, "member_activated", actor=actor, now=now,
                   account_id=member.account_id, subject=person.name,
                   old={"status": "invited"}, new={"status": "active"})  # fmt: skip
    account_id = members[0].account_id if len(members) == 1 else None
    opened = secrets.token_urlsafe(32)
    session.add(
        SignInSession(
            person_id=person.id,
            account_id=account_id,
            token_hash=_hash(opened),
            created_at=now,
            rotated_at=now,
            expires_at=now + SESSION_LIFETIME,
            browser=browser[:200],
            address=address[:64],
        )
    )
    record(session, "signed_in", actor=_acting(session, actor), now=now, account_id=account_id,
           subject=person.name)  # fmt: skip
    return Opened(opened, person.id, account_id, person.locale, link.next_path)


def renew_token(session: Session, session_id: int, *, now: datetime) -> str | None:
    """A new token for a session whose token is an hour old; None where another request was first.

    The session goes on in a new row of the same age; the old token works for one more minute.
    """
    _lock_sign_ins(
        session,
        select(SignInSession.person_id).where(SignInSession.id == session_id).scalar_subquery(),
    )
    replaced = session.execute(
        update(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.ended_at.is_(None),
            SignInSession.rotated_at <= now - ROTATE_AFTER,
            SignInSession.expires_at > now + _GRACE,
        )
        .values(rotated_at=now)
        .execution_options(synchronize_session=False)
    )
    if _count(replaced) != 1:
        return None
    old = session.get_one(SignInSession, session_id)
    token = _succeed(session, old, old.account_id, now)
    old.expires_at = now + _GRACE
    return token


def switch_account(
    session: Session, session_id: int, person_id: int, account_id: int, *, now: datetime
) -> str:
    """Go on in another account of the person, with a new token; DomainError `account_unknown`."""
    _lock_sign_ins(session, person_id)
    member = session.scalar(
        select(Member).where(
            Member.person_id == person_id,
            Member.account_id == account_id,
            Member.status != "invited",
        )
    )
    old = session.scalar(
        select(SignInSession).where(
            SignInSession.id == session_id,
            SignInSession.person_id == person_id,
            SignInSession.ended_at.is_(None),
        )
    )
    if member is None or old is None:
        raise DomainError("account_unknown")
    token = _succeed(session, old, account_id, now)
    old.ended_at = now
    person = session.get_one(Person, person_id)
    record(session, "account_entered", actor=Actor("person", person.name, person.id), now=now,
           account_id=account_id, subject=person.name)  # fmt: skip
    return token


def end_session(
    session: Session, person_id: int, session_id: int, *, now: datetime
) -> frozenset[int]:
    """End the sign-in of one of the person's sessions, with every token that it still has.

    The rows that ended: more than one shortly after a token was replaced, and without `session_id`
    where its token was replaced before. None where it is another's, or had ended.
    """
    family = select(SignInSession.family).where(
        SignInSession.id == session_id, SignInSession.person_id == person_id
    )
    ended = _end(session, person_id, SignInSession.family.in_(family), now)
    if ended:
        _record_end(session, person_id, 1, now)
    return frozenset(ended)


def end_other_sessions(session: Session, person_id: int, keep_id: int, *, now: datetime) -> int:
    """End all of the person's sign-ins but that of the session `keep_id`; how many there were."""
    family = select(SignInSession.family).where(
        SignInSession.id == keep_id, SignInSession.person_id == person_id
    )
    others = SignInSession.family.not_in(family) & (SignInSession.expires_at > now)
    count = len(set(_end(session, person_id, others, now).values()))
    if count:
        _record_end(session, person_id, count, now)
    return count


def _end(
    session: Session, person_id: int, which: ColumnElement[bool], now: datetime
) -> dict[int, str]:
    """The family of each row that was open and has ended, by its id."""
    _lock_sign_ins(session, person_id)
    rows = session.execute(
        update(SignInSession)
        .where(SignInSession.person_id == person_id, SignInSession.ended_at.is_(None), which)
        .values(ended_at=now)
        .returning(SignInSession.id, SignInSession.family)
        .execution_options(synchronize_session=False)
    )
    return {row.id: row.family for row in rows}


def _lock_sign_ins(session: Session, person_id: int | ScalarSelect[int]) -> None:
    """One of a person's sign-ins goes on or ends at a time.

    A row in which a session goes on is not seen by whoever ends that session at the same instant:
    it would live on.
    """
    session.execute(
        # By no more than that: rows that point to the person are written all the time.
        select(Person.id).where(Person.id == person_id).with_for_update(key_share=True)
    )


def _succeed(session: Session, old: SignInSession, account_id: int | None, now: datetime) -> str:
    """The row in which `old` goes on, with a token of its own and not a minute more to live."""
    token = secrets.token_urlsafe(32)
    session.add(
        SignInSession(
            person_id=old.person_id,
            account_id=account_id,
            family=old.family,
            token_hash=_hash(token),
            created_at=old.created_at,
            rotated_at=now,
            expires_at=old.expires_at,
            browser=old.browser,
            address=old.address,
        )
    )
    return token


def _record_end(session: Session, person_id: int, count: int, now: datetime) -> None:
    person = session.get_one(Person, person_id)
    record(session, "sessions_ended", actor=_acting(session, Actor("person", person.name, person_id)),
           now=now, account_id=None, subject=person.name, new={"count": count})  # fmt: skip


def _acting(session: Session, actor: Actor) -> Actor:
    """The vendor's own people are recorded as staff."""
    staff = session.scalar(
        select(exists().where(StaffMember.person_id == actor.person_id, StaffMember.active))
    )
    return Actor("staff", actor.name, actor.person_id) if staff else actor


def _may_sign_in(session: Session, person_id: int) -> bool:
    """A member of any account, deactivated ones included (they may read, S6), or active staff."""
    member = exists().where(Member.person_id == person_id)
    staff = exists().where(StaffMember.person_id == person_id, StaffMember.active)
    return bool(session.scalar(select(member | staff)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _count(result: Any) -> int:
    return int(cast("CursorResult[Any]", result).rowcount)
