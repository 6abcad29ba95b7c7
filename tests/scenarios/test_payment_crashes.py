"""A process that dies between "attempt stored" and "settled" charges nobody twice and loses nothing (M1, Q4).

Each round dies at another statement or commit: before the call, after the effect before the
answer, after the answer before the settlement, in the settlement. Then the worker runs, and there
is one charge, one grant, and books that agree.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.config import ROOT
from portal.db import transaction
from portal.extensions import db
from portal.jobs.collection import settle_attempt
from portal.jobs.refunds import make_refund
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import run_due
from portal.models import (
    AccountBalance,
    CreditNote,
    DemoObject,
    Invoice,
    Payment,
    PaymentAttempt,
    Refund,
)
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import GatewayUnknown
from tests.conftest import NOW, Database
from tests.support.buying import (
    ATELIER,
    DEBIT,
    account_named,
    charges,
    collected,
    order_ready_to_pay,
    outcome_of,
    use_method,
)
from tests.support.crashing import count_moments, dying_at
from tests.support.crediting import credited
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(0),
    pytest.mark.usefixtures("app_context"),
]

THEN = NOW + timedelta(days=32)  # the CRM of the account has been renewed


def moments_of(
    prepare: Callable[[], Callable[[], None]], fresh: Callable[[], None], sample: int, seed: int
) -> list[int]:
    """The moments of the work to die at: a seeded sample, or all of them."""
    fresh()
    work = prepare()
    with count_moments(db.engine) as moments:
        work()
    every = list(range(1, moments.seen + 1))
    assert len(every) > 15
    return random.Random(seed).sample(every, min(count_of(sample, len(every)), len(every)))


def recover(parts: Parts, start: datetime) -> None:
    """The worker's next rounds; the lease of what died with its worker is over by then."""
    for minutes in (1, 20):
        clock.fix(start + timedelta(minutes=minutes))
        run_due(parts, clock.now())


def money(session: Session, payment_id: int) -> tuple[int, str]:
    """How many charges there are for a payment, and its status."""
    made = [one for one in charges(session) if one.data["reference"] == f"payment:{payment_id}"]
    return len(made), session.get_one(Payment, payment_id).status


def payment_of(session: Session, attempt_id: int) -> int:
    return session.get_one(PaymentAttempt, attempt_id).payment_id


# --- an order ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["card", "debit"])
def test_M1_an_order_whose_process_died_is_charged_and_granted_once(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session], by: str
) -> None:
    placed: list[tuple[int, int]] = []

    def prepare() -> Callable[[], None]:
        if by == "debit":
            with transaction() as session:
                use_method(session, ATELIER, DEBIT)
        order = order_ready_to_pay(parts)
        assert order.attempt_id is not None
        placed.append((order.order_id, order.attempt_id))
        return lambda: _swallow(collected(parts, order.attempt_id))

    for moment in moments_of(prepare, fresh, 5 if by == "card" else 2, seed=1):
        fresh()
        work = prepare()
        with dying_at(db.engine, moment):
            work()
        recover(parts, NOW)
        session = look()
        order_id, attempt_id = placed[-1]
        outcome = outcome_of(session, order_id)
        assert (outcome.order, outcome.seats, outcome.ledger) == ("done", 15, 15), moment
        status = "succeeded" if by == "card" else "pending"
        assert money(session, payment_of(session, attempt_id)) == (1, status), moment
        assert len(outcome.invoices) == 1
        the_books_agree(parts)


# --- a renewal ---------------------------------------------------------------------------------


def renewal_attempts(session: Session) -> list[int]:
    return list(session.scalars(
        select(PaymentAttempt.id)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.account_id == account_named(session, ATELIER).id,
               PaymentAttempt.created_at == THEN)
    ))  # fmt: skip


def prepare_renewal(parts: Parts) -> Callable[[], None]:
    """The renewal is invoiced, a part of it paid from the balance; the charge is stored."""
    with transaction() as session:
        account = account_named(session, ATELIER)
        session.add(AccountBalance(account_id=account.id, at=NOW, amount_minor=2_500,
                                   currency="EUR", reason="correction"))  # fmt: skip
    clock.fix(THEN)
    run_renewals(parts, {}, THEN)
    with transaction() as session:
        attempts = renewal_attempts(session)
    assert attempts
    return lambda: settle_attempt(parts, {"attempt_id": attempts[0]}, THEN)


def renewal_is_paid_once(parts: Parts, session: Session) -> None:
    for attempt_id in renewal_attempts(session):
        payment_id = payment_of(session, attempt_id)
        assert money(session, payment_id) == (1, "succeeded")
        invoice = session.get_one(Invoice, session.get_one(Payment, payment_id).invoice_id)
        assert (invoice.status, invoice.paid_minor) == ("paid", invoice.gross_minor)
    the_books_agree(parts)


def test_M1_a_renewal_whose_worker_died_is_charged_once(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session]
) -> None:
    for moment in moments_of(lambda: prepare_renewal(parts), fresh, 4, seed=2):
        fresh()
        work = prepare_renewal(parts)
        with dying_at(db.engine, moment):
            work()
        recover(parts, THEN)
        renewal_is_paid_once(parts, look())


# --- a refund ----------------------------------------------------------------------------------


def test_M6_a_refund_whose_worker_died_is_given_back_once(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session]
) -> None:
    def prepare() -> Callable[[], None]:
        collected(parts, order_ready_to_pay(parts).attempt_id)
        with transaction() as session:
            before = session.scalar(select(func.coalesce(func.max(Refund.id), 0))) or 0
        credited(parts, amounts={1: 1_000})
        return lambda: make_refund(parts, {"refund_id": before + 1}, clock.now())

    for moment in moments_of(prepare, fresh, 3, seed=3):
        fresh()
        work = prepare()
        with dying_at(db.engine, moment):
            work()
        recover(parts, NOW)
        session = look()
        refund = session.scalars(select(Refund)).one()
        there = session.scalars(select(DemoObject).where(DemoObject.kind == "refund")).all()
        assert (refund.status, len(there)) == ("succeeded", 1), moment
        assert session.scalars(select(CreditNote)).one().gross_minor == refund.amount_minor
        the_books_agree(parts)


# --- the answers that were lost, and real kills ------------------------------------------------


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_lost_answers_at_every_call_end_in_one_charge(
    parts: Parts, fresh: Callable[[], None], look: Callable[[], Session], fault: Fault
) -> None:
    assert isinstance(parts.gateway, DemoGateway)
    for lost in range(1, count_of(2, 6) + 1):
        fresh()
        order = order_ready_to_pay(parts)
        parts.gateway.faults.extend([fault] * lost)
        collected(parts, order.attempt_id)
        for hours in range(1, 8):
            clock.fix(NOW + timedelta(hours=hours))
            with suppress(GatewayUnknown):  # the worker's loop waits that out
                run_due(parts, clock.now())
        parts.gateway.faults.clear()
        session = look()
        assert outcome_of(session, order.order_id).order == "done"
        assert order.attempt_id is not None
        assert money(session, payment_of(session, order.attempt_id)) == (1, "succeeded")
        the_books_agree(parts)


@pytest.mark.parametrize("work", ["attempt", "worker"])
def test_M1_a_killed_process_charges_once(
    parts: Parts, database: Database, fresh: Callable[[], None], look: Callable[[], Session],
    work: str,
) -> None:  # fmt: skip
    chance = random.Random(4)
    for _ in range(count_of(1, 40)):
        fresh()
        if work == "attempt":
            order = order_ready_to_pay(parts)
            attempt_id, start, last = order.attempt_id, NOW, 45
        else:
            prepare_renewal(parts)
            order, attempt_id, start, last = None, 0, THEN, 60
        db.engine.dispose()
        with subprocess.Popen(
            [sys.executable, "-m", "tests.support.payment_process", database.url,
             str(database.folder), start.isoformat(), work, str(attempt_id),
             str(chance.randint(1, last))],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            _out, err = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL), err.decode()[-2000:]
        recover(parts, start)
        session = look()
        if order is None:
            renewal_is_paid_once(parts, session)
        else:
            assert outcome_of(session, order.order_id).order == "done"
            assert money(session, payment_of(session, attempt_id or 0)) == (1, "succeeded")
            the_books_agree(parts)


def _swallow(_answer: object) -> None:
    return None
