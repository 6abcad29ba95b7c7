"""What only Stripe's adapter knows: its errors, its events, forgotten keys, mandates, its webhooks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from portal.clock import clock
from portal.config import ROOT
from portal.domain.money import Money
from portal.payments.event_signature import sign
from portal.payments.gateway import (
    PROVIDER_FAILED,
    ChargeStatus,
    Customer,
    EventRefused,
    GatewayRefused,
    GatewayUnknown,
    Patience,
)
from portal.payments.stripe_gateway import LineTimes, StripeGateway
from portal.payments.stripe_gateway.line import Declined
from tests.conftest import NOW
from tests.fake_stripe.driver import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.payments.harness import StripeHarness
from tests.payments.test_contract import (
    CARD,
    DEBIT,
    charge_request,
    customer_of,
    saved_method,
    setup_request,
)
from tests.payments.test_contract_after import refund_of, retry

BACKGROUND, SCREEN = Patience.BACKGROUND, Patience.ON_SCREEN
_WITHOUT_A_CALL = """
import sys
from portal.payments.gateway import EventRefused
from portal.payments.stripe_gateway import StripeGateway
try:
    StripeGateway("sk_test_1", "whsec_1").read_event(b"{}", {}, 0)
except EventRefused:
    print("stripe" in sys.modules, "requests" in sys.modules)
"""
UNHEARD = ("reset_after", "500_after", "malformed", "empty")


@pytest.fixture
def stripe(fake_stripe: FakeStripe) -> Iterator[StripeHarness]:
    clock.fix(NOW)
    harness = StripeHarness(fake_stripe)
    harness.gateway = harness.other(LineTimes(background_retries=0))
    yield harness
    clock.fix(None)
    fake_stripe.check()


def test_one_try_and_four_seconds_on_screen_more_in_the_background() -> None:
    line = StripeGateway("sk_test_1", "whsec_1")._line
    screen, background = line.client(SCREEN), line.client(BACKGROUND)
    assert screen._requestor._options.max_network_retries == 0
    assert screen._requestor._client._timeout == (1, 3)
    assert background._requestor._options.max_network_retries == 2
    assert background._requestor._client._timeout == (3, 20)
    import stripe

    assert stripe.enable_telemetry is False


def test_the_package_is_imported_by_the_first_call_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_A_CALL],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]


def test_a_secret_never_shows() -> None:
    gateway = StripeGateway("sk_live_secret", "whsec_secret")
    assert "secret" not in repr(gateway._line)


def test_a_wrong_key_is_refused_clearly(
    stripe: StripeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = StripeGateway("sk_test_wrong", WEBHOOK_SECRET, api_base=stripe.stripe.url)
    with pytest.raises(GatewayRefused, match="gateway_key_refused"):
        gateway.get_charge("pi_1", SCREEN)
    assert "stripe_key_refused" in caplog.text


def test_a_decline_without_a_payment_intent_is_a_refusal(
    stripe: StripeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = charge_request(*saved_method(stripe))

    def declined(*_what: object) -> None:
        raise Declined({"code": "card_decline_rate_limit_exceeded"})

    monkeypatch.setattr(stripe.gateway._line, "ask", declined)
    with pytest.raises(GatewayRefused, match="card_decline_rate_limit_exceeded"):
        stripe.gateway.charge(request, SCREEN)


def test_nobody_at_home_leaves_the_outcome_unknown() -> None:
    gateway = StripeGateway(
        API_KEY, WEBHOOK_SECRET, api_base="http://127.0.0.1:9",
        times=LineTimes(background_retries=0),
    )  # fmt: skip
    with pytest.raises(GatewayUnknown):
        gateway.get_charge("pi_1", BACKGROUND)


def test_the_fake_refuses_what_the_contract_does_not_know(stripe: StripeHarness) -> None:
    """`payment_method_types` is gone from this API: the fake answers 400 and the test would fail."""
    client = stripe.gateway._line.client(SCREEN)
    import stripe as package

    with pytest.raises(package.InvalidRequestError, match="payment_method_types is unknown"):
        client.v1.payment_intents.create(
            {"amount": 1, "currency": "eur", "payment_method_types": ["card"]}  # type: ignore[typeddict-unknown-key]
        )
    with pytest.raises(AssertionError, match="payment_method_types is unknown"):
        stripe.stripe.check()


def test_the_customer_is_found_after_it_was_renamed_while_the_answer_was_lost(
    stripe: StripeHarness,
) -> None:
    stripe.lose_answer(after_effect=True)
    with pytest.raises(GatewayUnknown):
        customer_of(stripe)
    renamed = Customer("cust:7", "Molenaar & Zonen", "new@molenaar.example")
    ref = stripe.gateway.ensure_customer(renamed, SCREEN)
    [made] = stripe.stripe.things("customer")
    assert made["id"] == ref


@pytest.mark.parametrize("lost", UNHEARD)
def test_M1_a_charge_older_than_the_keys_is_looked_up_first(
    stripe: StripeHarness, lost: str
) -> None:
    request = replace(charge_request(*saved_method(stripe)), first_asked_at=clock.now())
    stripe.stripe.fail(lost, "payment_intents.create")
    with pytest.raises(GatewayUnknown):
        stripe.gateway.charge(request, SCREEN)
    stripe.pass_days(2)
    found = stripe.gateway.charge(request, BACKGROUND)
    assert found.status is ChargeStatus.SUCCEEDED
    assert [thing["id"] for thing in stripe.stripe.things("payment_intent")] == [found.ref]


def test_M1_what_was_never_made_is_refused_and_made_after_two_days(stripe: StripeHarness) -> None:
    request = replace(charge_request(*saved_method(stripe)), first_asked_at=clock.now())
    stripe.stripe.fail("500", "payment_intents.create")
    with pytest.raises(GatewayUnknown):
        stripe.gateway.charge(request, SCREEN)
    # The 500 is replayed, and the books show nothing: it is certain that nothing was charged.
    with pytest.raises(GatewayRefused, match=PROVIDER_FAILED):
        stripe.gateway.charge(request, BACKGROUND)
    stripe.pass_days(2)
    assert stripe.gateway.charge(request, BACKGROUND).status is ChargeStatus.SUCCEEDED
    assert len(stripe.stripe.things("charge")) == 1


def test_M1_a_replayed_500_is_seen_through_in_the_background(stripe: StripeHarness) -> None:
    request = replace(charge_request(*saved_method(stripe)), first_asked_at=clock.now())
    stripe.stripe.fail("500_after", "payment_intents.create")
    with pytest.raises(GatewayUnknown):
        stripe.gateway.charge(request, SCREEN)
    assert stripe.gateway.charge(request, BACKGROUND).status is ChargeStatus.SUCCEEDED


def test_M1_a_refund_older_than_the_keys_is_looked_up_first(stripe: StripeHarness) -> None:
    paid = stripe.gateway.charge(charge_request(*saved_method(stripe)), BACKGROUND)
    stripe.stripe.fail("reset_after", "refunds.create")
    with pytest.raises(GatewayUnknown):
        stripe.gateway.refund(refund_of(paid), BACKGROUND)
    stripe.pass_days(2)
    told = stripe.gateway.refund(refund_of(paid), BACKGROUND)
    [made] = stripe.stripe.things("refund")
    assert (made["id"], made["amount"]) == (told.ref, told.amount.minor)


@pytest.mark.parametrize("kinds", ["both", "card"])
def test_M3_checkout_is_asked_to_block_prepaid_cards(stripe: StripeHarness, kinds: str) -> None:
    request = setup_request(customer_of(stripe))
    if kinds == "card":
        request = replace(request, kinds=request.kinds[:1], currency="CHF")
    page = stripe.gateway.open_setup(request, SCREEN)
    [session] = stripe.stripe.things("checkout.session")
    assert session["id"] == page.ref
    assert session["mode"] == "setup"
    assert session["allowed_payment_method_types"] == [kind.value for kind in request.kinds]
    assert session["locale"] == "nl"


def test_a_mandate_that_ended_makes_its_debit_unusable(stripe: StripeHarness) -> None:
    customer = customer_of(stripe)
    page = stripe.gateway.open_setup(setup_request(customer), SCREEN)
    stripe.save_method(page.ref, DEBIT)
    setup = stripe.gateway.get_setup(page.ref, BACKGROUND)
    assert setup.method is not None
    facts = stripe.gateway.get_method(setup.method.ref, SCREEN)
    assert facts == setup.method

    stripe.stripe.act("mandate", method=setup.method.ref, status="inactive")

    assert stripe.gateway.get_method(setup.method.ref, SCREEN) is None
    with pytest.raises(GatewayRefused, match="mandate_inactive"):
        stripe.gateway.charge(charge_request(customer, setup.method.ref), SCREEN)


def test_M5_a_retry_is_one_payment_intent_with_two_tries(stripe: StripeHarness) -> None:
    customer, bad = saved_method(stripe, "4000000000009995")
    _, good = saved_method(stripe, CARD, "setup:2")
    request = replace(charge_request(customer, bad), off_session=True, return_url="")
    first = stripe.gateway.charge(request, BACKGROUND)
    stripe.gateway.retry_charge(retry(first.ref, good), BACKGROUND)
    assert [thing["id"] for thing in stripe.stripe.things("payment_intent")] == [first.ref]
    assert [t["status"] for t in stripe.stripe.things("charge")] == ["failed", "succeeded"]


# --- events ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "thing", "about", "ref"),
    [
        ("payment_intent.succeeded", {"id": "pi_1"}, "charge", "pi_1"),
        ("payment_intent.payment_failed", {"id": "pi_1"}, "charge", "pi_1"),
        ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}, "charge", "pi_1"),
        ("charge.dispute.created", {"id": "dp_1", "payment_intent": "pi_1"}, "dispute", "dp_1"),
        ("charge.dispute.closed", {"id": "dp_1", "payment_intent": {"id": "pi_1"}}, "dispute", "dp_1"),
        ("charge.succeeded", {"id": "ch_1", "payment_intent": None}, "other", "ch_1"),
        ("charge.refund.updated", {"id": "re_1", "payment_intent": "pi_1"}, "refund", "re_1"),
        ("refund.failed", {"id": "re_1"}, "refund", "re_1"),
        ("checkout.session.completed", {"id": "cs_1", "mode": "setup"}, "setup", "cs_1"),
        ("checkout.session.expired", {"id": "cs_1", "mode": "payment"}, "other", "cs_1"),
        ("payment_method.detached", {"id": "pm_1"}, "method", "pm_1"),
        ("payment_method.automatically_updated", {"id": "pm_1"}, "method", "pm_1"),
        ("mandate.updated", {"id": "mandate_1", "payment_method": "pm_1"}, "method", "pm_1"),
        ("setup_intent.setup_failed", {"id": "seti_1"}, "other", "seti_1"),
        ("customer.updated", {"id": "cus_1"}, "other", "cus_1"),
        ("balance.available", {}, "other", ""),
    ],
)  # fmt: skip
def test_M2_an_event_says_what_is_read_again(
    type_: str, thing: dict[str, Any], about: str, ref: str
) -> None:
    notice = read({"id": "evt_1", "type": type_, "data": {"object": thing}})
    assert (notice.about, notice.ref) == (about, ref)


def test_an_event_keeps_no_names_and_addresses() -> None:
    thing = {"id": "pm_1", "billing_details": {"name": "Jan", "email": "jan@x.example"}}
    notice = read({"id": "evt_1", "type": "payment_method.updated", "data": {"object": thing}})
    assert "Jan" not in json.dumps(dict(notice.payload))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b"\xff", b'{"id": "evt_1"}',
     b'{"id": "e", "type": "t", "data": {"object": []}}',
     b'{"id": 1, "type": "t", "data": {"object": {}}}', b"[" * 100_000,
     b'{"id": "' + b"x" * 500 + b'", "type": "t", "data": {"object": {}}}'],
)  # fmt: skip
def test_M2_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    gateway = StripeGateway("sk_test_1", WEBHOOK_SECRET)
    headers = {"stripe-signature": sign(body, WEBHOOK_SECRET, 1000)}
    with pytest.raises(EventRefused, match="payload_malformed"):
        gateway.read_event(body, headers, 1000)


def test_M2_the_signature_is_the_one_that_the_package_makes() -> None:
    from stripe import WebhookSignature

    body = json.dumps({"id": "evt_1", "type": "x.y", "data": {"object": {"id": "x_1"}}})
    header = WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, 1000)
    gateway = StripeGateway("sk_test_1", WEBHOOK_SECRET)
    assert gateway.read_event(body.encode(), {"Stripe-Signature": header}, 1000).ref == "x_1"
    with pytest.raises(EventRefused, match="timestamp_in_future"):
        gateway.read_event(body.encode(), {"Stripe-Signature": header}, 1000 - 301)


def read(event: dict[str, Any]):  # type: ignore[no-untyped-def]
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": sign(body, WEBHOOK_SECRET, 1000)}
    return StripeGateway("sk_test_1", WEBHOOK_SECRET).read_event(body, headers, 1000)


def test_M2_webhooks_come_signed_twice_and_in_disorder(stripe: StripeHarness) -> None:
    came: list[tuple[bytes, dict[str, str]]] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((body, dict(self.headers)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    ear = HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=ear.serve_forever, args=(0.02,), daemon=True).start()
    try:
        stripe.stripe.act(
            "webhooks", url=f"http://127.0.0.1:{ear.server_address[1]}/", secret=WEBHOOK_SECRET,
            copies=2, delay=0.3, seed=3,
        )  # fmt: skip
        paid = stripe.gateway.charge(charge_request(*saved_method(stripe)), SCREEN)
        stripe.stripe.drain()
    finally:
        ear.shutdown()
        ear.server_close()
    now = int(NOW.timestamp())
    notices = [stripe.gateway.read_event(body, headers, now) for body, headers in came]
    told = [event["id"] for event in stripe.stripe.things("event")]
    heard = [notice.event_id for notice in notices]
    assert sorted(heard) == sorted(told * 2)
    assert list(dict.fromkeys(heard)) != told
    assert ("charge", paid.ref) in {(notice.about, notice.ref) for notice in notices}


def test_a_debit_above_the_cap_is_refused_by_its_amount_alone(stripe: StripeHarness) -> None:
    request = charge_request(*saved_method(stripe, CARD), minor=1_000_001)
    outcome = stripe.gateway.charge(request, SCREEN)
    assert (outcome.status, outcome.amount) == (ChargeStatus.SUCCEEDED, Money(1_000_001, "EUR"))
