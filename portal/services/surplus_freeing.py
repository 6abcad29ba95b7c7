"""Freeing the licences in use beyond the seats, once the renewal's day is over (S6, S7, S9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from portal.db import among, fetch_all
from portal.domain.access import FreeingPlan, Held, ItemFreeing, plan_freeing
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.models import (
    Account,
    Assignment,
    BillingPeriod,
    Member,
    Person,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.queries.holders import select_held
from portal.services.audit import SYSTEM, record
from portal.services.leaving import close_requests, remove_invited
from portal.services.outbox import enqueue_mail, open_desk_task

__all__ = ["free_surplus", "list_surplus"]

_SURPLUS = (
    select(Subscription.account_id, Subscription.id, Account.time_zone, BillingPeriod.starts_on)
    .join(Account, Account.id == Subscription.account_id)
    .join(
        BillingPeriod,
        and_(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.is_current),
    )
    .where(
        # Written out, so that both databases see that the partial index holds it.
        text("subscription.overhang > 0"),
        Subscription.id > bindparam("after"),
        Subscription.status != "ended",
    )
    .order_by(Subscription.id)
    .limit(bindparam("limit"))
)
_ITEMS = (
    select(
        Subscription.id,
        Subscription.account_id,
        Subscription.overhang,
        BillingPeriod.starts_on,
        Account.time_zone,
        SubscriptionItem.id,
        SubscriptionItem.quantity,
    )
    .join(Account, Account.id == Subscription.account_id)
    .join(
        BillingPeriod,
        and_(BillingPeriod.subscription_id == Subscription.id, BillingPeriod.is_current),
    )
    .join(SubscriptionItem, SubscriptionItem.subscription_id == Subscription.id)
    .where(
        among(Subscription.id),
        Subscription.overhang > 0,
        SubscriptionItem.per_seat,
        SubscriptionItem.removed_at.is_(None),
    )
    .order_by(Subscription.account_id, Subscription.id, SubscriptionItem.id)
)
_HELD = select_held(among(Assignment.item_id))
_CHOSEN = (
    select(ScheduledChange.item_id, ScheduledChange.target)
    .join(
        BillingPeriod,
        and_(
            BillingPeriod.subscription_id == ScheduledChange.subscription_id,
            BillingPeriod.is_current,
            BillingPeriod.starts_on == ScheduledChange.effective_on,
        ),
    )
    .where(
        among(ScheduledChange.subscription_id),
        ScheduledChange.kind == "seats",
        ScheduledChange.status == "applied",
    )
)
_ADMINS = (
    select(Member.account_id, func.count())
    .where(among(Member.account_id), Member.role == "admin", Member.status == "active")
    .group_by(Member.account_id)
)


@dataclass(frozen=True, slots=True)
class _Item:
    subscription_id: int
    account_id: int
    overhang: int
    starts_on: date
    item_id: int
    seats: int


def list_surplus(
    session: Session, *, now: datetime, after: int, limit: int
) -> tuple[list[tuple[int, int]], int | None]:
    """Whose surplus may be freed: (account, subscription) with ids above `after`, and how far it
    was looked; None at the end. Only what has more holders than seats is looked at."""
    rows = fetch_all(session.connection(), _SURPLUS, after=after, limit=limit)
    found = [(row[0], row[1]) for row in rows if _day_is_over(row[3], row[2], now)]
    return found, rows[-1][1] if rows else None


def free_surplus(session: Session, subscription_ids: Collection[int], *, now: datetime) -> int:
    """Free what exceeds the seats of these subscriptions, whose renewal day is over; how many.

    The accounts are locked by the caller. The members the admins chose lose theirs first, then the
    last assigned; a member of whom nothing is left is deactivated, an invited one's invitation is
    withdrawn. What only an admin without consent could give back stays a recorded overhang, and
    the desk is told once (S7).
    """
    connection = session.connection()
    items = [
        _Item(sub, account_id, overhang, starts_on, item_id, quantity)
        for sub, account_id, overhang, starts_on, time_zone, item_id, quantity in fetch_all(
            connection, _ITEMS, ids=list(subscription_ids)
        )
        if _day_is_over(starts_on, time_zone, now)
    ]
    if not items:
        return 0
    held: dict[int, list[Held]] = {}
    names: dict[int, str] = {}
    for row in fetch_all(connection, _HELD, ids=[item.item_id for item in items]):
        held.setdefault(row[1], []).append(Held(*row[:7]))
        names[row[2]] = row[7]
    chosen: dict[int, set[int]] = {}
    ids = sorted({item.subscription_id for item in items})
    for item_id, target in fetch_all(connection, _CHOSEN, ids=ids):
        chosen.setdefault(item_id, set()).update((target or {}).get("free", ()))
    accounts = sorted({item.account_id for item in items})
    admins = {row[0]: row[1] for row in fetch_all(connection, _ADMINS, ids=accounts)}
    freed = 0
    for account_id in accounts:
        mine = [item for item in items if item.account_id == account_id]
        plan = plan_freeing(
            [
                ItemFreeing(held.get(x.item_id, ()), x.seats, chosen.get(x.item_id, ()))
                for x in mine
            ],
            active_admins=admins.get(account_id, 0),
        )
        _apply(session, account_id, plan, names, now)
        _record_overhang(session, mine, held, plan, now)
        freed += len(plan.freed)
    session.flush()
    return freed


def _day_is_over(renewed_on: date, time_zone: str, now: datetime) -> bool:
    """Whether the account's local renewal day has ended (S6)."""
    try:
        return local_date(now, time_zone) > renewed_on
    except DomainError:
        return False  # the renewal itself was parked for it


def _apply(
    session: Session, account_id: int, plan: FreeingPlan, names: Mapping[int, str], now: datetime
) -> None:
    if not plan.freed:
        return
    session.execute(
        update(Assignment)
        .where(Assignment.id.in_([one.assignment_id for one in plan.freed]))
        .values(freed_at=now, freed_because="reduction")
        .execution_options(synchronize_session=False)
    )
    for one in plan.freed:
        record(session, "licence_freed", actor=SYSTEM, now=now, account_id=account_id,
               subject=names[one.member_id],
               new={"member_id": one.member_id, "item_id": one.item_id, "reason": "reduction"})  # fmt: skip
    if plan.deactivated:
        _put_out(session, account_id, plan.deactivated, now)


def _put_out(session: Session, account_id: int, member_ids: Sequence[int], now: datetime) -> None:
    """Deactivate members of whom nothing is left; an invited one's invitation is withdrawn (S8)."""
    people = session.execute(
        select(Member.id, Member.status, Member.role, Person.name, Person.email, Person.locale,
               Account.name.label("account_name"))
        .join(Person, Person.id == Member.person_id)
        .join(Account, Account.id == Member.account_id)
        .where(among(Member.id, ids=member_ids), Member.account_id == account_id)
        .order_by(Member.id)
        .with_for_update(of=Member)  # signing in makes an invited one active
    ).all()  # fmt: skip
    invited = [one for one in people if one.status == "invited"]
    for one in invited:
        record(session, "invitation_withdrawn", actor=SYSTEM, now=now, account_id=account_id,
               subject=one.name, old={"email": one.email, "role": one.role})  # fmt: skip
    remove_invited(session, [one.id for one in invited])
    active = {one.id: one for one in people if one.status == "active"}
    if not active:
        return
    session.execute(
        update(Member)
        .where(among(Member.id, ids=sorted(active)))
        .values(status="deactivated", deactivated_at=now)
        .execution_options(synchronize_session=False)
    )
    close_requests(session, active, now)
    for member_id in member_ids:
        if member_id not in active:
            continue
        one = active[member_id]
        record(session, "member_deactivated", actor=SYSTEM, now=now, account_id=account_id,
               subject=one.name,
               new={"member_id": member_id, "status": "deactivated", "reason": "reduction"})  # fmt: skip
        enqueue_mail(session, "membership_changed", recipient=one.email, locale=one.locale,
                     now=now, account_id=account_id,
                     payload={"account_name": one.account_name, "change": "deactivated",
                              "role": one.role})  # fmt: skip


def _record_overhang(
    session: Session,
    items: Iterable[_Item],
    held: Mapping[int, list[Held]],
    plan: FreeingPlan,
    now: datetime,
) -> None:
    """What is left of each subscription's overhang; the desk hears once of one that stays (S7)."""
    gone: dict[int, int] = {}
    for one in plan.freed:
        gone[one.item_id] = gone.get(one.item_id, 0) + 1
    left: dict[int, int] = {}
    known: dict[int, _Item] = {}
    for item in items:
        holders = len(held.get(item.item_id, ())) - gone.get(item.item_id, 0)
        left[item.subscription_id] = left.get(item.subscription_id, 0) + max(
            holders - item.seats, 0
        )
        known[item.subscription_id] = item
    for subscription_id, overhang in left.items():
        item = known[subscription_id]
        if overhang != item.overhang:
            session.execute(
                update(Subscription)
                .where(Subscription.id == subscription_id)
                .values(overhang=overhang)
                .execution_options(synchronize_session=False)
            )
        if overhang:
            open_desk_task(session, "overhang", account_id=item.account_id, now=now,
                           dedupe_key=f"overhang:{subscription_id}:{item.starts_on.isoformat()}",
                           details={"subscription_id": subscription_id,
                                    "licences": overhang})  # fmt: skip
