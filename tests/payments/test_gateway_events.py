"""Webhooks: taken once, believed never, read again from the provider (M2)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.models import GatewayEvent, Payment, PaymentAttempt
from portal.parts import Parts
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    GatewayRefused,
    GatewayUnknown,
    MethodKind,
    Patience,
)
from portal.services.demo_provider import deliver_demo_events
from portal.services.gateway_events import receive_event
from portal.services.method_refreshing import refresh_method
from portal.services.method_setup import finish_method_setup, open_method_setup
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import PUBLIC_URL, StripeHarness
from tests.payments.test_method_setup import ADDRESSES, begun, make_account, methods, setup_of


@pytest.fixture
def gateway(app_context: None, parts: Parts) -> DemoGateway:
    """The running app's own gateway."""
    assert isinstance(parts.gateway, DemoGateway)
    parts.gateway.faults.clear()
    return parts.gateway


def completed_setup(gateway: DemoGateway, number: str = "4242424242424242") -> tuple[int, int, str]:
    """A method that was saved at the provider, of which nobody told the portal yet."""
    account_id = make_account()
    setup_id = begun(account_id)
    open_method_setup(
        transaction, gateway, setup_id, ADDRESSES, now=clock.now(), patience=Patience.ON_SCREEN
    )
    ref = str(setup_of(setup_id).gateway_ref)
    demo_hosted_page.save_method(ref, MethodKind.CARD, number, (2034, 1), clock.now())
    return account_id, setup_id, ref


def signed(
    gateway: DemoGateway, event_id: str, about: str, ref: str, *, ahead: int = 0,
    type_: str = "setup.completed",
) -> tuple[bytes, Mapping[str, str]]:  # fmt: skip
    at = int(clock.now().timestamp()) + ahead
    event = gateway.sign_event(event_id, type_, about, ref, at)
    return event.body, event.headers


def receive(parts: Parts, event: tuple[bytes, Mapping[str, str]]) -> str:
    return receive_event(
        *event, gateway=parts.gateway, transaction=transaction, catalogue=parts.catalogue,
        now=clock.now(),
    )  # fmt: skip


def events() -> list[GatewayEvent]:
    with transaction() as session:
        return list(session.scalars(select(GatewayEvent).order_by(GatewayEvent.id)))


def test_M2_an_event_about_a_setup_brings_the_method_home(
    gateway: DemoGateway, parts: Parts
) -> None:
    account_id, setup_id, ref = completed_setup(gateway)
    assert receive(parts, signed(gateway, "evt_1", "setup", ref)) == "applied"
    assert setup_of(setup_id).status == "completed"
    assert [method.last4 for method in methods(account_id)] == ["4242"]


def test_M2_the_same_event_works_once(gateway: DemoGateway, parts: Parts) -> None:
    account_id, _, ref = completed_setup(gateway)
    event = signed(gateway, "evt_1", "setup", ref)
    assert [receive(parts, event) for _ in range(3)] == ["applied", "duplicate", "duplicate"]
    assert len(events()) == 1
    assert len(methods(account_id)) == 1


def test_M2_two_events_about_one_setup_add_one_method(gateway: DemoGateway, parts: Parts) -> None:
    account_id, _, ref = completed_setup(gateway)
    receive(parts, signed(gateway, "evt_1", "setup", ref))
    receive(parts, signed(gateway, "evt_2", "setup", ref))
    assert len(methods(account_id)) == 1


def test_M2_the_event_is_not_believed(gateway: DemoGateway, parts: Parts) -> None:
    """An event that says `completed` of a visit that is still open changes nothing."""
    account_id = make_account()
    setup_id = begun(account_id)
    open_method_setup(
        transaction, gateway, setup_id, ADDRESSES, now=clock.now(), patience=Patience.ON_SCREEN
    )
    receive(parts, signed(gateway, "evt_1", "setup", str(setup_of(setup_id).gateway_ref)))
    assert setup_of(setup_id).status == "open"
    assert not methods(account_id)


@pytest.mark.parametrize(
    ("about", "ref", "outcome"),
    [
        ("setup", "no_such_setup", "unknown_object"),
        ("charge", "no_such_charge", "unknown_object"),
        ("method", "pm_1", "unknown_object"),
        ("other", "seti_1", "ignored"),
        ("weather", "cloud", "ignored"),
    ],
)
def test_M2_what_means_nothing_is_stored_and_acknowledged(
    gateway: DemoGateway, parts: Parts, about: str, ref: str, outcome: str
) -> None:
    assert receive(parts, signed(gateway, "evt_1", about, ref, type_="x.y")) == outcome
    assert [(event.type, event.outcome) for event in events()] == [("x.y", outcome)]


@pytest.mark.parametrize("fault", list(Fault))
def test_M2_an_event_whose_state_cannot_be_read_comes_again(
    gateway: DemoGateway, parts: Parts, fault: Fault
) -> None:
    account_id, _, ref = completed_setup(gateway)
    event = signed(gateway, "evt_1", "setup", ref)
    gateway.faults.append(fault)
    with pytest.raises(GatewayUnknown):
        receive(parts, event)
    assert not events()
    assert receive(parts, event) == "applied"
    assert len(methods(account_id)) == 1


def test_M2_an_event_that_our_own_key_may_not_read_comes_again(
    gateway: DemoGateway, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_ref: str, _patience: Patience) -> None:
        raise GatewayRefused("gateway_key_refused")

    account_id, _, ref = completed_setup(gateway)
    event = signed(gateway, "evt_1", "setup", ref)
    with monkeypatch.context() as patched:
        patched.setattr(gateway, "get_setup", refuse)
        with pytest.raises(GatewayUnknown):
            receive(parts, event)
    assert not events()
    assert receive(parts, event) == "applied"
    assert len(methods(account_id)) == 1


def test_M2_eight_copies_at_once_work_once(app: Flask, gateway: DemoGateway, parts: Parts) -> None:
    account_id, _, ref = completed_setup(gateway)
    event = signed(gateway, "evt_1", "setup", ref)
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def deliver() -> None:
        with app.app_context():
            start.wait()
            outcomes.append(receive(parts, event))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["applied"] + ["duplicate"] * 7
    assert len(events()) == 1
    assert len(methods(account_id)) == 1


# --- charges -------------------------------------------------------------------------


class Settlement(ModuleType):
    """Stands in for the settlement of orders, which has tests of its own."""

    def __init__(self) -> None:
        super().__init__("portal.services.payment_settlement")
        self.calls: list[tuple[int, ChargeOutcome]] = []

    def settle_charge(
        self, session: object, attempt_id: int, outcome: ChargeOutcome, **more: object
    ) -> None:
        assert set(more) == {"catalogue", "now"}
        self.calls.append((attempt_id, outcome))


@pytest.fixture
def settlement(monkeypatch: pytest.MonkeyPatch) -> Settlement:
    double = Settlement()
    monkeypatch.setitem(sys.modules, "portal.services.payment_settlement", double)
    return double


def charged(gateway: DemoGateway, number: str, *, ref_known: bool) -> tuple[int, ChargeOutcome]:
    """An attempt whose call was made; its answer came back, or not."""
    account_id, _, setup_ref = completed_setup(gateway, number)
    assert deliver_demo_events(gateway, transaction, None, clock.now(), setup_ref) == 1  # type: ignore[arg-type]
    (method,) = methods(account_id)
    with transaction() as session:
        payment = Payment(
            account_id=account_id, kind="automatic", amount_minor=7912, currency="EUR",
            status="unresolved", method_id=method.id, created_at=clock.now(),
        )  # fmt: skip
        session.add(payment)
        session.flush()
        attempt = PaymentAttempt(
            payment_id=payment.id, number=1, idempotency_key=f"pi:order-{payment.id}:1",
            method_id=method.id, status="reserved", created_at=clock.now(),
        )  # fmt: skip
        session.add(attempt)
        session.flush()
        key, attempt_id = attempt.idempotency_key, int(attempt.id)
        reference = f"payment:{payment.id}"
    visit = gateway.get_setup(setup_ref, Patience.ON_SCREEN)
    outcome = gateway.charge(
        ChargeRequest(
            key=key, customer_ref=visit.customer_ref, method_ref=method.gateway_ref,
            amount=Money(7912, "EUR"), description="Order", reference=reference,
            return_url=f"{PUBLIC_URL}/orders/1",
        ),
        Patience.ON_SCREEN,
    )  # fmt: skip
    if ref_known:
        with transaction() as session:
            session.get_one(PaymentAttempt, attempt_id).gateway_ref = outcome.ref
    return attempt_id, outcome


@pytest.mark.parametrize("ref_known", [True, False])
def test_M1_an_event_finds_its_attempt_even_when_the_answer_was_lost(
    gateway: DemoGateway, parts: Parts, settlement: Settlement, ref_known: bool
) -> None:
    attempt_id, outcome = charged(gateway, "4242424242424242", ref_known=ref_known)
    assert deliver_demo_events(gateway, transaction, parts.catalogue, clock.now()) == 1
    assert settlement.calls == [(attempt_id, outcome)]
    assert deliver_demo_events(gateway, transaction, parts.catalogue, clock.now()) == 0


def test_M4_the_demo_provider_announces_each_state_of_a_debit_once(
    gateway: DemoGateway, parts: Parts, settlement: Settlement
) -> None:
    account_id = make_account()
    setup_id = begun(account_id)
    open_method_setup(
        transaction, gateway, setup_id, ADDRESSES, now=clock.now(), patience=Patience.ON_SCREEN
    )
    visit_ref = str(setup_of(setup_id).gateway_ref)
    demo_hosted_page.save_method(
        visit_ref, MethodKind.SEPA_DEBIT, "AT591904300235473203", None, clock.now()
    )
    deliver_demo_events(gateway, transaction, parts.catalogue, clock.now())
    (method,) = methods(account_id)
    with transaction() as session:
        payment = Payment(
            account_id=account_id, kind="automatic", amount_minor=500, currency="EUR",
            status="unresolved", method_id=method.id, created_at=clock.now(),
        )  # fmt: skip
        session.add(payment)
        session.flush()
        reference = f"payment:{payment.id}"
        session.add(
            PaymentAttempt(
                payment_id=payment.id, number=1, idempotency_key="pi:x:1",
                method_id=method.id, status="reserved", created_at=clock.now(),
            )
        )  # fmt: skip
    gateway.charge(
        ChargeRequest(
            key="pi:x:1",
            customer_ref=gateway.get_setup(visit_ref, Patience.ON_SCREEN).customer_ref,
            method_ref=method.gateway_ref, amount=Money(500, "EUR"), description="Order",
            reference=reference, return_url=f"{PUBLIC_URL}/orders/1",
        ),
        Patience.ON_SCREEN,
    )  # fmt: skip
    for _ in range(5):
        deliver_demo_events(gateway, transaction, parts.catalogue, clock.now())
        clock.fix(clock.now() + timedelta(days=5))
    seen = [(outcome.status, outcome.reversed) for _, outcome in settlement.calls]
    assert seen == [
        (ChargeStatus.PROCESSING, False),
        (ChargeStatus.SUCCEEDED, False),
        (ChargeStatus.SUCCEEDED, True),
    ]


# --- a debit's mandate ---------------------------------------------------------------


def test_M4_a_mandate_that_ended_takes_the_debit_out_of_use(
    parts: Parts, app_context: None, fake_stripe: FakeStripe
) -> None:
    """The customer came back, so only the job noted which mandate the debit has."""
    provider = StripeHarness(fake_stripe)
    account_id = make_account()
    setup_id = begun(account_id)
    open_method_setup(
        transaction, provider.gateway, setup_id, ADDRESSES, now=clock.now(),
        patience=Patience.ON_SCREEN,
    )  # fmt: skip
    provider.save_method(str(setup_of(setup_id).gateway_ref), "AT611904300234573201")
    finish_method_setup(
        transaction, provider.gateway, setup_id, now=clock.now(), patience=Patience.ON_SCREEN
    )
    (method,) = methods(account_id)
    refresh_method(
        transaction, provider.gateway, method.gateway_ref, patience=Patience.BACKGROUND,
        now=clock.now(),
    )  # fmt: skip
    (method,) = methods(account_id)
    assert method.is_default
    assert method.mandate_ref
    fake_stripe.act("mandate", method=method.gateway_ref, status="inactive")
    event = provider.signed_event(
        "evt_1", "x", "method", method.gateway_ref, int(clock.now().timestamp())
    )
    outcome = receive_event(
        *event, gateway=provider.gateway, transaction=transaction, catalogue=parts.catalogue,
        now=clock.now(),
    )  # fmt: skip
    assert outcome == "applied"
    (method,) = methods(account_id)
    assert (method.is_default, method.removed_at) == (False, clock.now())
    fake_stripe.check()
