"""Whatever dies or is declined around an automatic top-up: no credits without money, no charge twice (W2, W3).

Each round dies at another statement or commit of the worker, or lets the provider's answers get
lost, or has the bank decline; then the worker goes on, and money, invoices and credits agree.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.config import ROOT
from portal.extensions import db
from portal.jobs.worker import run_due
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import GatewayUnknown
from tests.conftest import NOW, Database
from tests.support.buying import CARD, DEBIT, DEBIT_FAILS, NO_MONEY, charges
from tests.support.crashing import count_moments, dying_at
from tests.support.dunning import switch_method
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of
from tests.support.wallets import (
    SMALL_GROSS,
    attempts_in,
    debit,
    fill,
    switch_on,
    top_ups_in,
    top_ups_of,
    work_at,
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0), pytest.mark.usefixtures("app_context")]
CAP = 3 * SMALL_GROSS


def low_wallet(parts: Parts, number: str) -> int:
    """A top-up was asked for, and the worker has not run; the account's id."""
    account_id = fill(50)
    switch_on(parts, card=number, cap=CAP)
    debit(parts, account_id, key="low")
    return account_id


def recover(parts: Parts, start: datetime) -> None:
    """The worker's next rounds; the lease of what died with its worker is over by then."""
    for minutes in (1, 20, 36):
        with suppress(GatewayUnknown):  # the worker's loop waits that out
            work_at(parts, start + timedelta(minutes=minutes))


def hold_together(parts: Parts, session: Session, account_id: int) -> None:
    """Every credit that arrived was charged once and invoiced, within the cap; the books agree."""
    found = top_ups_of(session, account_id)
    top_ups = top_ups_in(session, account_id)
    bought = [each for each in top_ups if each.status == "done"]
    assert found.credited == sum(each.credits for each in bought)
    assert found.invoiced == sum(each.amount_minor for each in bought)
    assert sum(each.status == "open" for each in top_ups) <= 1
    by_month: Counter[object] = Counter()
    for each in top_ups:
        if each.status != "failed":
            by_month[each.month] += each.amount_minor
    assert all(spent <= CAP for spent in by_month.values())
    # The provider's own books: what it collected, or will, is what brought credits.
    mine = {attempt.gateway_ref for attempt in attempts_in(session, account_id)}
    theirs = [
        one for one in charges(session)
        if one.ref in mine and one.status in ("succeeded", "processing")
    ]  # fmt: skip
    assert len(theirs) == len({one.data["reference"] for one in theirs})
    failed_later = found.invoiced - found.charged  # a debit that was accepted and came back is owed
    assert sum(one.data["amount_minor"] for one in theirs) == found.invoiced - failed_later
    the_books_agree(parts)


@pytest.mark.parametrize("number", [CARD, NO_MONEY, DEBIT])
def test_M1_a_top_up_whose_worker_died_is_charged_and_credited_once(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session], number: str
) -> None:
    fresh()
    low_wallet(parts, number)
    with count_moments(db.engine) as moments:
        run_due(parts, NOW, periodic=False)
    every = list(range(1, moments.seen + 1))
    chosen = random.Random(number).sample(every, min(count_of(5, len(every)), len(every)))
    for moment in chosen:
        fresh()
        account_id = low_wallet(parts, number)
        with dying_at(db.engine, moment):
            run_due(parts, NOW, periodic=False)
        recover(parts, NOW)
        session = look()
        hold_together(parts, session, account_id)
        found = top_ups_of(session, account_id)
        expected = ("failed",) if number == NO_MONEY else ("done",)
        assert (found.statuses, found.balance) == (
            expected, 49 if number == NO_MONEY else 549,
        ), moment  # fmt: skip


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_answers_of_the_provider_that_are_lost_end_in_one_charge(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session], fault: Fault
) -> None:
    assert isinstance(parts.gateway, DemoGateway)
    for lost in range(1, count_of(1, 6) + 1):
        fresh()
        account_id = low_wallet(parts, CARD)
        parts.gateway.faults.extend([fault] * lost)
        for hours in range(8):
            with suppress(GatewayUnknown):
                work_at(parts, NOW + timedelta(hours=hours))
        parts.gateway.faults.clear()
        session = look()
        assert top_ups_of(session, account_id).statuses == ("done",)
        hold_together(parts, session, account_id)


def test_W3_random_crashes_declines_and_lost_answers_never_credit_without_money(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session]
) -> None:
    """Weeks of usage with one of four methods at a time, dying and losing answers at random."""
    assert isinstance(parts.gateway, DemoGateway)
    for seed in range(count_of(2, 60)):
        chance = random.Random(seed)
        fresh()
        account_id = low_wallet(parts, chance.choice([CARD, NO_MONEY, DEBIT]))
        now = NOW
        for step in range(12):
            now += timedelta(minutes=chance.choice([1, 16, 90, 1_500, 6_000]))
            clock.fix(now)
            if chance.random() < 0.3:
                switch_method(chance.choice([CARD, NO_MONEY, DEBIT, DEBIT_FAILS]))
            if chance.random() < 0.2:
                switch_on(parts, cap=CAP)
            debit(parts, account_id, chance.choice([20, 300, 700]), key=f"{seed}:{step}")
            parts.gateway.faults.extend(
                chance.choices(list(Fault), k=chance.choice([0, 0, 1, 2]))
            )  # fmt: skip
            with dying_at(db.engine, chance.randint(1, 400)), suppress(GatewayUnknown):
                run_due(parts, now, periodic=chance.random() < 0.5)
            parts.gateway.faults.clear()
        recover(parts, now)
        recover(parts, now + timedelta(hours=7))
        hold_together(parts, look(), account_id)


def test_M1_a_worker_that_is_killed_charges_once(
    app: Flask, parts: Parts, database: Database, fresh: Callable[[], None],
    look: Callable[[], Session],
) -> None:  # fmt: skip
    """SIGKILL, with a process of its own: no handler, no rollback of ours."""
    chance = random.Random(5)
    for _ in range(count_of(2, 40)):
        fresh()
        number = chance.choice([CARD, CARD, NO_MONEY, DEBIT])
        account_id = low_wallet(parts, number)
        db.engine.dispose()
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.payment_process", database.url,
             str(database.folder), NOW.isoformat(), "worker", "0", str(chance.randint(1, 90))],
            cwd=ROOT, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()[-2000:]
        recover(parts, NOW)
        session = look()
        hold_together(parts, session, account_id)
        assert top_ups_of(session, account_id).statuses == (
            ("failed",) if number == NO_MONEY else ("done",)
        )
