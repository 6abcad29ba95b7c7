"""What the contract suite needs beside the port: somebody to act at the provider's counter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from portal.clock import clock
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.demo_numbers import find_test_number
from portal.payments.gateway import Gateway, MethodKind

__all__ = ["PUBLIC_URL", "DemoHarness", "Harness"]

PUBLIC_URL = "http://localhost"


class Harness(Protocol):
    """One adapter and its provider's counter. A Stripe harness joins with the Stripe gateway."""

    gateway: Gateway

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
