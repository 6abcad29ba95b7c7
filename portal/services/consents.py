"""An admin's consent in writing to losing access, admin rights or a licence (S7).

Only the hash of a request's token is kept, as with sign-in links. A request waits for 30 days; one
that is taken back, or replaced by another of its kind, is answered as `withdrawn`.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.permissions import Role
from portal.languages import language
from portal.models import Consent, Member, Person
from portal.services.audit import SYSTEM, Actor, record
from portal.services.locks import lock_account
from portal.services.member_roles import put_role
from portal.services.member_status import put_out
from portal.services.membership import (
    OpenedAccount,
    Who,
    load_member,
    open_account,
    require_other_admin,
)
from portal.services.outbox import enqueue_mail
from portal.wording import consent_words

__all__ = [
    "REQUEST_LIFETIME", "Answered", "answer_consent", "ask_to_deactivate", "ask_to_free_at_renewal",
    "ask_to_give_up_rights", "withdraw_request",
]  # fmt: skip

REQUEST_LIFETIME = timedelta(days=30)
ASK_AGAIN_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request: `agreed`, and the words that were answered."""

    agreed: bool
    words: str
    locale: str
    account_name: str


def ask_to_deactivate(
    session: Session, account_id: int, member_id: int, *, address: str, actor: Actor, now: datetime
) -> Consent:
    """Ask an admin to agree to being deactivated at once; a link `address`/TOKEN is mailed.

    DomainError `member_unknown`, `consent_not_needed` (no active admin), `last_admin`,
    `asked_too_soon`.
    """
    return _ask(session, account_id, member_id, "deactivation", {"when": "now"},
                address=address, actor=actor, now=now)  # fmt: skip


def ask_to_give_up_rights(
    session: Session, account_id: int, member_id: int, role: Role, *, address: str, actor: Actor,
    now: datetime,
) -> Consent:  # fmt: skip
    """Ask an admin to agree to having `role` from now on; errors as `ask_to_deactivate`."""
    return _ask(session, account_id, member_id, "admin_rights",
                {"when": "now", "role": role.value}, address=address, actor=actor, now=now)  # fmt: skip


def ask_to_free_at_renewal(
    session: Session, account_id: int, member_id: int, *, address: str, actor: Actor, now: datetime
) -> Consent:
    """Ask an admin to agree that a reduction may take their licences at a renewal.

    The sole admin may agree too: a licence may go as long as another is left to them, and
    `plan_freeing` sees to that. Errors as `ask_to_deactivate`, without `last_admin`.
    """
    return _ask(session, account_id, member_id, "deactivation", {"when": "renewal"},
                address=address, actor=actor, now=now)  # fmt: skip


def _ask(
    session: Session, account_id: int, member_id: int, subject: str, details: dict[str, Any], *,
    address: str, actor: Actor, now: datetime,
) -> Consent:  # fmt: skip
    account = lock_account(session, account_id)
    who = load_member(session, account_id, member_id)
    if who.member.role != Role.ADMIN or who.member.status != "active":
        raise DomainError("consent_not_needed")
    if details["when"] == "now":
        require_other_admin(session, account_id)
    waiting = session.scalars(
        select(Consent)
        .where(Consent.member_id == member_id, Consent.subject == subject,
               Consent.answered_at.is_(None))
        .with_for_update()
    ).one_or_none()  # fmt: skip
    if waiting is not None:
        if now - waiting.asked_at < ASK_AGAIN_AFTER:
            raise DomainError("asked_too_soon")
        waiting.answered_at, waiting.answer = now, "withdrawn"
        session.flush()
    words = language(who.person.locale)
    text = consent_words(words, account.name, str(details["when"]), details.get("role"))
    token = secrets.token_urlsafe(32)
    request = Consent(
        member_id=member_id,
        subject=subject,
        token_hash=_hash(token),
        words=text,
        locale=words.locale,
        asked_at=now,
        asked_by_id=actor.person_id,
        details=details,
    )
    session.add(request)
    record(session, "consent_asked", actor=actor, now=now, account_id=account_id,
           subject=who.person.name, new={"member_id": member_id, "words": text})  # fmt: skip
    enqueue_mail(session, "consent_request", recipient=who.person.email, locale=words.locale,
                 now=now, account_id=account_id,
                 payload={"account_name": account.name, "asked_by": actor.name, "words": text,
                          "link": f"{address}/{token}",
                          "days": REQUEST_LIFETIME.days})  # fmt: skip
    session.flush()
    return request


def withdraw_request(
    session: Session, account_id: int, member_id: int, consent_id: int, *, actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    """Take a request back; its link then says so.

    DomainError `member_unknown`, `consent_answered` where it does not wait any more.
    """
    lock_account(session, account_id)
    who = load_member(session, account_id, member_id)
    request = session.scalars(
        select(Consent)
        .where(Consent.id == consent_id, Consent.member_id == member_id,
               Consent.answered_at.is_(None))
        .with_for_update()
    ).one_or_none()  # fmt: skip
    if request is None:
        raise DomainError("consent_answered")
    request.answered_at, request.answer = now, "withdrawn"
    record(session, "consent_withdrawn", actor=actor, now=now, account_id=account_id,
           subject=who.person.name,
           old={"member_id": member_id, "words": request.words})  # fmt: skip
    session.flush()


def answer_consent(
    session: Session, token: str, agreed: bool, *, catalogue: Catalogue, now: datetime
) -> Answered:
    """Record the answer to the request of `token`; a yes carries out at once what it is about.

    DomainError `consent_link_invalid` (unknown, answered, withdrawn, too old), and `last_admin`
    where the person has become the last active admin: then nothing is recorded, and the link waits.
    """
    found = session.execute(
        select(Consent.id, Member.account_id)
        .join(Member, Member.id == Consent.member_id)
        .where(Consent.token_hash == _hash(token))
    ).one_or_none()
    if found is None:
        raise DomainError("consent_link_invalid")
    opened = open_account(session, found.account_id, catalogue=catalogue, now=now)
    # Read under the lock: of two answers, or two admins who agree at once, the second sees the first.
    request = session.scalars(
        select(Consent)
        .where(Consent.id == found.id, Consent.answered_at.is_(None),
               Consent.asked_at > now - REQUEST_LIFETIME)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()  # fmt: skip
    if request is None:
        raise DomainError("consent_link_invalid")
    who = load_member(session, opened.account.id, request.member_id)
    asker = session.get(Person, request.asked_by_id) if request.asked_by_id else None
    details = request.details or {}
    if agreed and details.get("when") == "now":
        require_other_admin(session, opened.account.id)
    request.answered_at, request.answer = now, "given" if agreed else "refused"
    session.flush()
    person = Actor("person", who.person.name, who.person.id)
    facts = {"member_id": request.member_id, "words": request.words}
    if agreed:
        record(session, "consent_given", actor=person, now=now, account_id=opened.account.id,
               subject=who.person.name, new=facts)  # fmt: skip
        _carry_out(session, opened, who, details, asker, now)
    else:
        record(session, "consent_refused", actor=person, now=now, account_id=opened.account.id,
               subject=who.person.name, new=facts)  # fmt: skip
    if asker is not None and asker.id != who.person.id:
        _tell_asker(session, opened, who, asker, details, agreed, now)
    session.flush()
    return Answered(agreed, request.words, request.locale, opened.account.name)


def _carry_out(
    session: Session, opened: OpenedAccount, who: Who, details: dict[str, Any],
    asker: Person | None, now: datetime,
) -> None:  # fmt: skip
    """What was agreed to happens now; at a renewal the renewal does it (S6)."""
    if details.get("when") != "now":
        return
    actor = Actor("person", asker.name, asker.id) if asker is not None else SYSTEM
    role = details.get("role")
    if role is not None:
        put_role(session, opened.account, who, Role(role), actor=actor, now=now)
    else:
        put_out(session, opened, who, because="deactivated", actor=actor, now=now)


def _tell_asker(
    session: Session, opened: OpenedAccount, who: Who, asker: Person, details: dict[str, Any],
    agreed: bool, now: datetime,
) -> None:  # fmt: skip
    """The answer, with the request's words in the asker's own language."""
    words = language(asker.locale)
    text = consent_words(words, opened.account.name, str(details.get("when")), details.get("role"))
    enqueue_mail(session, "consent_answered", recipient=asker.email, locale=words.locale, now=now,
                 account_id=opened.account.id,
                 payload={"account_name": opened.account.name, "name": who.person.name,
                          "answer": "given" if agreed else "refused", "words": text})  # fmt: skip


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
