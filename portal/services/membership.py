"""What every change of a member shares: the account's lock, the member's row, who is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.subscriptions import SubscriptionState
from portal.models import Account, Member, Person
from portal.queries.admins import list_admins
from portal.queries.holders import count_active_admins
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_mail
from portal.services.renewals import renew_due_of_account

__all__ = [
    "OpenedAccount", "Who", "load_member", "open_account", "require_other_admin", "tell_admins",
    "tell_person",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account whose people are to be changed: locked, its due renewals have run (P3)."""

    account: Account
    states: tuple[SubscriptionState, ...]


@dataclass(frozen=True, slots=True)
class Who:
    """A member and the person behind."""

    member: Member
    person: Person


def open_account(
    session: Session, account_id: int, *, catalogue: Catalogue, now: datetime
) -> OpenedAccount:
    """Lock the account, run what is due, and read its subscriptions: nobody else gives a licence."""
    account = lock_account(session, account_id)
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    return OpenedAccount(account, list_subscription_states(session.connection(), account_id))


def load_member(session: Session, account_id: int, member_id: int) -> Who:
    """The account's member, locked (signing in makes an invited one active); `member_unknown`."""
    found = session.execute(
        select(Member, Person)
        .join(Person, Person.id == Member.person_id)
        .where(Member.id == member_id, Member.account_id == account_id)
        .with_for_update(of=Member)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise DomainError("member_unknown")
    return Who(*found)


def require_other_admin(session: Session, account_id: int) -> None:
    """The last active admin cannot go (S7): DomainError `last_admin`. The account is locked."""
    session.flush()
    if count_active_admins(session.connection(), account_id) <= 1:
        raise DomainError("last_admin")


def tell_person(
    session: Session, account: Account, who: Who, change: str, *, actor: Actor, now: datetime
) -> None:
    """Mail the person concerned: `change` is role_changed, deactivated or reactivated."""
    enqueue_mail(session, "membership_changed", recipient=who.person.email,
                 locale=who.person.locale, now=now, account_id=account.id,
                 payload={"account_name": account.name, "change": change, "by": actor.name,
                          "role": who.member.role})  # fmt: skip


def tell_admins(
    session: Session, account: Account, person: Person, *, actor: Actor, now: datetime
) -> None:
    """All other admins are told of a new one, each in the own language (Q5's rule, for all ways)."""
    session.flush()
    for admin in list_admins(session.connection(), account.id):
        if admin.person_id in (person.id, actor.person_id):
            continue
        enqueue_mail(session, "new_admin_contact", recipient=admin.email, locale=admin.locale,
                     now=now, account_id=account.id,
                     payload={"account_name": account.name, "name": person.name,
                              "email": person.email, "added_by": actor.name})  # fmt: skip
