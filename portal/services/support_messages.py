"""Writing to the vendor from the portal, and going on with what was written."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import Account, Person, SupportMessage, SupportReply
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.vendor_mails import tell_vendor
from portal.services.writing_limit import require_not_too_many

__all__ = ["is_same_click", "load_message", "reply_to_message", "send_message"]

_SAME_CLICK = timedelta(minutes=10)


def send_message(
    session: Session, account_id: int, about: str, text: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> SupportMessage:  # fmt: skip
    """Keep a message of a person of the account and mail it to the vendor.

    The same words of the same person within ten minutes are one message: a button pressed twice.
    DomainError `too_many_messages`.
    """
    account = lock_account(session, account_id)
    author = _author(session, actor)
    again = session.scalars(
        select(SupportMessage)
        .where(
            SupportMessage.account_id == account_id,
            SupportMessage.author_id == author.id,
            SupportMessage.about == about,
            SupportMessage.text == text,
            SupportMessage.sent_at > now - _SAME_CLICK,
        )
        .limit(1)
    ).first()
    if again is not None:
        return again
    _require_not_too_many(session, account_id, now)
    message = SupportMessage(
        account_id=account_id, author_id=author.id, about=about, text=text, status="new",
        sent_at=now, changed_at=now,
    )  # fmt: skip
    session.add(message)
    session.flush()
    record(session, "support_asked", actor=actor, now=now, account_id=account_id, subject=about)
    _mail(session, account, author, message, text, "message", catalogue, now)
    return message


def reply_to_message(
    session: Session, account_id: int, message_id: int, text: str, *, catalogue: Catalogue,
    actor: Actor, now: datetime,
) -> SupportMessage:  # fmt: skip
    """Say more about a message of the account: it is new again, and the vendor gets it by mail.

    DomainError `message_unknown` (also for another account's), `too_many_messages`.
    """
    account = lock_account(session, account_id)
    author = _author(session, actor)
    message = load_message(session, message_id)
    if message.account_id != account_id:
        raise DomainError("message_unknown")
    if is_same_click(session, message, author.id, text, now, from_staff=False):
        return message
    _require_not_too_many(session, account_id, now)
    session.add(SupportReply(message_id=message.id, at=now, author_id=author.id,
                             from_staff=False, text=text))  # fmt: skip
    message.status, message.changed_at = "new", now
    session.flush()
    record(session, "support_replied", actor=actor, now=now, account_id=account_id,
           subject=message.about)  # fmt: skip
    _mail(session, account, author, message, text, "reply", catalogue, now)
    return message


def load_message(session: Session, message_id: int) -> SupportMessage:
    """A message, locked; DomainError `message_unknown`."""
    message = session.scalars(
        select(SupportMessage)
        .where(SupportMessage.id == message_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if message is None:
        raise DomainError("message_unknown")
    return message


def is_same_click(
    session: Session, message: SupportMessage, author_id: int, text: str, now: datetime, *,
    from_staff: bool,
) -> bool:  # fmt: skip
    """Whether the last reply says the same of the same person, ten minutes ago at most."""
    last = session.scalars(
        select(SupportReply)
        .where(SupportReply.message_id == message.id)
        .order_by(SupportReply.id.desc())
        .limit(1)
    ).first()
    return (
        last is not None
        and (last.author_id, last.text, last.from_staff) == (author_id, text, from_staff)
        and last.at > now - _SAME_CLICK
    )


def _author(session: Session, actor: Actor) -> Person:
    assert actor.person_id is not None, "a person writes"
    return session.get_one(Person, actor.person_id)


def _require_not_too_many(session: Session, account_id: int, now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    # Messages and replies that came since, each found from the account's own rows.
    of_account = SupportMessage.account_id == account_id
    require_not_too_many(
        session,
        select(SupportMessage.id).where(of_account, SupportMessage.sent_at > hour_ago),
        select(SupportReply.id)
        .join(SupportMessage, SupportMessage.id == SupportReply.message_id)
        .where(of_account, SupportReply.at > hour_ago, ~SupportReply.from_staff),
    )


def _mail(
    session: Session, account: Account, author: Person, message: SupportMessage, text: str,
    kind: str, catalogue: Catalogue, now: datetime,
) -> None:  # fmt: skip
    payload = {"message_number": message.id, "about": message.about, "text": text, "kind": kind}
    tell_vendor(session, "support_asked", account, author, payload, catalogue=catalogue, now=now)
    session.flush()
