"""Messages and requests for packages as tests write them."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, OutboxMessage, Person, StaffMember
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.service_requests import ask_for_package
from portal.services.support_answers import staff_actor
from portal.services.support_messages import send_message
from tests.conftest import NOW
from tests.support.buying import ATELIER, LOTTE, account_named, actor_of

__all__ = ["HUGO", "asked", "give_executive", "mails_of", "sent", "staff"]

HUGO = "hugo.peeters@kanto.example"  # the account executive


def sent(
    parts: Parts, about: str = "Our invoice", text: str = "What is it for?", *,
    account: str = ATELIER, email: str = LOTTE,
) -> int:  # fmt: skip
    """Somebody wrote to the vendor; the message's number."""
    with transaction() as session:
        return send_message(
            session, account_named(session, account).id, about, text, catalogue=parts.catalogue,
            actor=actor_of(session, email), now=clock.now(),
        ).id  # fmt: skip


def asked(
    parts: Parts, package: str = "done-for-you", wishes: str = "In Ghent.", *,
    account: str = ATELIER, email: str = LOTTE,
) -> int:  # fmt: skip
    """Somebody asked for a package; the request's number."""
    with transaction() as session:
        return ask_for_package(
            session, account_named(session, account).id, package, wishes,
            catalogue=parts.catalogue, actor=actor_of(session, email), now=clock.now(),
        ).id  # fmt: skip


def staff(session: Session) -> Actor:
    """Hugo, as the one who acts."""
    return staff_actor(session, HUGO)


def give_executive(session: Session, account: str) -> None:
    """The account is served by Hugo."""
    executive = (
        select(StaffMember.id)
        .join(Person, Person.id == StaffMember.person_id)
        .where(Person.email == HUGO)
    )
    session.execute(
        update(Account).where(Account.name == account)
        .values(account_executive_id=executive.scalar_subquery())
    )  # fmt: skip


def mails_of(session: Session, *topics: str) -> list[OutboxMessage]:
    """The mails of these topics that the test brought about, in their order."""
    session.expire_all()
    return list(
        session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.topic.in_(topics), OutboxMessage.created_at >= NOW)
            .order_by(OutboxMessage.id)
        )
    )
