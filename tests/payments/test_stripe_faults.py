"""Whatever goes wrong on the line to Stripe: nothing is charged twice, nothing is called paid that
is not, and the truth is found with the same key (M1). Full counts with `make soak`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import pytest

from portal.clock import clock
from portal.payments.gateway import (
    PROVIDER_FAILED,
    ChargeOutcome,
    ChargeStatus,
    Customer,
    GatewayRefused,
    GatewayUnknown,
    MethodFacts,
    Patience,
    RefundStatus,
    SetupStatus,
)
from portal.payments.stripe_gateway import LineTimes, StripeGateway
from tests.conftest import NOW
from tests.fake_stripe.driver import FakeStripe
from tests.fake_stripe.server import FAULTS
from tests.payments.harness import StripeHarness
from tests.payments.test_contract import charge_request, customer_of, saved_method, setup_request
from tests.payments.test_contract_after import refund_of, retry
from tests.support.soak import IS_SOAK, count_of

pytestmark = pytest.mark.soak

QUICK = LineTimes(on_screen=(1, 0.25), background=(1, 0.25), background_retries=0)
HANGS = 0.6  # longer than anybody waits
CARDS = ("4242424242424242", "4000000000009995", "4000002760003184", "AT611904300234573201")
T = TypeVar("T")


@pytest.fixture
def stripe(fake_stripe: FakeStripe) -> Iterator[StripeHarness]:
    clock.fix(NOW)
    yield StripeHarness(fake_stripe, hang=HANGS)
    clock.fix(None)
    fake_stripe.check()


@dataclass
class Run:
    """One run: the fault goes off at the first call, then the same call is made until it is known."""

    stripe: StripeHarness
    quick: StripeGateway
    fault: str
    dice: random.Random
    number: int

    def settle(self, operation: str, call: Callable[[Patience], T]) -> T:
        self.stripe.stripe.fail(self.fault, operation)
        patience = self.dice.choice([Patience.ON_SCREEN, Patience.BACKGROUND])
        for again in range(40):
            try:
                return call(patience)
            except GatewayUnknown:
                patience = Patience.BACKGROUND
                if again == 8:  # a 500 is replayed until the key is forgotten
                    time.sleep(HANGS)  # what still runs there ends on its own day
                    self.stripe.pass_days(2)
                time.sleep(0.05)
        raise AssertionError("never known")

    def method(self, number: str) -> tuple[str, str]:
        return saved_method(self.stripe, number, f"setup:{self.number}:{self.dice.random()}")

    def paid(self, reference: str) -> list[int]:
        """The amounts that this Stripe really took, or is taking, for a reference."""
        return [
            thing["amount"]
            for thing in self.stripe.stripe.things("charge")
            if thing["metadata"].get("reference") == reference and thing["status"] != "failed"
        ]

    def agrees(self, outcome: ChargeOutcome) -> None:
        """What we are told is what happened, once."""
        money = {ChargeStatus.SUCCEEDED, ChargeStatus.PROCESSING}
        paid = self.paid(outcome.reference)
        assert paid == ([outcome.amount.minor] if outcome.status in money else []), outcome
        intents = [
            thing
            for thing in self.stripe.stripe.things("payment_intent")
            if thing["metadata"].get("reference") == outcome.reference
        ]
        assert [thing["id"] for thing in intents] == [outcome.ref]


def charging(run: Run) -> None:
    request = replace(
        charge_request(*run.method(run.dice.choice(CARDS)), f"pi:{run.number}"),
        first_asked_at=clock.now(),
    )
    gateway = run.stripe.gateway
    try:
        told: ChargeOutcome | None = run.settle(
            "payment_intents.create", lambda p: run.quick.charge(request, p)
        )
    except GatewayRefused as refused:
        if (refused.code, run.fault) != (PROVIDER_FAILED, "500"):
            raise
        told = None
    if told is None:  # a 500 that is remembered: it is certain that nothing was made
        assert run.paid(request.reference) == []
        return
    run.agrees(gateway.get_charge(told.ref, Patience.BACKGROUND))


def retrying(run: Run) -> None:
    customer, bad = run.method("4000000000009995")
    _, other = run.method(run.dice.choice(CARDS))
    gateway = run.stripe.gateway
    request = replace(
        charge_request(customer, bad, f"pi:{run.number}"), off_session=True, return_url=""
    )
    first = gateway.charge(request, Patience.BACKGROUND)
    again = retry(first.ref, other)
    with suppress(GatewayRefused):  # it went through unheard, and its key is forgotten
        run.settle("payment_intents.confirm", lambda p: run.quick.retry_charge(again, p))
    run.agrees(gateway.get_charge(first.ref, Patience.BACKGROUND))


def cancelling(run: Run) -> None:
    gateway = run.stripe.gateway
    request = charge_request(*run.method("4000002760003184"), f"pi:{run.number}")
    first = gateway.charge(request, Patience.BACKGROUND)
    told = run.settle(
        "payment_intents.cancel", lambda p: run.quick.cancel_charge(first.ref, f"c:{first.ref}", p)
    )
    assert told.status is ChargeStatus.CANCELLED
    run.agrees(told)


def refunding(run: Run) -> None:
    gateway = run.stripe.gateway
    number = run.dice.choice(["4242424242424242", "4000000000005126"])
    request = charge_request(*run.method(number), f"pi:{run.number}")
    paid = gateway.charge(request, Patience.BACKGROUND)
    back = replace(refund_of(paid, 5000), key=f"refund:{run.number}")
    told = run.settle("refunds.create", lambda p: run.quick.refund(back, p))
    found = [t for t in run.stripe.stripe.things("refund") if t["payment_intent"] == paid.ref]
    assert [(t["id"], t["amount"]) for t in found] == [(told.ref, 5000)]
    now = gateway.get_refund(told.ref, Patience.BACKGROUND)
    assert now.status in {RefundStatus.SUCCEEDED, RefundStatus.PENDING, RefundStatus.FAILED}


def setting_up(run: Run) -> None:
    gateway = run.stripe.gateway
    request = setup_request(customer_of(run.stripe), f"setup:{run.number}")
    page = run.settle("checkout.sessions.create", lambda p: run.quick.open_setup(request, p))
    run.stripe.save_method(page.ref, "4242424242424242")
    after = gateway.get_setup(page.ref, Patience.BACKGROUND)
    assert (after.status, after.reference) == (SetupStatus.COMPLETED, request.reference)


def knowing_the_customer(run: Run) -> None:
    gateway = run.stripe.gateway
    customer = Customer(f"cust:{run.number}", "Molenaar BV", "billing@molenaar.example")
    ref = run.settle("customers.create", lambda p: run.quick.ensure_customer(customer, p))
    assert gateway.ensure_customer(customer, Patience.BACKGROUND) == ref


def detaching(run: Run) -> None:
    gateway = run.stripe.gateway
    _, method = run.method("4242424242424242")
    run.settle("payment_methods.detach", lambda p: run.quick.detach_method(method, p))
    assert gateway.get_method(method, Patience.BACKGROUND) is None


def reading_a_setup(run: Run) -> None:
    gateway = run.stripe.gateway
    page = gateway.open_setup(
        setup_request(customer_of(run.stripe), f"setup:{run.number}"), Patience.BACKGROUND
    )
    run.stripe.save_method(page.ref, run.dice.choice([CARDS[0], CARDS[3]]))
    told = run.settle("checkout.sessions.retrieve", lambda p: run.quick.get_setup(page.ref, p))
    assert told.status is SetupStatus.COMPLETED
    assert told.method is not None


def reading_a_charge(run: Run) -> None:
    gateway = run.stripe.gateway
    request = charge_request(*run.method(run.dice.choice(CARDS)), f"pi:{run.number}")
    first = gateway.charge(request, Patience.BACKGROUND)
    run.agrees(run.settle("payment_intents.retrieve", lambda p: run.quick.get_charge(first.ref, p)))


def reading_a_method(run: Run) -> None:
    _, method = run.method("4242424242424242")
    told = run.settle("payment_methods.retrieve", lambda p: run.quick.get_method(method, p))
    assert isinstance(told, MethodFacts)


def reading_a_refund(run: Run) -> None:
    gateway = run.stripe.gateway
    request = charge_request(*run.method("4242424242424242"), f"pi:{run.number}")
    paid = gateway.charge(request, Patience.BACKGROUND)
    first = gateway.refund(
        replace(refund_of(paid), key=f"refund:{run.number}"), Patience.BACKGROUND
    )
    told = run.settle("refunds.retrieve", lambda p: run.quick.get_refund(first.ref, p))
    assert told == first


def reading_the_books(run: Run) -> None:
    gateway = run.stripe.gateway
    request = charge_request(*run.method("4242424242424242"), f"pi:{run.number}")
    paid = gateway.charge(request, Patience.BACKGROUND)
    since, until = clock.now() - timedelta(days=3), clock.now() + timedelta(days=1)
    records = run.settle(
        "payment_intents.list", lambda p: list(run.quick.list_charges(since, until))
    )
    assert paid.ref in [record.ref for record in records]


OPERATIONS = (
    charging, retrying, cancelling, refunding, setting_up, knowing_the_customer, detaching,
    reading_a_setup, reading_a_charge, reading_a_method, reading_a_refund, reading_the_books,
)  # fmt: skip


def _battery() -> list[tuple[Callable[[Run], None], str]]:
    """Every operation with every fault; in a quick run some of each, always the same."""
    return [
        (operation, fault)
        for operation in OPERATIONS
        for fault in (FAULTS if IS_SOAK else random.Random(operation.__name__).sample(FAULTS, 3))
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("operation", "fault"), _battery(), ids=lambda value: getattr(value, "__name__", value)
)
def test_M1_a_fault_leaves_one_effect_and_the_truth(
    stripe: StripeHarness, operation: Callable[[Run], None], fault: str
) -> None:
    quick = stripe.other(QUICK)
    for number in range(count_of(1, 50)):
        operation(Run(stripe, quick, fault, random.Random(number), number))


def test_M3_an_empty_answer_loses_no_method(stripe: StripeHarness) -> None:
    reading_a_method(Run(stripe, stripe.other(QUICK), "empty", random.Random(0), 0))


def test_M1_every_fault_of_a_charge_with_the_package_trying_again(stripe: StripeHarness) -> None:
    quick = stripe.other(replace(QUICK, background_retries=2))
    for number, fault in enumerate(FAULTS):
        charging(Run(stripe, quick, fault, random.Random(number), number))


def test_M1_nobody_on_screen_waits_for_thirty_seconds(fake_stripe: FakeStripe) -> None:
    """One try of at most 1 + 3 seconds: the answer is `unknown` while Stripe still sleeps."""
    times = LineTimes()
    assert sum(times.on_screen) < 5
    clock.fix(NOW)
    harness = StripeHarness(fake_stripe, hang=30)
    request = charge_request(*saved_method(harness))
    fake_stripe.fail("slow", "payment_intents.create")
    with pytest.raises(GatewayUnknown):
        harness.gateway.charge(request, Patience.ON_SCREEN)
    assert fake_stripe.things("payment_intent") == []
    assert fake_stripe.calls().count("payment_intents.create") == 1
    clock.fix(None)
