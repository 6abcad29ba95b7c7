"""Credits that the vendor's people give to a customer, with a reason; above a limit two of them do."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import CreditGrant, DeskTask
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.outbox import open_desk_task
from portal.services.wallet_entries import credit

__all__ = ["MOST_CREDITS", "TASK", "answer_grant", "give_credits", "withdraw_grant"]

MOST_CREDITS = 1_000_000
TASK = "credits_to_approve"
_ONE_DAY = timedelta(days=1)


def give_credits(
    session: Session,
    account_id: int,
    amount: int,
    reason: str,
    *,
    last: int,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> CreditGrant:
    """Give `amount` credits at once, or ask a second person where they are more than the policy's limit.

    `last` is the account's latest grant as the form showed it (0 for none): a second click gives
    nothing. DomainError `grant_reason_missing`, `grant_changed`.
    """
    account = lock_account(session, account_id)
    assert actor.person_id is not None, "a person gives credits"
    if not 0 < amount <= MOST_CREDITS:
        raise DomainError("quantity_too_large", maximum=MOST_CREDITS)
    if not reason.strip():
        raise DomainError("grant_reason_missing")
    latest = session.scalar(
        select(CreditGrant.id)
        .where(CreditGrant.account_id == account_id)
        .order_by(CreditGrant.id.desc())
        .limit(1)
    )
    if (latest or 0) != last:
        raise DomainError("grant_changed")
    grant = CreditGrant(
        account_id=account_id,
        credits=amount,
        reason=reason.strip(),
        status="waiting",
        asked_by_id=actor.person_id,
        asked_at=now,
    )
    session.add(grant)
    session.flush()
    limit = catalogue.policy.manual_credit_approval_limit
    is_alone = _given_alone(session, grant, now) + amount <= limit
    if is_alone:
        _book(session, grant, now)
    else:
        open_desk_task(session, TASK, dedupe_key=f"{TASK}:{grant.id}", now=now,
                       account_id=account_id,
                       details={"credits": amount, "by": actor.name})  # fmt: skip
    record(session, "credits_given" if is_alone else "credits_asked",
           actor=actor, now=now, account_id=account_id, subject=account.name,
           new={"credits": amount, "reason": grant.reason})  # fmt: skip
    session.flush()
    return grant


def answer_grant(
    session: Session,
    account_id: int,
    grant_id: int,
    *,
    approve: bool,
    answer: str = "",
    actor: Actor,
    now: datetime,
) -> CreditGrant:
    """A second person says yes, and the credits arrive, or no, with the reason.

    DomainError `grant_unknown`, `grant_decided`, `grant_second_person`, `grant_reason_missing`.
    """
    account = lock_account(session, account_id)
    grant = _waiting(session, account_id, grant_id)
    if grant.asked_by_id == actor.person_id:
        raise DomainError("grant_second_person")
    if not approve and not answer.strip():
        raise DomainError("grant_reason_missing")
    grant.answer = answer.strip()
    _decided(session, grant, actor, now)
    if approve:
        _book(session, grant, now)
    else:
        grant.status = "declined"
    record(session, "credits_given" if approve else "credits_refused", actor=actor, now=now,
           account_id=account_id, subject=account.name,
           new={"credits": grant.credits, "reason": grant.answer or grant.reason})  # fmt: skip
    session.flush()
    return grant


def withdraw_grant(
    session: Session, account_id: int, grant_id: int, *, actor: Actor, now: datetime
) -> CreditGrant:
    """Who asked takes it back. DomainError `grant_unknown`, `grant_decided`, `grant_not_yours`."""
    account = lock_account(session, account_id)
    grant = _waiting(session, account_id, grant_id)
    if grant.asked_by_id != actor.person_id:
        raise DomainError("grant_not_yours")
    grant.status = "withdrawn"
    _decided(session, grant, actor, now)
    record(session, "credits_withdrawn", actor=actor, now=now, account_id=account_id,
           subject=account.name, new={"credits": grant.credits})  # fmt: skip
    session.flush()
    return grant


def _given_alone(session: Session, grant: CreditGrant, now: datetime) -> int:
    """What the same person gave the account lately on their own: the limit is not got round in parts."""
    given = session.scalar(
        select(func.coalesce(func.sum(CreditGrant.credits), 0)).where(
            CreditGrant.account_id == grant.account_id,
            CreditGrant.asked_by_id == grant.asked_by_id,
            CreditGrant.asked_at > now - _ONE_DAY,
            CreditGrant.status == "approved",
            CreditGrant.decided_by_id.is_(None),
        )
    )
    return int(given or 0)


def _decided(session: Session, grant: CreditGrant, actor: Actor, now: datetime) -> None:
    grant.decided_by_id, grant.decided_at = actor.person_id, now
    task = session.scalars(
        select(DeskTask).where(DeskTask.dedupe_key == f"{TASK}:{grant.id}")
    ).one_or_none()
    if task is not None and task.done_at is None:
        task.done_at, task.done_by_id = now, actor.person_id


def _book(session: Session, grant: CreditGrant, now: datetime) -> None:
    """The credits arrive, once a grant."""
    entry = credit(session, grant.account_id, grant.credits, reason="manual", now=now,
                   actor_id=grant.asked_by_id, note=grant.reason,
                   details={"grant_id": grant.id})  # fmt: skip
    grant.status, grant.entry_id = "approved", entry.id


def _waiting(session: Session, account_id: int, grant_id: int) -> CreditGrant:
    grant = session.scalars(
        select(CreditGrant)
        .where(CreditGrant.id == grant_id, CreditGrant.account_id == account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if grant is None:
        raise DomainError("grant_unknown")
    if grant.status != "waiting":
        raise DomainError("grant_decided")
    return grant
