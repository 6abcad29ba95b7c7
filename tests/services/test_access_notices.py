"""Reminders of who is about to lose access: 15 and 3 days before, local days, once (S4, S6)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.extensions import db
from portal.jobs.reminders import remind_of_access
from portal.jobs.worker import run_due
from portal.models import Account, Member, OutboxMessage
from portal.parts import Parts
from portal.services.access_notices import due_stage, remind_of_losses
from portal.services.scheduling import undo_change
from tests.support.buying import (
    ATELIER,
    LOTTE,
    MUELLER,
    OFFICINE,
    PIETER,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
)
from tests.support.changes import removed, waiting

pytestmark = pytest.mark.usefixtures("app_context")

RENEWAL = date(2026, 11, 30)
ASKED = date(2026, 10, 29)
ZONES = ["Pacific/Niue", "Europe/Brussels", "Pacific/Chatham", "Pacific/Kiritimati"]


def at(day: date, clock_time: time, zone: str = "Europe/Brussels") -> datetime:
    return datetime.combine(day, clock_time, tzinfo=ZoneInfo(zone))


def remind(parts: Parts, now: datetime) -> None:
    remind_of_access(parts, {}, now)


def stages(books: Session, account: str = ATELIER) -> list[tuple[str, str]]:
    """Which mails were written to whom."""
    books.expire_all()
    query = select(OutboxMessage).where(
        OutboxMessage.topic == "access_loss",
        OutboxMessage.account_id == account_named(books, account).id,
    )
    rows = books.scalars(query.order_by(OutboxMessage.id)).all()
    return [((row.dedupe_key or "").split(":")[2], row.recipient) for row in rows]


@pytest.mark.parametrize(
    ("today", "stage"),
    [
        (date(2026, 11, 14), None),
        (date(2026, 11, 15), "15_days"),
        (date(2026, 11, 26), "15_days"),
        (date(2026, 11, 27), "3_days"),
        (date(2026, 11, 29), "3_days"),
        (RENEWAL, None),
        (date(2026, 12, 24), None),
    ],
)
def test_S6_a_reminder_is_due_15_and_3_days_before(today: date, stage: str | None) -> None:
    assert due_stage(RENEWAL, ASKED, today) == stage


def test_S6_who_was_told_on_the_day_itself_is_not_told_twice() -> None:
    for days in range(16):
        assert due_stage(RENEWAL, date(2026, 11, 15), date(2026, 11, 15) + timedelta(days)) == (
            "3_days" if 12 <= days < 15 else None
        )


def test_S6_asked_then_15_then_3_days_before_each_admin_once(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    both = [LOTTE, PIETER]
    assert stages(books) == [("asked", who) for who in both]
    for day in range(10, 31):
        for hour in (0, 12, 23):
            remind(parts, at(date(2026, 11, day), time(hour, 30)))
    assert stages(books)[2:] == [("15_days", who) for who in both] + [
        ("3_days", who) for who in both
    ]


def test_S6_a_worker_that_was_down_sends_the_latest_alone(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    remind(parts, at(date(2026, 11, 29), time(9)))
    assert [stage for stage, _ in stages(books)] == ["asked", "asked", "3_days", "3_days"]


def test_S5_after_an_undo_nothing_more_is_sent(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    with transaction() as session:
        undo_change(
            session, account_named(session, ATELIER).id, waiting(session, ATELIER)[0].id,
            catalogue=parts.catalogue, actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip
    remind(parts, at(date(2026, 11, 15), time(9)))
    assert len(stages(books)) == 2


def test_S3_after_seats_were_added_that_suffice_nothing_more_is_sent(
    parts: Parts, books: Session
) -> None:
    removed(parts, remove=4)
    collected(parts, order_ready_to_pay(parts, added=2).attempt_id)
    remind(parts, at(date(2026, 11, 15), time(9)))
    assert len(stages(books)) == 2


def test_S6_new_admins_are_reminded_and_former_ones_are_not(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    account = account_named(books, ATELIER).id
    books.execute(
        update(Member).where(Member.account_id == account, Member.role == "admin",
                             Member.id != books.scalar(select(Member.id).where(
                                 Member.account_id == account, Member.role == "admin")
                                 .order_by(Member.id).limit(1)))
        .values(role="billing_admin").execution_options(synchronize_session=False)
    )  # fmt: skip
    remind(parts, at(date(2026, 11, 15), time(9)))
    assert stages(books)[2:] == [("15_days", LOTTE)]


def test_the_worker_sends_them_and_the_mail_names_who_and_where_to_choose(
    parts: Parts, books: Session
) -> None:
    removed(parts, remove=4)
    now = at(date(2026, 11, 15), time(9))
    clock.fix(now)
    run_due(parts, now)
    assert ("15_days", PIETER) in stages(books)


@pytest.mark.parametrize("zone", ZONES)
def test_S6_P3_the_days_are_the_customers_own(parts: Parts, books: Session, zone: str) -> None:
    books.execute(update(Account).where(Account.name == ATELIER).values(time_zone=zone))
    removed(parts, remove=4)
    first = at(date(2026, 11, 15), time(0), zone)
    remind(parts, first - timedelta(seconds=1))
    assert len(stages(books)) == 2
    remind(parts, first)
    assert len(stages(books)) == 4
    remind(parts, at(date(2026, 11, 27), time(0), zone) - timedelta(seconds=1))
    assert len(stages(books)) == 4
    remind(parts, at(date(2026, 11, 29), time(23, 59), zone))
    assert len(stages(books)) == 6


@pytest.mark.parametrize("zone", ZONES)
def test_S4_P3_the_last_day_of_the_notice_is_the_customers_own(
    parts: Parts, books: Session, zone: str
) -> None:
    books.execute(update(Account).where(Account.name == ATELIER).values(time_zone=zone))
    closes = at(date(2026, 11, 16), time(0), zone)  # the 15th is over
    clock.fix(closes - timedelta(seconds=1))
    assert removed(parts, remove=1) == RENEWAL
    clock.fix(closes)
    assert removed(parts, remove=1) == date(2027, 2, 28)
    assert [(c.delta, c.effective_on) for c in waiting(books, ATELIER)] == [
        (-1, RENEWAL), (-1, date(2027, 2, 28)),
    ]  # fmt: skip


def test_one_customer_who_cannot_be_told_keeps_nobody_waiting(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    removed(parts, MUELLER, 4)
    books.execute(update(Account).where(Account.name == ATELIER).values(time_zone="Mars/Base"))
    for day in range(40):
        remind(parts, clock.now() + timedelta(days=day))
    assert len(stages(books)) == 2
    assert len(stages(books, MUELLER)) > 2


def test_many_customers_take_six_statements_a_batch(parts: Parts, books: Session) -> None:
    removed(parts, remove=4)
    removed(parts, MUELLER, 4)
    now = at(date(2026, 11, 15), time(9))
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_more):  # type: ignore[no-untyped-def]
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        with transaction() as session:
            after = remind_of_losses(
                session, catalogue=parts.catalogue, now=now, after=None, limit=9
            )
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert after is not None
    assert len([s for s in statements if s.startswith(("SELECT", "INSERT"))]) <= 6
    with transaction() as session:
        assert remind_of_losses(
            session, catalogue=parts.catalogue, now=now, after=after, limit=9
        ) is None  # fmt: skip


def test_batches_go_on_where_the_last_ended(parts: Parts, books: Session) -> None:
    for account in (ATELIER, MUELLER):
        removed(parts, account, 4)
    changes = [change for name in (ATELIER, MUELLER, OFFICINE) for change in waiting(books, name)]
    after, seen = None, []
    while True:
        with transaction() as session:
            after = remind_of_losses(
                session, catalogue=parts.catalogue, now=clock.now() + timedelta(days=10),
                after=after, limit=1,
            )  # fmt: skip
        if after is None:
            break
        seen.append(after[1])
    assert seen == sorted(seen, key=lambda key: next((c.effective_on, c.id) for c in changes if c.id == key))  # fmt: skip
    assert len(seen) == len(set(seen)) > 0
