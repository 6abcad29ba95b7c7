"""The gateway of a portal that has no payment provider: everything is refused, clearly."""

from __future__ import annotations

from collections.abc import Mapping

from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    Customer,
    GatewayEventNotice,
    GatewayRefused,
    Patience,
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

    def get_charge(self, ref: str, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def cancel_charge(self, ref: str, key: str, patience: Patience) -> ChargeOutcome:
        """Refused."""
        raise GatewayRefused("gateway_not_configured")

    def read_event(self, body: bytes, headers: Mapping[str, str], now: int) -> GatewayEventNotice:
        """Refused: nobody may send us webhooks."""
        raise GatewayRefused("gateway_not_configured")
