"""The vendor's side of messages: answering and closing them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import Person, StaffMember, SupportMessage, SupportReply
from portal.services.audit import Actor, record
from portal.services.outbox import enqueue_mail
from portal.services.support_messages import load_message

__all__ = ["answer_message", "close_message", "staff_actor"]


def staff_actor(session: Session, email: str) -> Actor:
    """Somebody of the vendor's staff, by address, as the one who acts; DomainError `staff_unknown`."""
    person = session.scalars(
        select(Person)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(Person.email == email.strip().lower(), StaffMember.active)
    ).one_or_none()
    if person is None:
        raise DomainError("staff_unknown")
    return Actor("staff", person.name, person.id)


def answer_message(
    session: Session, message_id: int, text: str, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> SupportMessage:  # fmt: skip
    """Answer on the message's page, and by mail to who wrote it.

    DomainError `message_unknown`, `answer_empty`.
    """
    text = text.strip()
    if not text:
        raise DomainError("answer_empty")
    assert actor.person_id is not None, "a person answers"
    message = load_message(session, message_id)
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
    session: Session, message_id: int, *, actor: Actor, now: datetime
) -> SupportMessage:
    """Nothing more is to be done about a message; its author can go on with it all the same.

    DomainError `message_unknown`.
    """
    message = load_message(session, message_id)
    if message.status != "closed":
        message.status, message.changed_at = "closed", now
        session.flush()
        record(session, "support_closed", actor=actor, now=now, account_id=message.account_id,
               subject=message.about)  # fmt: skip
    return message
