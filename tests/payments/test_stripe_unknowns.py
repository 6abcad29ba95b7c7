"""What is not known of a charge at Stripe: settled in minutes, tried again only where it may be, and
no page waits for it (M1, M5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    Invoice,
    MethodSetup,
    Order,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    PaymentMethod,
)
from portal.parts import Parts
from portal.payments.gateway import GatewayUnknown, Patience
from portal.payments.stripe_gateway import LineTimes
from portal.payments.time_limit import ANSWER_WITHIN, limited_to
from tests.conftest import NOW
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import StripeHarness
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT_FAILS,
    LOTTE,
    account_named,
    collected,
    order_ready_to_pay,
    outcome_of,
)
from tests.support.client import PortalClient
from tests.support.dunning import RENEWAL, case_of, renewal_invoice
from tests.support.ledger import the_books_agree
from tests.support.stripe_customers import save_at_stripe

pytestmark = pytest.mark.usefixtures("app_context")

SLOW = 2.6
"""Seconds that Stripe takes for an answer: less than a call may, more than two of them."""


@pytest.fixture
def stripe(fake_stripe: FakeStripe, app_context: None) -> Iterator[StripeHarness]:
    yield StripeHarness(fake_stripe, hang=SLOW)
    fake_stripe.check()


@pytest.fixture
def paying(parts: Parts, stripe: StripeHarness) -> Parts:
    """The portal with Stripe, which is not asked twice within a call."""
    return replace(parts, gateway=stripe.other(LineTimes(background_retries=0)))


def work(paying: Parts, stripe: StripeHarness, now: datetime) -> None:
    clock.fix(now)
    stripe.pass_days(0)
    run_due(paying, now)


def intents(stripe: StripeHarness) -> list[str]:
    return [thing["status"] for thing in stripe.stripe.things("payment_intent")]


# --- a fault of the provider's, which it gives again for a day -----------------------------------


def test_M1_an_order_whose_call_failed_without_effect_is_free_again_in_minutes(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:
    save_at_stripe(stripe, ATELIER, CARD)
    order = order_ready_to_pay(paying)
    stripe.stripe.fail("500", "payment_intents.create")
    assert not collected(paying, order.attempt_id)
    work(paying, stripe, NOW + timedelta(minutes=2))
    outcome = outcome_of(books, order.order_id)
    assert (outcome.order, outcome.attempts, outcome.quote) == ("failed", ("declined",), "open")
    assert books.get_one(Order, order.order_id).failure == {
        "code": "provider_failed",
        "advice": None,
    }
    assert intents(stripe) == []
    again = order_ready_to_pay(paying)
    assert collected(paying, again.attempt_id)
    assert outcome_of(books, again.order_id).order == "done"
    assert intents(stripe) == ["succeeded"]
    the_books_agree(paying, since=NOW)


def test_M1_an_order_whose_call_failed_after_its_effect_is_granted_in_minutes(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:
    save_at_stripe(stripe, ATELIER, CARD)
    order = order_ready_to_pay(paying)
    stripe.stripe.fail("500_after", "payment_intents.create")
    assert not collected(paying, order.attempt_id)
    work(paying, stripe, NOW + timedelta(minutes=2))
    assert outcome_of(books, order.order_id).order == "done"
    assert intents(stripe) == ["succeeded"]
    the_books_agree(paying, since=NOW)


def test_M1_a_renewal_whose_call_failed_waits_for_its_own_key_and_bothers_nobody(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:
    save_at_stripe(stripe, ATELIER, CARD)
    stripe.stripe.fail("500", "payment_intents.create", times=9)  # whoever renews that day
    work(paying, stripe, RENEWAL)
    invoice = renewal_invoice(books)
    work(paying, stripe, RENEWAL + timedelta(hours=3))
    assert case_of(books, invoice) is None
    assert statuses(books, invoice) == ["unknown"]
    work(paying, stripe, RENEWAL + timedelta(hours=26))
    assert statuses(books, invoice) == ["succeeded"]
    assert len(intents(stripe)) == 1
    the_books_agree(paying, since=NOW)


# --- a mandate that ended ------------------------------------------------------------------------


def test_M5_a_debit_is_not_tried_again_without_its_mandate(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:
    save_at_stripe(stripe, ATELIER, DEBIT_FAILS)
    work(paying, stripe, RENEWAL)
    invoice = renewal_invoice(books)
    work(paying, stripe, RENEWAL + timedelta(days=4))
    case = case_of(books, invoice)
    assert case is not None
    assert case.stopped_because is None
    method_ref = books.scalars(
        select(PaymentMethod.gateway_ref).where(
            PaymentMethod.account_id == invoice.account_id, PaymentMethod.is_default
        )
    ).one()
    stripe.stripe.act("mandate", method=method_ref, status="inactive")  # its webhook is lost
    work(paying, stripe, RENEWAL + timedelta(days=7))
    case = case_of(books, invoice)
    assert case is not None
    assert (case.reason, case.stopped_because) == ("mandate_inactive", "mandate_inactive")
    assert "payment_intents.confirm" not in stripe.stripe.calls()
    topics = set(books.scalars(select(OutboxMessage.topic)))
    assert "payment_method_lost" in topics  # the admins are told to give another one
    the_books_agree(paying, since=NOW)


# --- how long a page waits -----------------------------------------------------------------------


def test_M1_the_first_payment_method_is_begun_within_five_seconds(
    app: Flask, paying: Parts, stripe: StripeHarness, books: Session
) -> None:
    """Two calls: the customer, and the page. Both are slow, and what was done is not lost."""
    with transaction() as session:
        account_named(session, ATELIER).gateway_customer = None
    before, app.extensions["portal"] = app.extensions["portal"], paying
    try:
        client = PortalClient(app)
        client.sign_in(LOTTE)
        stripe.stripe.fail("slow", "*", times=2)
        began = time.monotonic()
        client.post("/billing/payment-method/setups")
        took = time.monotonic() - began
        assert SLOW < took < 5
        setup = books.scalars(select(MethodSetup).order_by(MethodSetup.id.desc())).first()
        assert setup is not None
        assert setup.status == "reserved"
        customer = books.scalar(select(Account.gateway_customer).where(Account.name == ATELIER))
        assert customer == stripe.stripe.things("customer")[-1]["id"]
        time.sleep(SLOW)  # what is still being done there has ended
        client.post(f"/billing/payment-method/setups/{setup.id}/open")
        books.expire_all()
        assert books.get_one(MethodSetup, setup.id).status == "open"
        assert len(stripe.stripe.things("checkout.session")) == 1
    finally:
        app.extensions["portal"] = before


def test_M1_nothing_is_begun_once_the_time_has_passed(stripe: StripeHarness) -> None:
    asked = len(stripe.stripe.calls())
    with limited_to(0.1), pytest.raises(GatewayUnknown):
        stripe.gateway.get_charge("pi_1", Patience.ON_SCREEN)
    assert len(stripe.stripe.calls()) == asked
    assert ANSWER_WITHIN < 5


# --- helpers ---------------------------------------------------------------------------------------


def statuses(books: Session, invoice: Invoice) -> list[str]:
    """The status of each attempt of an invoice."""
    books.expire_all()
    return list(
        books.scalars(
            select(PaymentAttempt.status)
            .join(Payment, Payment.id == PaymentAttempt.payment_id)
            .where(Payment.invoice_id == invoice.id)
            .order_by(PaymentAttempt.id)
        )
    )
