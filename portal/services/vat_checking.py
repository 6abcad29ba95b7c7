"""What VIES or an operator says about a VAT number, written down; asking is a job's work (I4).

A number that could not be checked stays as it is: neither valid nor invalid. An answer counts
for the number it was asked about: where the customer has changed it meanwhile, it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import String, case, cast, exists, func, literal, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.tax import EU_COUNTRIES, VatStatus
from portal.models import Account, BillingPeriod, Job, Subscription
from portal.queries.admins import list_admins
from portal.services.audit import SYSTEM, Actor, record
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_job, enqueue_mail

__all__ = [
    "CHECK_JOB", "RECHECK_AFTER", "NumberToCheck", "ask_again", "decide_vat_number",
    "enqueue_rechecks", "enqueue_vat_check", "get_number_to_check", "record_vat_answer",
]  # fmt: skip

CHECK_JOB = "check_vat_number"
RECHECK_AFTER = timedelta(days=90)
"""A confirmation that is older is asked for again before a renewal relies on it."""


@dataclass(frozen=True, slots=True)
class NumberToCheck:
    """An EU number that VIES can be asked about; `status` is what is known so far."""

    account_id: int
    number: str
    status: str


def enqueue_vat_check(session: Session, account: Account, *, now: datetime) -> None:
    """Write the job that asks VIES about the account's number, at once."""
    enqueue_job(session, CHECK_JOB, {"account_id": account.id, "number": account.vat_number},
                run_at=now, now=now,
                dedupe_key=f"vat:{account.id}:{account.vat_number}:{now.isoformat()}")  # fmt: skip


def ask_again(session: Session, account_id: int, *, actor: Actor, now: datetime) -> None:
    """The customer asks to have the number checked again: once an hour at most.

    One that was found invalid is unchecked until the answer. DomainError `vat_number_missing`
    where there is none that VIES could know, `vat_number_confirmed` where it is valid already.
    """
    account = lock_account(session, account_id)
    if account.vat_number is None or account.country not in EU_COUNTRIES:
        raise DomainError("vat_number_missing")
    if account.vat_status == VatStatus.VALID:
        raise DomainError("vat_number_confirmed")
    job = enqueue_job(session, CHECK_JOB, {"account_id": account.id, "number": account.vat_number},
                      run_at=now, now=now,
                      dedupe_key=f"vat-asked:{account.id}:{account.vat_number}:{now:%Y%m%dT%H}")  # fmt: skip
    if job is not None and account.vat_status != VatStatus.UNCHECKED:
        _set(session, account, VatStatus.UNCHECKED, "vat_check_asked", actor, now)
    session.flush()


def get_number_to_check(session: Session, account_id: int, number: str) -> NumberToCheck | None:
    """The account's number if it is still `number`, of an EU country; else there is nothing to ask."""
    account = session.get_one(Account, account_id)
    if account.vat_number != number or account.country not in EU_COUNTRIES:
        return None
    return NumberToCheck(account_id, number, account.vat_status)


def record_vat_answer(
    session: Session, asked: NumberToCheck, is_valid: bool, *, now: datetime
) -> bool:
    """Write down what VIES said; False where the number or its status has changed meanwhile.

    Every admin is told, each in their language, that a number was found not to be valid. Documents
    that were issued stay as they are.
    """
    account = lock_account(session, asked.account_id)
    if account.vat_number != asked.number or account.vat_status != asked.status:
        return False
    found = VatStatus.VALID if is_valid else VatStatus.INVALID
    if account.vat_status == found:
        account.vat_checked_at = now
    else:
        _set(session, account, found, "vat_number_checked", SYSTEM, now)
        if found is VatStatus.INVALID:
            _tell_admins(session, account, now)
    session.flush()
    return True


def decide_vat_number(
    session: Session, account_id: int, *, is_valid: bool, actor: Actor, now: datetime
) -> str:
    """An operator confirms or rejects the account's number by hand (I4); the number.

    DomainError `account_unknown`, `vat_number_missing`.
    """
    if session.get(Account, account_id) is None:
        raise DomainError("account_unknown")
    account = lock_account(session, account_id)
    if account.vat_number is None:
        raise DomainError("vat_number_missing")
    found = VatStatus.VALID if is_valid else VatStatus.INVALID
    was = account.vat_status
    _set(session, account, found, "vat_number_decided", actor, now)
    if found is VatStatus.INVALID and was != found:
        _tell_admins(session, account, now)
    session.flush()
    return str(account.vat_number)


def enqueue_rechecks(
    session: Session, *, seller_country: str, notice_days: int, now: datetime, limit: int
) -> int:
    """Write jobs for up to `limit` numbers to be asked about again; how many.

    First valid ones whose confirmation is old and that a renewal will rely on before long: those
    of buyers abroad in the EU. Then numbers that nobody could check so far. Each once a day.
    """
    key = (
        literal("vat-again:") + cast(Account.id, String) + literal(f":{now:%Y%m%d}")
    )  # the day is UTC's
    asked = exists().where(Job.dedupe_key == key)
    abroad = Account.country.in_(sorted(EU_COUNTRIES - {seller_country}))
    renews = (
        select(func.min(BillingPeriod.ends_on))
        .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
        .where(
            Subscription.account_id == Account.id,
            Subscription.status == "active",
            BillingPeriod.is_current,
        )
        .correlate(Account)
        .scalar_subquery()
    )
    old = (
        (Account.vat_status == VatStatus.VALID.value)
        & abroad
        & (Account.vat_checked_at < now - RECHECK_AFTER)
        & (renews <= _horizon(now, notice_days))
    )
    unknown = (Account.vat_status == VatStatus.UNCHECKED.value) & Account.country.in_(
        sorted(EU_COUNTRIES)
    )
    rows = session.execute(
        select(Account.id, Account.vat_number)
        .where(Account.vat_number.is_not(None), old | unknown, ~asked)
        .order_by(case((old, 0), else_=1), Account.id)
        .limit(limit)
    ).all()
    for account_id, number in rows:
        enqueue_job(session, CHECK_JOB,
                    {"account_id": account_id, "number": number, "again": True},
                    run_at=now, now=now,
                    dedupe_key=f"vat-again:{account_id}:{now:%Y%m%d}")  # fmt: skip
    session.flush()
    return len(rows)


def _horizon(now: datetime, notice_days: int) -> date:
    """Renewals up to this day are near: their invoice may be issued within some days (I3)."""
    return (now + timedelta(days=notice_days + 7)).date()


def _set(
    session: Session, account: Account, status: VatStatus, action: str, actor: Actor, now: datetime
) -> None:
    record(session, action, actor=actor, now=now, account_id=account.id,
           subject=account.vat_number or "", old={"vat_status": account.vat_status},
           new={"vat_status": status.value})  # fmt: skip
    account.vat_status = status.value
    account.vat_checked_at = None if status is VatStatus.UNCHECKED else now


def _tell_admins(session: Session, account: Account, now: datetime) -> None:
    payload = {"account_name": account.name, "vat_number": account.vat_number}
    for admin in list_admins(session.connection(), account.id):
        enqueue_mail(session, "vat_number_invalid", recipient=admin.email, locale=admin.locale,
                     payload=payload, now=now, account_id=account.id,
                     dedupe_key=f"vat_invalid:{account.id}:{admin.person_id}:{now.isoformat()}")  # fmt: skip
