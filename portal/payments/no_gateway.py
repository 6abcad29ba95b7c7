"""The gateway of a portal that has no payment provider: everything is refused, clearly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRecord,
    ChargeRequest,
    Customer,
    DisputeOutcome,
    GatewayEventNotice,
    GatewayRefused,
    MethodFacts,
    Patience,
    RefundOutcome,
    RefundRequest,
    RetryRequest,
    SetupOutcome,
    SetupPage,
    SetupRequest,
)

__all__ = ["NoGateway"]


class NoGateway:
    """Production without the provider's keys: customers pay by bank transfer only."""

    name = "none"

    def ensure_customer(self, customer: Customer, patience: Patience) -> str:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def open_setup(self, request: SetupRequest, patience: Patience) -> SetupPage:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def get_setup(self, ref: str, patience: Patience) -> SetupOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def detach_method(self, method_ref: str, patience: Patience) -> None:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def find_charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome | None:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def get_charge(self, ref: str, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def cancel_charge(self, ref: str, key: str, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def retry_charge(self, request: RetryRequest, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def refund(self, request: RefundRequest, patience: Patience) -> RefundOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def get_refund(self, ref: str, patience: Patience) -> RefundOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def get_dispute(self, ref: str, patience: Patience) -> DisputeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def list_disputes(self, since: datetime, until: datetime) -> Iterator[DisputeOutcome]:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def get_method(self, method_ref: str, patience: Patience) -> MethodFacts | None:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def list_charges(self, since: datetime, until: datetime) -> Iterator[ChargeRecord]:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def read_event(self, body: bytes, headers: Mapping[str, str], now: int) -> GatewayEventNotice:
        """Refused: nobody may send us webhooks."""
        raise GatewayRefused("gateway_not_configured")
