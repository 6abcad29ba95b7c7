"""Changing what a member may do in the account."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.permissions import Role
from portal.models import Account
from portal.services.audit import Actor, record
from portal.services.leaving import close_requests
from portal.services.locks import lock_account
from portal.services.membership import Who, load_member, tell_admins, tell_person

__all__ = ["change_role", "put_role"]


def change_role(
    session: Session, account_id: int, member_id: int, role: Role, *, actor: Actor, now: datetime
) -> bool:
    """Give the member another role at once; False where it is the one they have.

    DomainError `member_unknown`, and `admin_must_consent` where an active admin would lose the
    rights: they are asked in writing first (S7). An invited admin has none to lose yet, and a
    deactivated one none any more.
    """
    account = lock_account(session, account_id)
    who = load_member(session, account_id, member_id)
    if who.member.role == role:
        return False
    if who.member.role == Role.ADMIN and who.member.status == "active":
        raise DomainError("admin_must_consent")
    put_role(session, account, who, role, actor=actor, now=now)
    session.flush()
    return True


def put_role(
    session: Session, account: Account, who: Who, role: Role, *, actor: Actor, now: datetime
) -> None:
    """Write the role; whoever calls holds the account's lock and has asked an admin first."""
    before = who.member.role
    who.member.role = role.value
    if before == Role.ADMIN:
        close_requests(session, [who.member.id], now)  # no consent is needed any more
    record(session, "role_changed", actor=actor, now=now, account_id=account.id,
           subject=who.person.name, old={"member_id": who.member.id, "role": before},
           new={"member_id": who.member.id, "role": role.value})  # fmt: skip
    if who.member.status == "active":
        tell_person(session, account, who, "role_changed", actor=actor, now=now)
    if role is Role.ADMIN and who.member.status != "deactivated":
        tell_admins(session, account, who.person, actor=actor, now=now)
