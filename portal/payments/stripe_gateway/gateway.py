"""The Gateway port on Stripe. Facts and sequences: its API 2026-10-28, package 16.1."""

from __future__ import annotations

from collections.abc import Mapping

from portal.payments.gateway import ChargeOutcome, ChargeRequest, GatewayEventNotice, Patience
from portal.payments.stripe_gateway import events
from portal.payments.stripe_gateway.charges import Charges
from portal.payments.stripe_gateway.disputes import Disputes
from portal.payments.stripe_gateway.line import Line, LineTimes
from portal.payments.stripe_gateway.methods import Methods
from portal.payments.stripe_gateway.refunds import Refunds

__all__ = ["StripeGateway"]


class StripeGateway(Methods, Charges, Refunds, Disputes):
    """Implements the Gateway port; keeps no state but its connections."""

    name = "stripe"

    def __init__(
        self,
        api_key: str,
        webhook_secret: str,
        *,
        api_base: str | None = None,
        times: LineTimes | None = None,
    ) -> None:
        super().__init__(Line(api_key, api_base, times or LineTimes()))
        self._webhook_secret = webhook_secret

    def find_charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome | None:
        """Among the customer's PaymentIntents since the attempt was stored: each holds its key."""
        return self._find_charge(request, patience)

    def read_event(self, body: bytes, headers: Mapping[str, str], now: int) -> GatewayEventNotice:
        """Verify a webhook on its raw bytes and say what it is about."""
        return events.read_event(body, headers, self._webhook_secret, now)
