"""SIGKILL of the web process anywhere in the request that spends money, and of the worker anywhere
in the work on a renewal, with either provider: one order, one charge, and books that agree (M1, Q4)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.config import ROOT
from portal.extensions import db
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import run_due
from portal.models import Invoice, Order, Payment
from portal.parts import Parts
from tests.conftest import NOW, Database
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import StripeHarness
from tests.support.buying import (
    ATELIER,
    CARD,
    LOTTE,
    charges,
    outcome_of,
    quoted,
    ready,
    shown_terms,
)
from tests.support.client import PortalClient
from tests.support.crashing import count_moments
from tests.support.dunning import RENEWAL, renewal_invoice
from tests.support.ledger import the_books_agree
from tests.support.payment_process import at_the_button
from tests.support.soak import IS_SOAK, count_of
from tests.support.stripe_customers import save_at_stripe

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

# test_payment_crashes kills what the demo's gateway collects in every run.
GATEWAYS = ["demo", "stripe"] if IS_SOAK else ["stripe"]


class Ground:
    """One round after the other on one database and one provider, each put back to the start."""

    def __init__(self, app: Flask, database: Database, fresh: Callable[[], None],
                 stripe: FakeStripe | None) -> None:  # fmt: skip
        self.app, self.database, self.fresh, self.stripe = app, database, fresh, stripe
        self.parts: Parts = app.extensions["portal"]

    def begin(self) -> None:
        """Put everything back; with Stripe, Atelier Noordzee's card is saved there."""
        self.fresh()
        if self.stripe is None:
            return
        self.stripe.check()
        harness = StripeHarness(self.stripe)
        self.parts = replace(self.parts, gateway=harness.gateway)
        self.app.extensions["portal"] = self.parts
        with self.app.app_context():
            save_at_stripe(harness, ATELIER, CARD)

    def die(self, work: str, key: object, now: datetime, moment: int) -> bool:
        """A process does the work and is killed at that moment; whether it was still at work."""
        with self.app.app_context():
            db.engine.dispose()
        address = [self.stripe.url] if self.stripe else []
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.payment_process", self.database.url,
             str(self.database.folder), now.isoformat(), work, str(key), str(moment), *address],
            cwd=ROOT, capture_output=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()[-2000:]
        return done.returncode != 0

    def recover(self, start: datetime) -> None:
        """The worker's next rounds; the lease of what died with its worker is over by then."""
        for minutes in (1, 20, 80):
            clock.fix(start + timedelta(minutes=minutes))
            if self.stripe:
                self.stripe.act("clock", now=int(clock.now().timestamp()))
            with self.app.app_context():
                run_due(self.parts, clock.now())

    def moments(self, work: Callable[[], object]) -> list[int]:
        """The moments of a piece of work to die at: one in a quick run, else a hundred or all."""
        with self.app.app_context():
            engine = db.engine
        with count_moments(engine) as moments:
            work()
        every = list(range(1, moments.seen + 1))
        assert len(every) > 15
        return random.Random(5).sample(every, min(count_of(1, 100), len(every)))

    def taken(self, session: Session, payment_id: int) -> list[int]:
        """What the provider took for a payment."""
        reference = f"payment:{payment_id}"
        if self.stripe is None:
            return [
                one.data["amount_minor"] for one in charges(session)
                if one.data["reference"] == reference and one.status == "succeeded"
            ]  # fmt: skip
        return [
            thing["amount"] for thing in self.stripe.things("charge")
            if thing["metadata"].get("reference") == reference and thing["status"] == "succeeded"
        ]  # fmt: skip

    def books_agree(self) -> None:
        with self.app.app_context():
            the_books_agree(self.parts, since=NOW)


@pytest.fixture(params=GATEWAYS)
def ground(
    request: pytest.FixtureRequest, app: Flask, database: Database, fresh: Callable[[], None]
) -> Iterator[Ground]:
    parts = app.extensions["portal"]
    stripe = request.getfixturevalue("fake_stripe") if request.param == "stripe" else None
    yield Ground(app, database, fresh, stripe)
    app.extensions["portal"] = parts
    if stripe:
        stripe.check()


def press(app: Flask, quote_id: int, shown: str) -> str:
    """The button is pressed (again); where it leads."""
    browser = PortalClient(app)
    browser.sign_in(LOTTE)
    answer = browser.post(f"/checkout/{quote_id}/service-order", {"shown": shown})
    return str(answer.headers["Location"])


def test_Q4_M1_a_web_process_that_dies_while_the_button_is_pressed_makes_one_order(
    app: Flask, ground: Ground, look: Callable[[], Session]
) -> None:
    def prepare() -> tuple[int, str]:
        ground.begin()
        with app.app_context():
            quote_id = quoted(ground.parts)
            ready(ground.parts, quote_id)
            return quote_id, shown_terms(ground.parts, quote_id)

    died = []
    moments = ground.moments(at_the_button(app, prepare()[0]))
    for moment in moments:
        quote_id, shown = prepare()
        died.append(ground.die("press", quote_id, NOW, moment))
        assert press(app, quote_id, shown).startswith("/orders/"), moment  # whoever reloads
        ground.recover(NOW)
        session = look()
        [order] = session.scalars(select(Order).where(Order.quote_id == quote_id)).all()
        outcome = outcome_of(session, order.id)
        assert (outcome.order, outcome.seats, len(outcome.invoices)) == ("done", 15, 1), moment
        payments = session.scalars(select(Payment).where(Payment.order_id == order.id)).all()
        taken = [amount for each in payments for amount in ground.taken(session, each.id)]
        assert taken == [order.gross_minor], moment
        ground.books_agree()
    assert sum(died) > 0.9 * len(moments)


def test_M1_a_worker_that_dies_over_a_renewal_collects_it_once(
    app: Flask, ground: Ground, look: Callable[[], Session]
) -> None:
    def prepare() -> None:
        ground.begin()
        clock.fix(RENEWAL)
        if ground.stripe:
            ground.stripe.act("clock", now=int(RENEWAL.timestamp()))
        with app.app_context():
            run_renewals(ground.parts, {}, RENEWAL)

    def work() -> None:
        with app.app_context():
            run_due(ground.parts, RENEWAL, periodic=False)

    prepare()
    died = []
    moments = ground.moments(work)
    for moment in moments:
        prepare()
        died.append(ground.die("worker", 0, RENEWAL, moment))
        ground.recover(RENEWAL)
        session = look()
        invoice = renewal_invoice(session)
        payments = session.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).all()
        assert [each.status for each in payments] == ["succeeded"], moment
        assert ground.taken(session, payments[0].id) == [invoice.gross_minor], moment
        paid = session.get_one(Invoice, invoice.id, populate_existing=True)
        assert (paid.status, paid.paid_minor) == ("paid", paid.gross_minor), moment
        ground.books_agree()
    assert sum(died) > 0.9 * len(moments)
