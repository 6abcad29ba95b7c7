"""The vendor's side of messages: answering and closing them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.email_addresses import known_email
from portal.domain.errors import DomainError
from portal.models import Person, StaffMember, SupportMessage, SupportReply
from portal.services.audit import Actor, record
from portal.services.outbox import enqueue_mail
from portal.services.support_messages import is_same_click, load_message

__all__ = ["answer_message", "close_message", "reopen_message", "staff_actor"]


def staff_actor(session: Session, email: str) -> Actor:
    """Somebody of the vendor's staff, by address, as the one who acts; DomainError `staff_unknown`."""
    person = session.scalars(
        select(Person)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(Person.email == known_email(email), StaffMember.active)
    ).one_or_none()
    if person is None:
        raise DomainError("staff_unknown")
    return Actor("staff", person.name, person.id)


def answer_message(
    session: Session, message_id: int, text: str, *, catalogue: Catalogue, actor: Actor,
    now: datetime, seen: int | None = None,
) -> SupportMessage:  # fmt: skip
    """Answer on the message's page, and by mail to who wrote it.

    The same words of the same person within ten minutes are one answer. `seen` is how many replies
    the page showed: whoever did not see the latest does not answer past it. DomainError
    `message_unknown`, `answer_empty`, `message_went_on`.
    """
    text = text.strip()
    if not text:
        raise DomainError("answer_empty")
    assert actor.person_id is not None, "a person answers"
    message = load_message(session, message_id)
    if is_same_click(session, message, actor.person_id, text, now, from_staff=True):
        return message
    _require_seen(session, message, seen)
    session.add(SupportReply(message_id=message.id, at=now, author_id=actor.person_id,
                             from_staff=True, text=text))  # fmt: skip
    message.status, message.changed_at = "answered", now
    session.flush()
    author = session.get_one(Person, message.author_id)
    record(session, "support_answered", actor=actor, now=now, account_id=message.account_id,
           subject=message.about)  # fmt: skip
    enqueue_mail(
        session, "support_answered", recipient=author.email, locale=author.locale, now=now,
        account_id=message.account_id,
        payload={"support_message_id": message.id, "about": message.about, "text": text,
                 "answered_by": actor.name, "support_email": catalogue.vendor.support.email},
    )  # fmt: skip
    return message


def close_message(
    session: Session, message_id: int, *, actor: Actor, now: datetime, seen: int | None = None
) -> SupportMessage:
    """Nothing more is to be done about a message; its author can go on with it all the same.

    `seen` as `answer_message`. DomainError `message_unknown`, `message_went_on`.
    """
    message = load_message(session, message_id)
    if message.status != "closed":
        _require_seen(session, message, seen)
        _move(session, message, "closed", "support_closed", actor, now)
    return message


def reopen_message(
    session: Session, message_id: int, *, actor: Actor, now: datetime
) -> SupportMessage:
    """Something is to be done about a closed message after all: it waits for an answer again.

    DomainError `message_unknown`.
    """
    message = load_message(session, message_id)
    if message.status == "closed":
        _move(session, message, "new", "support_reopened", actor, now)
    return message


def _move(
    session: Session, message: SupportMessage, status: str, action: str, actor: Actor, now: datetime
) -> None:
    message.status, message.changed_at = status, now
    session.flush()
    record(session, action, actor=actor, now=now, account_id=message.account_id,
           subject=message.about)  # fmt: skip


def _require_seen(session: Session, message: SupportMessage, seen: int | None) -> None:
    """Whoever saw fewer replies than there are looks at the message again first."""
    if seen is None:
        return
    replies = session.scalar(select(func.count()).where(SupportReply.message_id == message.id))
    if seen != replies:
        raise DomainError("message_went_on")
