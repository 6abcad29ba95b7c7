"""The line to Stripe: one client for each patience, and Stripe's errors in the port's words."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from portal.domain.money import Money
from portal.payments.gateway import GatewayFailed, GatewayRefused, GatewayUnknown, Patience

if TYPE_CHECKING:
    from stripe import StripeClient, StripeError, StripeObject

__all__ = ["Caller", "Declined", "Line", "LineTimes", "Params", "asking", "check_amount"]

T = TypeVar("T")
Params = dict[str, Any]
log = logging.getLogger(__name__)

_REPLAYED = "Idempotent-Replayed"
_SERVER_ERROR = 500
_REFUSALS = {
    "amount_too_large": "amount_too_large",
    "amount_too_small": "amount_too_small",
    "charge_already_refunded": "refund_too_large",
    "charge_disputed": "charge_reversed",
    "payment_intent_incompatible_payment_method": "method_incompatible",
    "payment_intent_mandate_invalid": "mandate_inactive",
    "payment_intent_unexpected_state": "charge_state",
    "payment_method_unexpected_state": "method_detached",
    "refund_disputed_payment": "charge_reversed",
}
_WHAT_IS_MISSING = {
    "customer": "customer_unknown",
    "dispute": "dispute_unknown",
    "intent": "charge_unknown",
    "payment_intent": "charge_unknown",
    "payment_method": "method_unknown",
    "refund": "refund_unknown",
    "session": "setup_unknown",
}


@dataclass(frozen=True, slots=True)
class LineTimes:
    """Seconds to connect and to wait for an answer, and how often a background call is repeated.

    A call made while a person waits has one try (M1), and what `time_limit` leaves of its time.
    """

    on_screen: tuple[float, float] = (1, 3)
    background: tuple[float, float] = (3, 20)
    background_retries: int = 2


class Declined(GatewayRefused):
    """The bank said no; `error` is Stripe's error object, its payment_intent in it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("decline_code") or error.get("code") or "card_declined"))
        self.error = error


@dataclass
class Line:
    """Stripe's clients, made by the first call: a worker that makes none imports nothing."""

    api_key: str = field(repr=False)
    api_base: str | None = None
    times: LineTimes = field(default_factory=LineTimes)
    _clients: dict[Patience, StripeClient] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def client(self, patience: Patience) -> StripeClient:
        """The client of this patience."""
        known = self._clients.get(patience)
        if known is not None:
            return known
        with self._lock:
            if patience not in self._clients:
                self._clients[patience] = self._make(patience)
            return self._clients[patience]

    def ask(
        self, patience: Patience, call: Callable[[StripeClient], StripeObject]
    ) -> dict[str, Any]:
        """Make one call and have its answer as plain data (Stripe's objects are no dicts).

        Raises GatewayUnknown, GatewayRefused, Declined.
        """
        with asking():
            return call(self.client(patience)).to_dict()

    def _make(self, patience: Patience) -> StripeClient:
        import stripe

        from portal.payments.stripe_gateway.hurry import HurriedSession  # imports requests

        stripe.enable_telemetry = False
        on_screen = patience is Patience.ON_SCREEN
        return stripe.StripeClient(
            self.api_key,
            base_addresses={"api": self.api_base} if self.api_base else None,
            max_network_retries=0 if on_screen else self.times.background_retries,
            http_client=stripe.RequestsClient(
                timeout=self.times.on_screen if on_screen else self.times.background,
                session=HurriedSession() if on_screen else None,
            ),
        )


@contextmanager
def asking() -> Iterator[None]:
    """Whatever goes wrong between us and Stripe, in the port's words."""
    import stripe

    try:
        yield
    except stripe.CardError as error:
        raise Declined(_error_of(error)) from error
    except stripe.IdempotencyError as error:
        raise GatewayRefused("idempotency_mismatch") from error
    except stripe.InvalidRequestError as error:
        raise _refusal(error) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("stripe_key_refused", extra={"request": error.request_id})
        raise GatewayRefused("gateway_key_refused") from error
    except stripe.StripeError as error:  # rate limits, lost connections, 500s, bodies cut short
        raise _unknown(error) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise GatewayUnknown("the answer is not understood") from error


def _unknown(error: StripeError) -> GatewayUnknown:
    status = error.http_status or "no answer"
    log.warning("stripe_unknown", extra={"status": status, "request": error.request_id})
    told = f"{type(error).__name__}: {status}"
    # Remembered with the key: the call is over, and it is answered so for a day.
    replayed = (error.headers or {}).get(_REPLAYED, "").lower() == "true"
    if replayed and (error.http_status or 0) >= _SERVER_ERROR:
        return GatewayFailed(told)
    return GatewayUnknown(told)


def _refusal(error: StripeError) -> GatewayRefused:
    told = _error_of(error)
    code, param = told.get("code"), told.get("param")
    if code == "resource_missing":
        return GatewayRefused(_WHAT_IS_MISSING.get(str(param), "object_unknown"))
    ours = _REFUSALS.get(str(code))
    if ours is None:
        log.error(
            "stripe_refused", extra={"code": code, "param": param, "request": error.request_id}
        )
    return GatewayRefused(ours or (f"{param}_refused"[:60] if param else "request_refused"))


def _error_of(error: StripeError) -> dict[str, Any]:
    body = error.json_body
    told = body.get("error") if isinstance(body, dict) else None
    return told if isinstance(told, dict) else {}


class Caller:
    """What makes calls over a line; the parts of the gateway are its subclasses."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def _post(
        self, call: Callable[[StripeClient, Any], StripeObject], key: str, patience: Patience
    ) -> dict[str, Any]:
        """A call that changes something, with the key that its caller stored before (M1)."""
        return self._line.ask(patience, lambda client: call(client, {"idempotency_key": key}))

    @staticmethod
    def _read(read: Callable[[], T]) -> T:
        """Understand an answer; one that cannot be understood leaves its outcome unknown."""
        with asking():
            return read()


def check_amount(amount: Money) -> None:
    """GatewayRefused `amount_not_positive`."""
    if amount.minor <= 0:
        raise GatewayRefused("amount_not_positive")
