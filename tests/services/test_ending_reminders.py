"""The reminder to download the data, a week before a subscription ends (C3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import plan_cancellation
from portal.jobs.worker import run_due
from portal.models import Account, OutboxMessage
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.ending_reminders import send_ending_reminders
from portal.services.scheduling import open_subscription, schedule_change, undo_change
from tests.support.buying import ATELIER, LOTTE, PIETER, account_named, actor_of
from tests.support.cancelling import RENEWAL, cancelled
from tests.support.subscriptions import make_customer

pytestmark = pytest.mark.usefixtures("app_context")

# It ends on 30 November in Brussels: the 23rd begins there at 23:00 UTC of the 22nd.
DAY_BEFORE = datetime(2026, 11, 22, 22, 59, tzinfo=UTC)
FIRST_DAY = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
ENDED = datetime(2026, 11, 29, 23, 0, tzinfo=UTC)


def reminded(books: Session) -> list[OutboxMessage]:
    books.expire_all()
    query = select(OutboxMessage).where(OutboxMessage.topic == "subscription_ending")
    return list(books.scalars(query.order_by(OutboxMessage.id)))


def remind(parts: Parts, now: datetime) -> int:
    with transaction() as session:
        return send_ending_reminders(session, catalogue=parts.catalogue, now=now)


def test_C3_seven_days_before_the_end_each_admin_is_reminded_once(
    parts: Parts, books: Session
) -> None:
    cancelled(parts)
    assert remind(parts, DAY_BEFORE) == 0
    assert reminded(books) == []
    for hours in (0, 1, 100):  # running again, or late, changes nothing
        assert remind(parts, FIRST_DAY + timedelta(hours=hours)) == 1
    sent = {row.recipient: row for row in reminded(books)}
    assert set(sent) == {LOTTE, PIETER}
    assert len(reminded(books)) == 2
    assert sent[PIETER].locale == "nl"
    assert sent[LOTTE].payload["last_day"] == "2026-11-29"


def test_C3_after_the_end_nobody_is_reminded(parts: Parts, books: Session) -> None:
    cancelled(parts)
    assert remind(parts, ENDED) == 0
    assert reminded(books) == []


def test_C3_a_cancellation_that_was_undone_is_not_reminded_of(parts: Parts, books: Session) -> None:
    change_id = cancelled(parts)
    with transaction() as session:
        undo_change(
            session, account_named(session, ATELIER).id, change_id, catalogue=parts.catalogue,
            actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip
    assert remind(parts, FIRST_DAY) == 0


def test_C3_the_worker_sends_it(parts: Parts, books: Session) -> None:
    cancelled(parts)
    now = FIRST_DAY + timedelta(hours=1)
    clock.fix(now)
    run_due(parts, now)
    assert len(reminded(books)) == 2


def test_C3_one_whose_day_cannot_be_told_keeps_nobody_else_from_being_reminded(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        other = make_customer(session, start=RENEWAL - timedelta(days=31), anchor_day=30)
        opened = open_subscription(
            session, other.account_id, other.subscription_id, catalogue=parts.catalogue,
            now=clock.now(),
        )  # fmt: skip
        planned = plan_cancellation(opened.state, "", opened.today, 15)
        schedule_change(session, opened, planned, actor=SYSTEM, now=clock.now())
        session.get_one(Account, other.account_id).time_zone = "Nowhere/Else"
    cancelled(parts)
    assert remind(parts, FIRST_DAY) == 1
    assert len(reminded(books)) == 2
