"""Deactivating a member by hand and taking them back (S7, S8)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.assignments import require_licence_to_return
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.services.audit import Actor, record
from portal.services.leaving import close_requests
from portal.services.licence_assigning import give, take
from portal.services.membership import (
    OpenedAccount,
    Who,
    load_member,
    open_account,
    tell_person,
)

__all__ = ["deactivate_member", "let_back", "put_out", "reactivate_member", "require_active"]


def deactivate_member(
    session: Session, account_id: int, member_id: int, *, catalogue: Catalogue, actor: Actor,
    now: datetime,
) -> int:  # fmt: skip
    """Free the member's licences and leave them to read only; how many licences became free.

    No quantity changes (S8). DomainError `member_unknown`, `member_not_active`, and
    `admin_must_consent` for an admin, who is asked in writing first (S7).
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    require_active(who)
    if who.member.role == "admin":
        raise DomainError("admin_must_consent")
    return put_out(session, opened, who, because="deactivated", actor=actor, now=now)


def put_out(
    session: Session, opened: OpenedAccount, who: Who, *, because: str, actor: Actor, now: datetime
) -> int:
    """Deactivate an active member of an opened account; whoever calls has asked an admin first."""
    freed = take(session, opened, who, because, actor=actor, now=now)
    who.member.status, who.member.deactivated_at = "deactivated", now
    close_requests(session, [who.member.id], now)
    record(session, "member_deactivated", actor=actor, now=now, account_id=opened.account.id,
           subject=who.person.name, old={"member_id": who.member.id, "status": "active"},
           new={"member_id": who.member.id, "status": "deactivated"})  # fmt: skip
    tell_person(session, opened.account, who, "deactivated", actor=actor, now=now)
    session.flush()
    return freed


def reactivate_member(
    session: Session, account_id: int, member_id: int, items: Collection[int], *,
    catalogue: Catalogue, actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """Make a deactivated member active again, with a licence of each of `items`.

    DomainError `member_unknown`, `member_not_deactivated`, `licence_needed`, and those of
    `plan_assignments` where no seat is free.
    """
    opened = open_account(session, account_id, catalogue=catalogue, now=now)
    who = load_member(session, account_id, member_id)
    if who.member.status != "deactivated":
        raise DomainError("member_not_deactivated")
    require_licence_to_return(who.member.role, items)
    let_back(session, opened, who, items, actor=actor, now=now)


def let_back(
    session: Session, opened: OpenedAccount, who: Who, items: Collection[int], *, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """The writing of `reactivate_member`, for a member of an opened account."""
    who.member.status, who.member.deactivated_at = "active", None
    give(session, opened, who, items, actor=actor, now=now)
    record(session, "member_reactivated", actor=actor, now=now, account_id=opened.account.id,
           subject=who.person.name, old={"member_id": who.member.id, "status": "deactivated"},
           new={"member_id": who.member.id, "status": "active"})  # fmt: skip
    tell_person(session, opened.account, who, "reactivated", actor=actor, now=now)
    session.flush()


def require_active(who: Who) -> None:
    """DomainError `member_not_active` for an invited or deactivated member."""
    if who.member.status != "active":
        raise DomainError("member_not_active")
