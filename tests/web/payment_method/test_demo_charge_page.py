"""The demo's 3-D Secure page: what is paid, approve or refuse, and back."""

from __future__ import annotations

import pytest

from portal.clock import clock
from portal.domain.money import Money
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway
from portal.payments.demo_hosted_page import save_method
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    Customer,
    MethodKind,
    Patience,
    SetupRequest,
)
from tests.support.client import PortalClient

SCREEN = Patience.ON_SCREEN


@pytest.fixture
def waiting(parts: Parts, app_context: None) -> ChargeOutcome:
    """A charge that waits for the customer."""
    gateway = gateway_of(parts)
    customer = gateway.ensure_customer(Customer("cust:x", "Molenaar BV", "b@m.example"), SCREEN)
    page = gateway.open_setup(
        SetupRequest(
            "setup:x", customer, "setup:x", "http://localhost/a", "http://localhost/b", "en"
        ),
        SCREEN,
    )
    save_method(page.ref, MethodKind.CARD, "4000002760003184", (2034, 12), clock.now())
    method = gateway.get_setup(page.ref, SCREEN).method
    assert method is not None
    return gateway.charge(
        ChargeRequest(
            "pi:x", customer, method.ref, Money(9574, "EUR"), "O-2026-0001", "payment:0",
            return_url="http://localhost/orders/1/return",
        ),
        SCREEN,
    )  # fmt: skip


def gateway_of(parts: Parts) -> DemoGateway:
    assert isinstance(parts.gateway, DemoGateway)
    return parts.gateway


@pytest.mark.parametrize(
    ("answer", "status"),
    [("approve", ChargeStatus.SUCCEEDED), ("fail", ChargeStatus.DECLINED)],
)
def test_the_customer_sees_what_is_paid_and_answers_once(
    client: PortalClient, parts: Parts, waiting: ChargeOutcome, answer: str, status: ChargeStatus
) -> None:
    client.get(waiting.action_url)
    assert client.page is not None
    assert "€95.74" in client.page.text()
    assert "O-2026-0001" in client.page.text()

    back = client.post(waiting.action_url, {"answer": answer})
    assert back.headers["Location"] == "/orders/1/return"
    assert gateway_of(parts).get_charge(waiting.ref, SCREEN).status is status

    client.post(waiting.action_url, {"answer": "approve"})
    assert gateway_of(parts).get_charge(waiting.ref, SCREEN).status is status
    client.get(waiting.action_url)
    assert "needs no approval any more" in client.page.text()


def test_any_other_answer_is_refused(
    client: PortalClient, parts: Parts, waiting: ChargeOutcome
) -> None:
    client.get(waiting.action_url)
    client.post(waiting.action_url, {"answer": "perhaps"}, 422)
    assert gateway_of(parts).get_charge(waiting.ref, SCREEN).status is ChargeStatus.REQUIRES_ACTION
