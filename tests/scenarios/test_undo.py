"""Undo restores exactly what was there, in any order, whatever else waits or was bought (S5, C2)."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import plan_period_change, plan_plan_change, plan_reduction
from portal.domain.periods import Interval
from portal.models import (
    Assignment,
    BillingPeriod,
    Entitlement,
    Member,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.services.scheduling import open_subscription, schedule_change, undo_change
from tests.conftest import Database
from tests.support.buying import (
    ATELIER,
    LOTTE,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    plan_item,
)
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree

# Every page on which a waiting change may show; the activity tells of it for ever.
PAGES = [
    "/licences",
    "/billing",
    "/billing/period",
    "/billing/next-invoice",
    "/members",
    "/invoices",
]
TABLES = (Subscription, SubscriptionItem, Term, BillingPeriod, Assignment, Member, Entitlement)
KINDS = ("reduction", "downgrade", "period")


def _ask(parts: Parts, kind: str) -> int:
    now = clock.now()
    with transaction() as session:
        account, item = account_named(session, ATELIER), plan_item(session, ATELIER)
        opened = open_subscription(
            session, account.id, item.subscription_id, catalogue=parts.catalogue, now=now
        )
        book = get_price_book(session.connection(), "EUR")
        state, today, notice = opened.state, opened.today, 15
        planned = {
            "reduction": lambda: plan_reduction(state, item.id, 4, today, notice),
            "downgrade": lambda: plan_plan_change(state, "start", book, today, notice),
            "period": lambda: plan_period_change(state, Interval.YEAR, book, today, notice),
        }[kind]()
        change = schedule_change(session, opened, planned, actor=actor_of(session, LOTTE), now=now)
        return int(change.id)


def _undo(parts: Parts, change_id: int) -> None:
    with transaction() as session:
        undo_change(
            session, account_named(session, ATELIER).id, change_id, catalogue=parts.catalogue,
            actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip


def _buy_two(parts: Parts) -> None:
    collected(parts, order_ready_to_pay(parts, added=2).attempt_id)


def _observable(app: Flask) -> str:
    """A hash of all that pages show, and of the rows that rules and products read."""
    found = hashlib.sha256()
    client = PortalClient(app)
    client.sign_in(LOTTE)
    for path in PAGES:
        client.get(path)
        assert client.page is not None
        found.update(client.page.text().encode())
    with transaction() as session:
        for table in TABLES:
            rows = session.execute(select(table.__table__).order_by(table.id))  # type: ignore[attr-defined]
            found.update(repr([tuple(row) for row in rows]).encode())
        waiting = select(ScheduledChange.id).where(ScheduledChange.status == "waiting")
        found.update(repr(sorted(session.scalars(waiting))).encode())
    return found.hexdigest()


@pytest.mark.parametrize("order", list(itertools.permutations(KINDS)), ids="-".join)
def test_S5_C2_undone_in_any_order_everything_is_as_it_was(
    app: Flask, app_context: None, parts: Parts, database: Database, order: tuple[str, ...]
) -> None:
    _buy_two(parts)
    before = _observable(app)
    database.reset()

    ids = {kind: _ask(parts, kind) for kind in KINDS}
    _buy_two(parts)  # S3: bought while all three wait
    assert _observable(app) != before
    for kind in order:
        _undo(parts, ids[kind])
    assert _observable(app) == before
    the_books_agree(parts)


def test_S5_undoing_one_leaves_the_others_as_if_it_had_never_been_asked(
    app: Flask, app_context: None, parts: Parts, database: Database
) -> None:
    seen = {}
    for left_out in KINDS:
        database.reset()
        for kind in KINDS:
            if kind != left_out:
                _ask(parts, kind)
        seen[left_out] = _waiting(parts)
    for left_out in KINDS:
        database.reset()
        ids = {kind: _ask(parts, kind) for kind in KINDS}
        _undo(parts, ids[left_out])
        assert _waiting(parts) == seen[left_out]
        the_books_agree(parts)


def _waiting(parts: Parts) -> list[tuple[object, ...]]:
    with transaction() as session:
        rows = session.execute(
            select(
                ScheduledChange.kind, ScheduledChange.item_id, ScheduledChange.delta,
                ScheduledChange.target, ScheduledChange.effective_on,
            )
            .where(ScheduledChange.status == "waiting")
            .order_by(ScheduledChange.kind, ScheduledChange.effective_on)
        )  # fmt: skip
        return [tuple(row) for row in rows]
