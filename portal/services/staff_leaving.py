"""Taking away what a person may do for the vendor, at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError
from portal.domain.permissions import StaffRole
from portal.models import Account, Person, SignInLink, SignInSession, StaffMember
from portal.services.audit import SYSTEM, record

__all__ = ["Left", "remove_staff_member"]


@dataclass(frozen=True, slots=True)
class Left:
    """Who left, how many sign-ins ended, and the (id, name) of each account that nobody serves now."""

    name: str
    email: str
    sessions: int
    unserved: tuple[tuple[int, str], ...]


def remove_staff_member(
    session: Session, email: str, *, role: StaffRole, now: datetime, even_the_last: bool = False
) -> Left:
    """Let a person work for the vendor no more: signed out everywhere, and no link lets them in.

    What they did stays theirs, and they may come back (`create_staff_member`) to the accounts that
    nobody else was given. A person who is also a customer's member signs in as that again.
    DomainError `email_malformed`, `staff_unknown`, `staff_other_role` (`role`), or
    `staff_last_operator` where no operator would be left, unless `even_the_last`.
    """
    address = normal_email(email)
    # All of them, in one order: two operators who remove each other must not both succeed.
    active = session.scalars(
        select(StaffMember).where(StaffMember.active).order_by(StaffMember.id).with_for_update()
    ).all()
    person = session.scalars(
        select(Person).where(Person.email == address).with_for_update(key_share=True)
    ).one_or_none()
    staff = next((each for each in active if person and each.person_id == person.id), None)
    if person is None or staff is None:
        raise DomainError("staff_unknown")
    if staff.role != role.value:
        raise DomainError("staff_other_role", role=staff.role)
    operators = [each for each in active if each.role == StaffRole.OPERATOR.value]
    if operators == [staff] and not even_the_last:
        raise DomainError("staff_last_operator")
    staff.active = False
    session.flush()
    ended = _sign_out(session, person.id, now)
    record(session, "staff_removed", actor=SYSTEM, now=now, account_id=None, subject=address,
           old={"role": staff.role, "name": person.name}, new={"sessions": ended})  # fmt: skip
    return Left(person.name, address, ended, _accounts_of(session, staff.id))


def _sign_out(session: Session, person_id: int, now: datetime) -> int:
    """Use up every link and end every session; how many sign-ins that were."""
    session.execute(
        update(SignInLink)
        .where(SignInLink.person_id == person_id, SignInLink.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    ended = session.execute(
        update(SignInSession)
        .where(
            SignInSession.person_id == person_id,
            SignInSession.ended_at.is_(None),
            SignInSession.expires_at > now,
        )
        .values(ended_at=now)
        .returning(SignInSession.family)
        .execution_options(synchronize_session=False)
    )
    return len(set(ended.scalars()))


def _accounts_of(session: Session, staff_id: int) -> tuple[tuple[int, str], ...]:
    rows = session.execute(
        select(Account.id, Account.name)
        .where(Account.account_executive_id == staff_id)
        .order_by(Account.name, Account.id)
    )
    return tuple((row.id, row.name) for row in rows)
