"""Asking people into an account: invite, send the invitation again, withdraw it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.email_addresses import normal_email
from portal.domain.errors import DomainError, Problem, Rejected
from portal.domain.permissions import Role
from portal.models import Account, Assignment, Member, Person
from portal.services.audit import Actor, record
from portal.services.leaving import remove_invited
from portal.services.licence_assigning import give, take
from portal.services.membership import (
    OpenedAccount,
    Who,
    load_member,
    open_account,
    tell_admins,
)
from portal.services.outbox import enqueue_mail

__all__ = ["RESEND_AFTER", "Invited", "invite_member", "invite_people", "resend_invitation",
           "send_invitations", "withdraw_invitation"]  # fmt: skip

RESEND_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Invited:
    """Who is invited; name and language are those of a person the portal does not know yet."""

    email: str
    name: str
    role: Role
    locale: str


def invite_member(
    session: Session, account_id: int, invited: Invited, items: Collection[int], *,
    catalogue: Catalogue, actor: Actor, now: datetime,
) -> Member:  # fmt: skip
    """Invite a person by e-mail and reserve a licence of each of `items` for them.

    They accept by signing in, as anyone does. Rejected on `email` for one who belongs to the account
    already (`member_exists`, `member_invited_already`, `member_was_deactivated`) and for what is no
    address (`email_malformed`), on `licences` with the codes of `plan_assignments`.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    email = _address(invited)
    person = session.scalars(select(Person).where(Person.email == email)).one_or_none()
    if person is not None:
        status = session.scalar(
            select(Member.status).where(
                Member.account_id == account_id, Member.person_id == person.id
            )
        )
        if status is not None:
            raise Rejected([Problem("email", _ALREADY[status])])
    [who] = invite_people(session, opened, [(person, invited)], actor=actor, now=now)
    try:
        give(session, opened, who, items, actor=actor, now=now)
    except DomainError as error:
        raise Rejected([Problem("licences", error.code, error.data)]) from error
    send_invitations(session, opened.account, [who], actor=actor, now=now)
    return who.member


_ALREADY = {
    "active": "member_exists",
    "invited": "member_invited_already",
    "deactivated": "member_was_deactivated",
}


def invite_people(
    session: Session, opened: OpenedAccount, people: Sequence[tuple[Person | None, Invited]], *,
    actor: Actor, now: datetime,
) -> list[Who]:  # fmt: skip
    """Write invited members of an opened account, in few statements however many they are.

    Each comes with the person where the address is known. Their mails are `send_invitations`.
    Rejected on `email` for what is no address.
    """
    persons = [
        person
        or Person(email=_address(invited), name=invited.name, locale=invited.locale,
                  created_at=now)
        for person, invited in people
    ]  # fmt: skip
    session.add_all(persons)
    session.flush()
    members = [
        Member(account_id=opened.account.id, person_id=person.id, role=invited.role.value,
               status="invited", added_at=now, invited_by_id=actor.person_id, invited_at=now)
        for person, (_known, invited) in zip(persons, people, strict=True)
    ]  # fmt: skip
    session.add_all(members)
    session.flush()
    found = [Who(member, person) for member, person in zip(members, persons, strict=True)]
    for who in found:
        record(session, "member_invited", actor=actor, now=now, account_id=opened.account.id,
               subject=who.person.name,
               new={"member_id": who.member.id, "email": who.person.email,
                    "role": who.member.role})  # fmt: skip
        if who.member.role == Role.ADMIN:
            tell_admins(session, opened.account, who.person, actor=actor, now=now)
    return found


def _address(invited: Invited) -> str:
    """In the one form in which people are written, whichever way they came."""
    try:
        return normal_email(invited.email)
    except DomainError as error:
        raise Rejected([Problem("email", error.code, error.data)]) from None


def resend_invitation(
    session: Session, account_id: int, member_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Mail the invitation once more, at most once a minute.

    DomainError `member_unknown`, `not_invited`, `resent_too_soon`.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    _require_invited(who)
    sent_at = who.member.invited_at or who.member.added_at
    if now - sent_at < RESEND_AFTER:
        raise DomainError("resent_too_soon")
    who.member.invited_at = now
    record(session, "invitation_resent", actor=actor, now=now, account_id=account_id,
           subject=who.person.name, new={"member_id": who.member.id})  # fmt: skip
    send_invitations(session, opened.account, [who], actor=actor, now=now)


def withdraw_invitation(
    session: Session, account_id: int, member_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> str:  # fmt: skip
    """Take an invitation back; its licences are free again. The name of who was invited.

    DomainError `member_unknown`, `not_invited` (accepted meanwhile).
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    _require_invited(who)
    take(session, opened, who, "withdrawn", actor=actor, now=now)
    record(session, "invitation_withdrawn", actor=actor, now=now, account_id=account_id,
           subject=who.person.name,
           old={"email": who.person.email, "role": who.member.role})  # fmt: skip
    remove_invited(session, [who.member.id])
    return who.person.name


def _require_invited(who: Who) -> None:
    if who.member.status != "invited":
        raise DomainError("not_invited")


def send_invitations(
    session: Session, account: Account, people: Sequence[Who], *, actor: Actor, now: datetime
) -> None:
    """Mail each their invitation, which says whether a licence is kept for them."""
    session.flush()
    reserved = set(
        session.scalars(
            select(Assignment.member_id).where(
                Assignment.member_id.in_([who.member.id for who in people]),
                Assignment.freed_at.is_(None),
            )
        )
    )
    for who in people:
        enqueue_mail(session, "invitation", recipient=who.person.email, locale=who.person.locale,
                     now=now, account_id=account.id,
                     payload={"account_name": account.name, "invited_by": actor.name,
                              "licences": int(who.member.id in reserved)})  # fmt: skip
    session.flush()
