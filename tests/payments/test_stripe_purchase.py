"""An order paid with Stripe while the line fails: one charge, granted if and only if it was paid."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.collection import look_after_payments
from portal.jobs.worker import run_due
from portal.parts import Parts
from portal.payments.gateway import Patience
from portal.payments.stripe_gateway import LineTimes
from portal.services.collecting import abandon_attempt
from portal.services.gateway_events import receive_event
from tests.conftest import NOW
from tests.fake_stripe.driver import WEBHOOK_SECRET, FakeStripe
from tests.fake_stripe.postman import sign
from tests.fake_stripe.server import FAULTS
from tests.payments.harness import StripeHarness
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    NO_MONEY,
    THREE_D_SECURE,
    Outcome,
    collected,
    order_ready_to_pay,
    outcome_of,
)
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of
from tests.support.stripe_customers import save_at_stripe

pytestmark = [pytest.mark.usefixtures("app_context"), pytest.mark.soak]

GRANTED = Outcome("done", ("succeeded",), ((9574, "paid", 9574),), 15, 15, "accepted")
PENDING = Outcome("done", ("processing",), ((9574, "pending", 0),), 15, 15, "accepted")
FAILED = Outcome("failed", ("declined",), (), 12, 12, "open")
QUICK = LineTimes(on_screen=(1, 0.25), background=(1, 0.25), background_retries=0)
HOURS = (0.05, 0.2, 0.6, 1.2, 2.5, 5, 12, 25, 26, 30, 40, 50)


@pytest.fixture
def stripe(fake_stripe: FakeStripe, app_context: None) -> Iterator[StripeHarness]:
    yield StripeHarness(fake_stripe, hang=0.6)
    fake_stripe.check()


@pytest.fixture
def paying(parts: Parts, stripe: StripeHarness) -> Parts:
    """The portal's parts with Stripe as their gateway."""
    return replace(parts, gateway=stripe.other(QUICK))


def worker_until(parts: Parts, stripe: StripeHarness, known: object) -> None:
    """The worker's rounds of the next two days, until the order is settled."""
    for hours in HOURS:
        time.sleep(0.08)  # what is slow there is done within these rounds
        clock.fix(NOW + timedelta(hours=hours))
        stripe.stripe.act("clock", now=int(clock.now().timestamp()))
        run_due(parts, clock.now(), periodic=False)
        look_after_payments(parts, {}, clock.now())
        if callable(known) and known():
            return


def deliver_all(parts: Parts, stripe: StripeHarness, dice: random.Random) -> None:
    """Every webhook twice and in any order."""
    events = stripe.stripe.things("event") * 2
    dice.shuffle(events)
    at = int(clock.now().timestamp())
    for event in events:
        body = json.dumps(event).encode()
        receive_event(
            body, {"Stripe-Signature": sign(body, WEBHOOK_SECRET, at)}, gateway=parts.gateway,
            transaction=transaction, catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip


@pytest.mark.parametrize("run", range(count_of(1, 50)))
@pytest.mark.parametrize("fault", FAULTS)
def test_M1_a_fault_while_an_order_is_paid(
    books: Session, paying: Parts, stripe: StripeHarness, fault: str, run: int
) -> None:
    dice = random.Random(f"{fault}{run}")
    number, expected = dice.choice([(CARD, GRANTED), (NO_MONEY, FAILED), (DEBIT, PENDING)])
    if fault == "500":  # remembered for a day, without effect: the order is free again
        expected = FAILED
    save_at_stripe(stripe, ATELIER, number)
    order = order_ready_to_pay(paying)
    stripe.stripe.fail(fault, "payment_intents.create", times=dice.choice([1, 1, 2]))
    early = dice.random() < 0.5

    collected(paying, order.attempt_id)
    if early:  # the webhooks come before the worker looks
        deliver_all(paying, stripe, dice)
    worker_until(paying, stripe, lambda: outcome_of(books, order.order_id) == expected)
    deliver_all(paying, stripe, dice)

    assert outcome_of(books, order.order_id) == expected
    intents = stripe.stripe.things("payment_intent")
    assert len(intents) == (fault != "500"), "one payment intent for one order"
    taken = [t["amount"] for t in stripe.stripe.things("charge") if t["status"] != "failed"]
    assert taken == ([] if expected is FAILED else [9574])
    the_books_agree(paying, since=NOW)


def test_M4_a_debit_at_stripe_is_disputed_and_the_invoice_open_again(
    books: Session, paying: Parts, stripe: StripeHarness
) -> None:
    save_at_stripe(stripe, ATELIER, "AT591904300235473203")
    order = order_ready_to_pay(paying)
    assert collected(paying, order.attempt_id)
    assert outcome_of(books, order.order_id) == PENDING
    stripe.pass_days(4)
    deliver_all(paying, stripe, random.Random(1))
    assert outcome_of(books, order.order_id) == GRANTED
    stripe.pass_days(14)
    deliver_all(paying, stripe, random.Random(2))
    after = outcome_of(books, order.order_id)
    assert after.invoices == ((9574, "open", 0),)
    assert after.order == "done"
    the_books_agree(paying, since=NOW)


def test_M1_giving_up_on_a_line_that_hangs_makes_one_call(
    books: Session, paying: Parts, stripe: StripeHarness
) -> None:
    """Whoever waits on screen waits for one call of 4 seconds at most, never for two."""
    save_at_stripe(stripe, ATELIER, THREE_D_SECURE)
    order = order_ready_to_pay(paying)
    assert collected(paying, order.attempt_id)
    made = len(stripe.stripe.calls())

    def give_up() -> bool:
        return abandon_attempt(
            transaction, paying.gateway, order.attempt_id or 0, catalogue=paying.catalogue,
            public_url=paying.settings.public_url, patience=Patience.ON_SCREEN, now=clock.now,
        )  # fmt: skip

    stripe.stripe.fail("slow", "payment_intents.retrieve")
    assert not give_up()
    assert stripe.stripe.calls()[made:] == ["payment_intents.retrieve"]
    assert give_up()
    assert outcome_of(books, order.order_id).order == "abandoned"
    [intent] = stripe.stripe.things("payment_intent")
    assert intent["status"] == "canceled"
    the_books_agree(paying, since=NOW)
