"""The vendor's people who can serve a customer."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.models import Person, StaffMember

__all__ = ["Executive", "list_staff"]

_MOST = 500


@dataclass(frozen=True, slots=True)
class Executive:
    """Somebody who may serve customers."""

    staff_id: int
    name: str
    email: str
    role: str


_STAFF = (
    select(StaffMember.id, Person.name, Person.email, StaffMember.role)
    .join(Person, Person.id == StaffMember.person_id)
    .where(StaffMember.active, StaffMember.id > 0)  # few: the range of the key, not the table
    .order_by(StaffMember.id)
    .limit(_MOST)
)


def list_staff(connection: Connection) -> list[Executive]:
    """Everybody who works for the vendor now, by name."""
    found = [Executive(*row) for row in fetch_all(connection, _STAFF)]
    return sorted(found, key=lambda one: (one.name, one.staff_id))
