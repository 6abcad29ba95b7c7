"""Requests for an admin's consent (S7), as their page and the member's page read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.models import Account, Consent, Member, Person

__all__ = ["AskedConsent", "ConsentRequest", "get_consent", "list_consents_of"]


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A request as its link shows it; `asked_by` is empty where nobody is known any more."""

    account_name: str
    account_time_zone: str
    person_name: str
    asked_by: str | None
    asked_at: datetime
    words: str
    locale: str
    details: Mapping[str, Any] | None
    answered_at: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class AskedConsent:
    """A request to a member, and what became of it; one without an answer waits."""

    id: int
    asked_at: datetime
    asked_by: str | None
    details: Mapping[str, Any] | None
    answered_at: datetime | None
    answer: str | None


_ASKER = Person.__table__.alias("asker")
_BY_TOKEN = (
    select(
        Account.name,
        Account.time_zone,
        Person.name,
        _ASKER.c.name,
        Consent.asked_at,
        Consent.words,
        Consent.locale,
        Consent.details,
        Consent.answered_at,
        Consent.answer,
    )
    .select_from(Consent)
    .join(Member, Member.id == Consent.member_id)
    .join(Person, Person.id == Member.person_id)
    .join(Account, Account.id == Member.account_id)
    .outerjoin(_ASKER, _ASKER.c.id == Consent.asked_by_id)
    .where(Consent.token_hash == bindparam("token_hash"))
)
_OF_MEMBER = (
    select(
        Consent.id,
        Consent.asked_at,
        _ASKER.c.name,
        Consent.details,
        Consent.answered_at,
        Consent.answer,
    )
    .join(Member, Member.id == Consent.member_id)
    .outerjoin(_ASKER, _ASKER.c.id == Consent.asked_by_id)
    .where(
        Member.account_id == bindparam("account_id"),
        Consent.member_id == bindparam("member_id"),
    )
    .order_by(Consent.id.desc())
    .limit(bindparam("limit"))
)


def get_consent(connection: Connection, token_hash: str) -> ConsentRequest | None:
    """The request of a link, whatever became of it, or None."""
    row = fetch_first(connection, _BY_TOKEN, token_hash=token_hash)
    return ConsentRequest(*row) if row is not None else None


def list_consents_of(
    connection: Connection, account_id: int, member_id: int, *, limit: int
) -> list[AskedConsent]:
    """What a member was asked to consent to, the latest first."""
    rows = fetch_all(
        connection, _OF_MEMBER, account_id=account_id, member_id=member_id, limit=limit
    )
    return [AskedConsent(*row) for row in rows]
