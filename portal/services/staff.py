"""The vendor's own people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffRole
from portal.models import Person, StaffMember
from portal.services.audit import SYSTEM, record

__all__ = ["create_staff_member"]

_LONGEST_NAME = 200


def create_staff_member(
    session: Session,
    email: str,
    name: str,
    *,
    role: StaffRole,
    now: datetime,
    locale: str = "en",
    phone: str | None = None,
) -> StaffMember:
    """Let a person work for the vendor; a person who is a customer already stays one.

    They are called `name` from now on, also where they were known by another.

    DomainError `email_malformed`, `name_missing`, or `staff_exists` (`role`) where the person works
    for the vendor already; one who had left comes back.
    """
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise DomainError("name_missing")
    address = normal_email(email)
    person = session.scalars(select(Person).where(Person.email == address)).one_or_none()
    if person is None:
        person = Person(email=address, name=name, locale=locale, created_at=now)
        session.add(person)
        session.flush()
    person.name = name
    staff = session.scalars(
        select(StaffMember).where(StaffMember.person_id == person.id)
    ).one_or_none()
    if staff is not None and staff.active:
        raise DomainError("staff_exists", role=staff.role)
    if staff is None:
        staff = StaffMember(person_id=person.id, role=role.value, active=True)
        session.add(staff)
    staff.role, staff.active = role.value, True
    staff.phone = phone or staff.phone
    session.flush()
    record(session, "staff_created", actor=SYSTEM, now=now, account_id=None, subject=address,
           new={"role": role.value, "name": person.name})  # fmt: skip
    return staff
