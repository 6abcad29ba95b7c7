"""What the contract suite needs beside the port: somebody to act at the provider's counter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from portal.clock import clock
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.demo_numbers import find_test_number
from portal.payments.gateway import Gateway, MethodKind
from portal.payments.stripe_gateway import LineTimes, StripeGateway
from tests.fake_stripe.driver import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.fake_stripe.postman import sign

__all__ = ["PUBLIC_URL", "DemoHarness", "Harness", "StripeHarness"]

PUBLIC_URL = "http://localhost"


class Harness(Protocol):
    """One adapter and its provider's counter."""

    @property
    def gateway(self) -> Gateway:
        """The adapter."""

    def save_method(self, setup_ref: str, number: str) -> None:
        """The customer types a test number on the provider's page."""

    def authenticate(self, charge_ref: str, *, approve: bool) -> None:
        """The customer answers the authentication."""

    def pass_days(self, days: int) -> None:
        """Time passes at the provider and here."""

    def lose_answer(self, *, after_effect: bool) -> None:
        """The answer to the next call is lost."""

    def signed_event(
        self, event_id: str, type_: str, about: str, ref: str, at: int
    ) -> tuple[bytes, Mapping[str, str]]:
        """A webhook as the provider sends it."""


class DemoHarness:
    """The demo gateway's counter."""

    def __init__(self) -> None:
        self.gateway = DemoGateway(PUBLIC_URL, "a-secret-of-the-contract-0123456789")

    def save_method(self, setup_ref: str, number: str) -> None:
        debit = find_test_number(number, MethodKind.SEPA_DEBIT) is not None
        kind = MethodKind.SEPA_DEBIT if debit else MethodKind.CARD
        demo_hosted_page.save_method(setup_ref, kind, number, (2034, 12), clock.now())

    def authenticate(self, charge_ref: str, *, approve: bool) -> None:
        demo_hosted_page.answer_challenge(charge_ref, approve=approve)

    def pass_days(self, days: int) -> None:
        clock.fix(clock.now() + timedelta(days=days))
        demo_hosted_page.pass_time(clock.now())

    def lose_answer(self, *, after_effect: bool) -> None:
        self.gateway.faults.append(Fault.AFTER if after_effect else Fault.BEFORE)

    def signed_event(
        self, event_id: str, type_: str, about: str, ref: str, at: int
    ) -> tuple[bytes, Mapping[str, str]]:
        event = self.gateway.sign_event(event_id, type_, about, ref, at)
        return event.body, event.headers


class StripeHarness:
    """The counter of the fake Stripe, which is a process of its own."""

    def __init__(self, stripe: FakeStripe, *, hang: float = 4) -> None:
        self.stripe = stripe
        stripe.act("reset", hang=hang)
        stripe.act("clock", now=int(clock.now().timestamp()))
        self.gateway = self.other(LineTimes())

    def other(self, times: LineTimes) -> StripeGateway:
        """A gateway that is as patient as `times` says; `gateway` is as the portal's own."""
        return StripeGateway(API_KEY, WEBHOOK_SECRET, api_base=self.stripe.url, times=times)

    def save_method(self, setup_ref: str, number: str) -> None:
        self.stripe.act("save_method", session=setup_ref, number=number, expires=[2034, 12])

    def authenticate(self, charge_ref: str, *, approve: bool) -> None:
        self.stripe.act("authenticate", intent=charge_ref, approve=approve)

    def pass_days(self, days: int) -> None:
        clock.fix(clock.now() + timedelta(days=days))
        self.stripe.act("clock", now=int(clock.now().timestamp()))

    def lose_answer(self, *, after_effect: bool) -> None:
        self.stripe.fail("reset_after" if after_effect else "reset")

    def signed_event(
        self, event_id: str, type_: str, about: str, ref: str, at: int
    ) -> tuple[bytes, Mapping[str, str]]:
        kind = {
            "charge": "payment_intent", "setup": "checkout.session", "method": "payment_method",
        }.get(about, about)  # fmt: skip
        event = {
            "id": event_id,
            "object": "event",
            "type": f"{kind}.succeeded",
            "created": at,
            "data": {"object": {"id": ref, "object": kind, "mode": "setup"}},
        }
        body = json.dumps(event).encode()
        return body, {"Stripe-Signature": sign(body, WEBHOOK_SECRET, at)}
