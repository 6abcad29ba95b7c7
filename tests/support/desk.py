"""The vendor's people as tests need them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, DeskTask, Person, StaffMember
from portal.services.audit import Actor
from tests.support.buying import account_named

__all__ = ["GRETA", "HUGO", "account_id", "open_task", "person_named", "staff_id"]

HUGO = "hugo.peeters@kanto.example"  # the account executive of Lumière and Officine
GRETA = "greta.wouters@kanto.example"  # the operator


def account_id(session: Session, name: str) -> int:
    """The number of the customer."""
    return int(account_named(session, name).id)


def staff_id(session: Session, email: str) -> int:
    """The StaffMember of the person."""
    wanted = (
        select(StaffMember.id)
        .join(Person, Person.id == StaffMember.person_id)
        .where(Person.email == email)
    )
    return int(session.scalars(wanted).one())


def person_named(session: Session, email: str) -> Actor:
    """Somebody of the staff as the one who acts."""
    person = session.scalars(select(Person).where(Person.email == email)).one()
    return Actor("staff", person.name, person.id)


def open_task(account: str | None, kind: str = "overhang", **details: object) -> int:
    """A desk task, of a customer or of none; needs an app context."""
    with transaction() as session:
        key = None
        if account is not None:
            key = session.scalars(select(Account.id).where(Account.name == account)).one()
        count = len(session.scalars(select(DeskTask.id)).all())
        task = DeskTask(account_id=key, kind=kind, dedupe_key=f"test:{kind}:{count}",
                        details=details, created_at=clock.now())  # fmt: skip
        session.add(task)
        session.flush()
        return int(task.id)
