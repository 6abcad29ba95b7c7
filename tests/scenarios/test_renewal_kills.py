"""A worker killed in the midst of a thousand renewals leaves nothing double, missed or skipped (P3, I2)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.config import ROOT
from portal.db import reading, transaction
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.extensions import db
from portal.models import (
    Account,
    BillingPeriod,
    Invoice,
    Job,
    NumberSeries,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.queries.subscriptions import read_states, select_states
from tests.conftest import NOW, Database
from tests.support.bulk_renewals import RenewingCustomers
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("app_context")]

THEN = NOW + timedelta(days=3)
RENEWALS = 1_000
BATCH = 25  # small, so that a kill mostly meets a transaction
LONGEST = 1.2  # seconds after the start of the work


def _fill(parts: Parts, seed: int) -> list[int]:
    ids: list[int] = []
    with transaction() as session:
        customers = RenewingCustomers(
            session.connection(), parts.catalogue, NOW, random.Random(seed)
        )
        for _ in range(RENEWALS // 2):
            ids += customers.add_renewing(THEN.date())
        customers.write()
    return ids


def _states(ids: list[int]) -> dict[int, SubscriptionState]:
    with reading() as connection:
        rows = read_states(connection.execute(select_states(Subscription.id.in_(ids))))
        return {row.state.subscription_id: row.state for row in rows}


def _run(database: Database, kill_after: float | None) -> bool:
    """Start a worker, kill it after a while; whether it came to its end before."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.renewal_process", database.url,
         str(database.folder), THEN.isoformat(), str(BATCH)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        ready = worker.stdout.readline()
        if kill_after is not None:
            threading.Timer(kill_after, lambda: worker.send_signal(signal.SIGKILL)).start()
        _out, err = worker.communicate(timeout=120)
        assert ready == b"ready\n", err.decode()[-2000:]
        assert worker.returncode in (0, -signal.SIGKILL), err.decode()[-2000:]
        return worker.returncode == 0


def test_P3_a_killed_worker_loses_and_doubles_nothing(
    app: Flask, parts: Parts, database: Database
) -> None:
    kills = count_of(4, 300)
    chance = random.Random(3)
    killed = rounds = 0
    while killed < kills:
        rounds += 1
        db.session.remove()
        database.reset()
        ids = _fill(parts, seed=rounds)
        before = _states(ids)
        while not _run(database, chance.uniform(0.0, LONGEST) if killed < kills else None):
            killed += 1
        _check(ids, before)
        the_books_agree(parts)


def _check(ids: list[int], before: dict[int, SubscriptionState]) -> None:
    """Each subscription is where its plan of before leads, with one invoice; the books add up."""
    with Session(db.engine) as session:
        account_of = select(Subscription.id, Account.payment_terms).join(
            Account, Account.id == Subscription.account_id
        )
        terms = {row[0]: row[1] for row in session.execute(account_of)}
        periods: dict[int, list[tuple[date, date, bool, int | None]]] = {}
        for row in session.execute(
            select(
                BillingPeriod.subscription_id, BillingPeriod.starts_on, BillingPeriod.ends_on,
                BillingPeriod.is_current, BillingPeriod.renewal_invoice_id,
            )
            .where(BillingPeriod.subscription_id.in_(ids))
            .order_by(BillingPeriod.subscription_id, BillingPeriod.starts_on)
        ):  # fmt: skip
            periods.setdefault(row[0], []).append(row[1:])
        nets = {row[0]: row[1] for row in session.execute(select(Invoice.id, Invoice.net_minor))}
        counts = session.execute(select(SubscriptionItem.id, SubscriptionItem.quantity))
        quantities = {row[0]: row[1] for row in counts}
        for key, state in before.items():
            plan = plan_next_period(state)
            ahead = terms[key] == "bank_transfer"
            found = periods[key]
            if plan.ends:
                assert len(found) == 3
                assert found[-1][2] is ahead  # one that is invoiced ahead has not ended yet
                continue
            assert len(found) == 4
            assert plan.after.period is not None
            start, end, is_current, invoice_id = found[-1]
            assert (start, end) == (plan.after.period.start, plan.after.period.end)
            assert [row[2] for row in found].count(True) == 1
            assert is_current is not ahead
            assert invoice_id is not None
            assert nets[invoice_id] == sum(line.net.minor for line in plan.lines)
            for item in state.items if ahead else plan.after.items:
                assert quantities[item.item_id] == item.quantity
        _check_books(session, ids)


def _check_books(session: Session, ids: list[int]) -> None:
    issued = select(Invoice.id).where(Invoice.subscription_id.in_(ids))
    pointed = session.scalars(
        select(BillingPeriod.renewal_invoice_id).where(
            BillingPeriod.subscription_id.in_(ids), BillingPeriod.renewal_invoice_id.is_not(None)
        )
    ).all()
    assert sorted(pointed) == sorted(session.scalars(issued).all())  # none double, none orphaned
    count, last = session.execute(
        select(func.count(), func.max(Invoice.sequence)).where(
            Invoice.series == "invoice", Invoice.year == THEN.year
        )
    ).one()
    series = select(NumberSeries.last).where(
        NumberSeries.series == "invoice", NumberSeries.year == THEN.year
    )
    assert count == last == session.scalar(series)  # I2
    payable = session.scalar(
        select(func.count())
        .select_from(Invoice)
        .join(PaymentMethod, PaymentMethod.account_id == Invoice.account_id)
        .where(Invoice.id.in_(issued), PaymentMethod.is_default)
    )
    payments = session.scalars(select(Payment.id).where(Payment.invoice_id.in_(issued))).all()
    attempts = session.scalars(
        select(PaymentAttempt.id).where(PaymentAttempt.payment_id.in_(payments))
    ).all()
    jobs = session.scalar(
        select(func.count()).where(Job.dedupe_key.in_([f"settle_attempt:{x}" for x in attempts]))
    )
    assert payable == len(payments) == len(attempts) == jobs
    mailed = session.scalars(
        select(OutboxMessage.dedupe_key).where(OutboxMessage.topic == "renewal_invoice")
    )
    assert {int((key or "::").split(":")[1]) for key in mailed} >= set(pointed)
    ledger = (
        select(SeatEntry.item_id, func.sum(SeatEntry.change).label("seats"))
        .group_by(SeatEntry.item_id)
        .subquery()
    )
    off = session.scalar(
        select(func.count())
        .select_from(SubscriptionItem)
        .join(ledger, ledger.c.item_id == SubscriptionItem.id)
        .where(SubscriptionItem.quantity != ledger.c.seats,
               SubscriptionItem.subscription_id.in_(ids))
    )  # fmt: skip
    assert off == 0
