"""Giving a customer another account executive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.models import Account, Person, StaffMember
from portal.queries.admins import list_admins
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_mail

__all__ = ["change_executive"]


def change_executive(
    session: Session, account_id: int, staff_id: int, *, actor: Actor, now: datetime
) -> bool:
    """From now on `staff_id` serves the account, and both sides are told; False where it did so.

    DomainError `account_unknown`, or `executive_unknown` where nobody who works for the vendor has
    that id.
    """
    if session.get(Account, account_id) is None:
        raise DomainError("account_unknown")
    account = lock_account(session, account_id)
    if account.account_executive_id == staff_id:
        return False
    chosen = session.execute(
        select(StaffMember, Person)
        .join(Person, Person.id == StaffMember.person_id)
        .where(StaffMember.id == staff_id, StaffMember.active)
    ).one_or_none()
    if chosen is None:
        raise DomainError("executive_unknown")
    staff, person = chosen
    before = _name_of(session, account.account_executive_id)
    account.account_executive_id = staff_id
    session.flush()
    record(session, "executive_changed", actor=actor, now=now, account_id=account_id,
           subject=person.name, old={"executive": before} if before else None,
           new={"executive": person.name})  # fmt: skip
    _tell(session, account, staff, person, actor, now)
    return True


def _name_of(session: Session, staff_id: int | None) -> str | None:
    return session.scalar(
        select(Person.name)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(StaffMember.id == staff_id)
    )


def _tell(
    session: Session, account: Account, staff: StaffMember, person: Person, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """The customer's admins hear whom to turn to; who serves them hears it unless it is their own doing."""
    for admin in list_admins(session.connection(), account.id):
        enqueue_mail(
            session, "executive_changed", recipient=admin.email, locale=admin.locale, now=now,
            account_id=account.id,
            payload={"account_name": account.name, "executive_name": person.name,
                     "executive_email": person.email, "executive_phone": staff.phone or ""},
        )  # fmt: skip
    if person.id != actor.person_id:
        enqueue_mail(
            session, "customer_assigned", recipient=person.email, locale=person.locale, now=now,
            account_id=account.id,
            payload={"account_id": account.id, "account_name": account.name,
                     "assigned_by": actor.name},
        )  # fmt: skip
