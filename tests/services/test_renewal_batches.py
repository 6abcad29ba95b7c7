"""Renewals in batches: the same as one at a time, and one that is bad keeps nobody waiting (P2, P3)."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.app import create_app
from portal.cli import _with_commands
from portal.clock import clock
from portal.config import Mode
from portal.db import reading, transaction
from portal.extensions import db
from portal.jobs import renewals as job
from portal.jobs.renewals import run_renewals
from portal.models import (
    Account,
    BillingPeriod,
    DeskTask,
    Invoice,
    ScheduledChange,
    Subscription,
)
from portal.parts import Parts
from portal.queries.parked import count_parked, list_parked
from portal.services import renewal_planning, renewal_writing
from portal.services.locks import lock_account
from portal.services.renewals import START, list_due, renew_due_of_account, renew_subscription
from tests.conftest import NOW, Database
from tests.support.bulk_renewals import RenewingCustomers

pytestmark = pytest.mark.usefixtures("app_context")

THEN = NOW + timedelta(days=3)


def fill(parts: Parts, accounts: int, seed: int = 1) -> list[int]:
    """Accounts with two subscriptions each that renew on the day of THEN."""
    found: list[int] = []
    with transaction() as session:
        customers = RenewingCustomers(
            session.connection(), parts.catalogue, NOW, random.Random(seed)
        )
        for _ in range(accounts):
            found += customers.add_renewing(THEN.date())
        customers.write()
    return found


def renew(parts: Parts, now: datetime, batch: int = 200) -> None:
    clock.fix(now)
    run_renewals(parts, {}, now, batch=batch)


def content() -> dict[str, Counter[str]]:
    """Every row of every table but for its own id, which says nothing."""
    with reading() as connection:
        return {
            table.name: Counter(
                json.dumps([value for name, value in zip(row._fields, row, strict=True)
                            if name != "id"], default=str)
                for row in connection.execute(select(table))
            )
            for table in db.metadata.sorted_tables
        }  # fmt: skip


def check_books(session: Session, ids: list[int]) -> None:
    """Each period once, one after the other, each invoice once, numbers without a gap (P2, I2)."""
    session.expire_all()
    rows = session.execute(
        select(BillingPeriod.subscription_id, BillingPeriod.starts_on, BillingPeriod.ends_on)
        .where(BillingPeriod.subscription_id.in_(ids))
        .order_by(BillingPeriod.subscription_id, BillingPeriod.starts_on)
    ).all()
    for earlier, later in itertools.pairwise(rows):
        if earlier[0] == later[0]:
            assert earlier[2] == later[1]
    assert len({row[:2] for row in rows}) == len(rows)
    invoices = session.execute(
        select(Invoice.year, func.count(), func.max(Invoice.sequence),
               func.count(Invoice.sequence.distinct()))
        .where(Invoice.series == "invoice")
        .group_by(Invoice.year)
    ).all()  # fmt: skip
    assert all(count == last == different for _year, count, last, different in invoices)
    orphans = session.scalar(
        select(func.count())
        .select_from(Invoice)
        .outerjoin(BillingPeriod, BillingPeriod.renewal_invoice_id == Invoice.id)
        .where(Invoice.subscription_id.in_(ids), BillingPeriod.id.is_(None))
    )
    assert orphans == 0


def not_renewed(session: Session, ids: list[int], now: datetime) -> list[int]:
    """Those whose period has ended and who still stand in it."""
    found = session.scalars(
        select(Subscription.id)
        .join(BillingPeriod, BillingPeriod.subscription_id == Subscription.id)
        .where(
            Subscription.id.in_(ids),
            BillingPeriod.is_current,
            BillingPeriod.ends_on <= now.date(),
        )
    )
    return list(found)


def test_P3_a_batch_does_row_by_row_what_one_at_a_time_does(
    parts: Parts, database: Database
) -> None:
    after = []
    for batch in (1, 200):
        db.session.remove()
        database.reset()
        fill(parts, 40, seed=7)
        for days in (0, 1, 40):  # on the day, a day after it, and two renewals later
            renew(parts, THEN + timedelta(days=days), batch)
        after.append(content())
    for table, rows in after[0].items():
        assert rows == after[1][table], table


def test_rule_10_a_batch_takes_as_many_statements_whatever_its_size(
    parts: Parts,
) -> None:
    counts = []
    for accounts, later in ((10, 0), (60, 1)):
        fill(parts, accounts, seed=accounts)
        seen: Counter[str] = Counter()

        def count(_c: Any, _cursor: Any, statement: str, *_more: Any, into: Any = seen) -> None:
            into[statement.split("IN (")[0]] += 1

        event.listen(db.engine, "before_cursor_execute", count)
        try:
            renew(parts, THEN + timedelta(minutes=later), 500)
        finally:
            event.remove(db.engine, "before_cursor_execute", count)
        counts.append(seen.total())
    assert counts[1] <= counts[0] + 25  # what only some bring: a cancellation, a new term


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_P3_many_workers_share_one_run(
    app: Flask, session: Session, parts: Parts, workers: int
) -> None:
    ids = fill(parts, 100, seed=workers)
    now = THEN + timedelta(days=33)
    clock.fix(now)
    start = threading.Barrier(workers)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                start.wait()
                run_renewals(parts, {}, now, batch=20)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not_renewed(session, ids, now) == []
    check_books(session, ids)
    with reading() as connection:
        assert count_parked(connection) == 0


def test_P3_an_account_that_a_person_is_changing_is_passed_over_and_not_forgotten(
    app: Flask, session: Session, parts: Parts, database: Database
) -> None:
    if database.name == "sqlite":
        pytest.skip("SQLite's writers stand in line: nobody is passed over")
    ids = fill(parts, 10)
    held = session.scalars(select(Subscription.account_id).where(Subscription.id == ids[0])).one()
    session.rollback()
    holds, renewed_others = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), transaction() as own:
            lock_account(own, held)
            holds.set()
            for _ in range(200):
                with reading() as connection:
                    left = connection.scalar(
                        select(func.count()).where(
                            BillingPeriod.is_current,
                            BillingPeriod.ends_on <= THEN.date(),
                            BillingPeriod.subscription_id.in_(ids),
                        )
                    )
                if left == 2:
                    renewed_others.set()
                    return
                threading.Event().wait(0.02)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(5)
    renew(parts, THEN)
    thread.join()
    assert renewed_others.is_set()
    assert not_renewed(session, ids, THEN) == []


def break_one(monkeypatch: pytest.MonkeyPatch, broken: int) -> None:
    whole = renewal_planning.plan_next_period

    def fails(state: Any) -> Any:
        if state.subscription_id == broken:
            raise RuntimeError("the row is damaged")
        return whole(state)

    monkeypatch.setattr(renewal_planning, "plan_next_period", fails)


def test_one_that_cannot_be_planned_is_parked_in_its_batch_and_recovers_when_put_right(
    session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 10)
    with monkeypatch.context() as patch:
        break_one(patch, ids[4])
        renew(parts, THEN)
    assert not_renewed(session, ids, THEN) == [ids[4]]
    task = session.scalars(select(DeskTask).where(DeskTask.kind == "renewal_parked")).one()
    assert task.details["message"] == "the row is damaged"
    session.rollback()
    renew(parts, THEN + timedelta(minutes=30))
    session.expire_all()
    assert not_renewed(session, ids, THEN) == [ids[4]]  # an hour is waited
    session.rollback()
    renew(parts, THEN + timedelta(minutes=61))
    session.expire_all()
    assert not_renewed(session, ids, THEN) == []
    assert session.get_one(Subscription, ids[4]).parked_at is None
    assert session.get_one(DeskTask, task.id).done_at == THEN + timedelta(minutes=61)
    check_books(session, ids)


def test_parked_twice_the_desk_is_told_twice(
    session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 2)
    for month in range(2):
        with monkeypatch.context() as patch:
            break_one(patch, ids[0])
            renew(parts, THEN + timedelta(days=31 * month))
        session.expire_all()
        task = session.scalars(select(DeskTask).where(DeskTask.kind == "renewal_parked")).one()
        assert task.done_at is None
        session.rollback()
        renew(parts, THEN + timedelta(days=31 * month, hours=2))
        session.expire_all()
        task = session.scalars(select(DeskTask).where(DeskTask.kind == "renewal_parked")).one()
        assert task.done_at is not None
        session.rollback()


def test_a_batch_that_cannot_be_written_is_done_one_by_one_and_only_the_bad_one_is_parked(
    session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 10)
    whole = renewal_writing.issue_invoices

    def fails(own: Session, steps: Any, **more: Any) -> Any:
        found = whole(own, steps, **more)
        if any(step.subscription_id == ids[3] for step in steps):
            raise ValueError("a number out of range")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(renewal_writing, "issue_invoices", fails)
        renew(parts, THEN)
    assert not_renewed(session, ids, THEN) == [ids[3]]
    parked = session.get_one(Subscription, ids[3])
    assert parked.parked_error == {"kind": "ValueError", "message": "a number out of range"}
    check_books(session, ids)
    session.rollback()
    renew(parts, THEN + timedelta(hours=2))
    session.expire_all()
    assert not_renewed(session, ids, THEN) == []
    check_books(session, ids)


def test_nobody_is_parked_while_the_database_is_away(
    session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 3)

    def away(*_values: Any, **_more: Any) -> Any:
        raise OperationalError("COMMIT", {}, Exception("the server went away"))

    with monkeypatch.context() as patch:
        patch.setattr(job, "renew_batch", away)
        with pytest.raises(OperationalError):
            renew(parts, THEN)
    with reading() as connection:
        assert count_parked(connection) == 0
    renew(parts, THEN)
    assert not_renewed(session, ids, THEN) == []


def test_an_unknown_time_zone_parks_one_and_no_other(session: Session, parts: Parts) -> None:
    ids = fill(parts, 5)
    with transaction() as own:
        account_id = own.get_one(Subscription, ids[0]).account_id
        own.execute(
            update(Account).where(Account.id == account_id).values(time_zone="Europe/Atlantis")
        )
    renew(parts, THEN)
    assert not_renewed(session, ids, THEN) == ids[:2]
    with reading() as connection:
        assert {row.subscription_id for row in list_parked(connection)} == set(ids[:2])


def test_C4_what_waits_without_a_price_parks_and_its_undoing_recovers(
    session: Session, parts: Parts
) -> None:
    (first, *_rest) = fill(parts, 1, seed=3)
    with transaction() as own:
        own.execute(update(ScheduledChange).values(status="undone"))
        own.add(ScheduledChange(
            subscription_id=first, kind="period", status="waiting", asked_at=NOW,
            target={"interval": "year", "prices": {}}, effective_on=THEN.date(),
        ))  # fmt: skip
    renew(parts, THEN)
    parked = session.get_one(Subscription, first)
    assert parked.parked_error is not None
    assert parked.parked_error["message"].startswith("price_missing")
    account_id = parked.account_id
    session.rollback()
    with transaction() as own:  # a write is not held up by it: it may be what puts it right
        account = lock_account(own, account_id)
        renew_due_of_account(own, account, catalogue=parts.catalogue, now=THEN)
        own.execute(update(ScheduledChange).where(ScheduledChange.subscription_id == first)
                    .values(status="undone"))  # fmt: skip
    with transaction() as own:
        assert renew_subscription(own, account_id, first, catalogue=parts.catalogue, now=THEN) == 1
    session.expire_all()
    assert session.get_one(Subscription, first).parked_at is None
    assert not_renewed(session, [first], THEN) == []


def test_the_due_ones_are_listed_in_pages_the_longest_due_first(parts: Parts) -> None:
    fill(parts, 7)
    with reading() as connection:
        seen: list[int] = []
        place = START
        while True:
            due, following = list_due(connection, notice_days=15, now=THEN, after=place, limit=3)
            seen += [one.subscription_id for one in due]
            if following is None:
                break
            place = following
        whole, _ = list_due(connection, notice_days=15, now=THEN, after=START, limit=1000)
    assert seen == [one.subscription_id for one in whole]
    assert len(seen) == len(set(seen)) >= 12


# --- the operator ------------------------------------------------------------------------------


@pytest.fixture
def flask_run(app: Flask) -> FlaskCliRunner:
    return _with_commands(app).test_cli_runner()


def test_the_operator_sees_what_is_parked_and_tries_again(
    flask_run: FlaskCliRunner, session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 2)
    nothing = flask_run.invoke(args=["renewals", "parked"])
    assert nothing.output == "No subscription is parked.\n"
    clock.fix(THEN)
    with monkeypatch.context() as patch:
        break_one(patch, ids[1])
        run_renewals(parts, {}, THEN)
        listed = flask_run.invoke(args=["renewals", "parked"])
        assert f"{ids[1]}  Company" in listed.output
        assert "RuntimeError: the row is damaged" in listed.output
        again = flask_run.invoke(args=["renewals", "retry", str(ids[1])])
        assert (again.exit_code, "still parked" in again.output) == (1, True)
    done = flask_run.invoke(args=["renewals", "retry", str(ids[1])])
    assert (done.exit_code, done.output) == (
        0, f"{ids[1]}: 1 period was invoiced or opened.\n",
    )  # fmt: skip
    unknown = flask_run.invoke(args=["renewals", "retry", "999999"])
    assert (unknown.exit_code, "There is no subscription" in unknown.output) == (1, True)
    nothing_due = flask_run.invoke(args=["renewals", "retry", str(ids[0])])
    assert nothing_due.output == f"{ids[0]}: nothing was due.\n"
    assert not_renewed(session, ids, THEN) == []


def test_the_metrics_tell_how_many_are_parked(
    app: Flask, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(parts, 2)
    with monkeypatch.context() as patch:
        break_one(patch, ids[1])
        renew(parts, THEN)
    settings = dataclasses.replace(
        parts.settings, mode=Mode.PRODUCTION, metrics_token="t" * 32, public_url="https://p.example"
    )
    watched = create_app(settings)
    answer = watched.test_client().get(
        "/metrics", headers={"Authorization": "Bearer " + "t" * 32}, base_url="https://p.example"
    )
    assert "portal_parked_renewals 1.0\n" in answer.get_data(as_text=True)
    with watched.app_context():
        db.engine.dispose()
