"""The people on a card of the licences page: the first of each plan, and who may lose access.

One statement for all cards, however many people there are: both lists are read in the order of an
index, up to a limit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.access import Held
from portal.models import (
    WAITING_CHANGE,
    Assignment,
    Consent,
    Member,
    Person,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.queries.holders import HeldBy, select_held
from portal.queries.subscriptions import Holder

__all__ = ["CardHolders", "list_card_holders"]


@dataclass(frozen=True, slots=True)
class CardHolders:
    """By item id: the first holders of each plan, and the last that could lose theirs.

    `last` leaves out admins who have not consented (S7); it is complete where it is shorter than
    the limit. `active_admins` counts only where `last` was asked for.
    """

    first: Mapping[int, Sequence[Holder]]
    last: Mapping[int, Sequence[HeldBy]]
    active_admins: int = 0


# PostgreSQL reads the ends of an index with a lateral join, which SQLite does not have; SQLite
# does it with a correlated IN, which PostgreSQL would answer by reading the whole table.
_FIRST = (
    select(Assignment.id, Assignment.item_id, Assignment.member_id, Assignment.assigned_at)
    .where(Assignment.item_id == SubscriptionItem.id, Assignment.freed_at.is_(None))
    .order_by(Assignment.assigned_at, Assignment.id)
    .limit(bindparam("first"))
    .correlate(SubscriptionItem)
)
_HELD = Assignment.__table__.alias("held")


def _holders_of_plans(held: Any, condition: Any) -> Any:
    """The holders in `held`, a table of assignments that is joined on `condition`."""
    return (
        select(
            held.c.item_id,
            held.c.member_id,
            Person.name,
            Person.email,
            Member.role,
            Member.status,
            held.c.assigned_at,
            held.c.id,
        )
        .select_from(Subscription)
        .join(SubscriptionItem, SubscriptionItem.subscription_id == Subscription.id)
        .join(held, condition)
        .join(Member, Member.id == held.c.member_id)
        .join(Person, Person.id == Member.person_id)
        .where(
            Subscription.account_id == bindparam("account_id"),
            Subscription.status != "ended",
            SubscriptionItem.kind == "plan",
            SubscriptionItem.removed_at.is_(None),
        )
    )


_PLANS = {
    "postgresql": _holders_of_plans(_FIRST.lateral("held"), true()),
    "sqlite": _holders_of_plans(_HELD, _HELD.c.id.in_(_FIRST.with_only_columns(Assignment.id))),
}
_HOLDERS = {
    name: plans.order_by(plans.selected_columns[0], plans.selected_columns[6],
                         plans.selected_columns[7])
    for name, plans in _PLANS.items()
}  # fmt: skip

# --- who may lose a licence: of the items for which fewer seats wait ---------------------------

_LATE = Assignment.__table__.alias("late")
_LATE_MEMBER = Member.__table__.alias("late_member")
_MAY_GO = or_(
    _LATE_MEMBER.c.role != "admin",
    _LATE_MEMBER.c.status != "active",
    exists().where(
        Consent.member_id == _LATE_MEMBER.c.id,
        Consent.subject == "deactivation",
        Consent.answer == "given",
        Consent.answered_at >= _LATE.c.assigned_at,
    ),
)
_LAST = (
    select(_LATE.c.id)
    .join(_LATE_MEMBER, _LATE_MEMBER.c.id == _LATE.c.member_id)
    .where(_LATE.c.item_id == SubscriptionItem.id, _LATE.c.freed_at.is_(None), _MAY_GO)
    .order_by(_LATE.c.assigned_at.desc(), _LATE.c.id.desc())
    .limit(bindparam("last"))
    .correlate(SubscriptionItem)
)
_REDUCED = exists().where(
    ScheduledChange.subscription_id == Subscription.id,
    ScheduledChange.item_id == SubscriptionItem.id,
    ScheduledChange.kind == "seats",
    WAITING_CHANGE,
)
_ADMINS = (
    select(func.count())
    .where(
        Member.account_id == bindparam("account_id"),
        Member.role == "admin",
        Member.status == "active",
    )
    .correlate(None)
    .scalar_subquery()
)


def _reduced_items(*conditions: ColumnElement[bool], late: Any = None) -> Any:
    """`Held` and names of the items of the account whose seats become fewer."""
    source = select_held()
    columns = list(source.selected_columns)
    joined: Any = Subscription.__table__.join(
        SubscriptionItem.__table__, SubscriptionItem.subscription_id == Subscription.id
    )
    if late is not None:
        joined = joined.join(late, true())
    joined = (
        joined.join(
            Assignment.__table__,
            and_(
                Assignment.item_id == SubscriptionItem.id,
                Assignment.freed_at.is_(None),
                *conditions,
            ),
        )
        .join(Member.__table__, Member.id == Assignment.member_id)
        .join(Person.__table__, Person.id == Member.person_id)
    )
    return (
        select(*columns, _ADMINS)
        .select_from(joined)
        .where(
            Subscription.account_id == bindparam("account_id"),
            Subscription.status == "active",
            SubscriptionItem.removed_at.is_(None),
            _REDUCED,
        )
    )


def _with_last(dialect: str) -> Any:
    """Both lists in one: what only one of them has is empty in the other."""
    plans = _PLANS[dialect].subquery("plans")
    first = select(
        literal(0, Integer),
        plans.c.id,
        plans.c.item_id,
        plans.c.member_id,
        plans.c.role,
        plans.c.assigned_at,
        literal(value=False),
        literal(0, Integer),
        plans.c.name,
        plans.c.email,
        plans.c.status,
        literal(0, Integer),
    )
    if dialect == "postgresql":
        lateral = _LAST.lateral("last_ones")
        last = _reduced_items(Assignment.id == lateral.c.id, late=lateral)
    else:
        last = _reduced_items(Assignment.id.in_(_LAST))
    chosen = _reduced_items(Assignment.member_id.in_(bindparam("chosen", expanding=True)))
    parts = [first, *(_padded(part) for part in (last, chosen))]
    return union_all(*parts)


def _padded(part: Any) -> Any:
    (key, item_id, member_id, role, at, consented, elsewhere, name, email, admins) = (
        part.selected_columns
    )
    return part.with_only_columns(
        literal(1, Integer), key, item_id, member_id, role, at, consented, elsewhere, name, email,
        literal(""), cast(admins, Integer), maintain_column_froms=True,
    )  # fmt: skip


_HOLDERS_AND_LAST = {name: _with_last(name) for name in _PLANS}


def list_card_holders(
    connection: Connection,
    account_id: int,
    *,
    first: int,
    last: int = 0,
    chosen: Collection[int] = (),
) -> CardHolders:
    """The `first` holders of each plan; with `last`, so many that could lose a licence, too.

    `chosen` are the members whom the admins chose to give theirs back: they are always among them.
    """
    dialect = connection.dialect.name
    if not last:
        found: dict[int, list[Holder]] = {}
        rows = fetch_all(connection, _HOLDERS[dialect], account_id=account_id, first=first)
        for row in rows:
            found.setdefault(row[0], []).append(Holder(*row[:7]))
        return CardHolders(found, {})
    rows = fetch_all(
        connection,
        _HOLDERS_AND_LAST[dialect],
        account_id=account_id,
        first=first,
        last=last,
        chosen=list(chosen),
    )
    rows.sort(key=lambda row: (row[0], row[2], row[5], row[1]))  # few, and of a union
    found = {}
    ending: dict[int, dict[int, HeldBy]] = {}
    admins = 0
    for kind, key, item_id, member_id, role, at, consented, elsewhere, name, email, status, n in rows:  # fmt: skip
        if kind == 0:
            holder = Holder(item_id, member_id, name, email, role, status, at)
            found.setdefault(item_id, []).append(holder)
            continue
        held = Held(key, item_id, member_id, role, at, bool(consented), elsewhere)
        ending.setdefault(item_id, {})[key] = HeldBy(held, name, email)
        admins = n
    return CardHolders(
        found, {item: list(people.values()) for item, people in ending.items()}, admins
    )
