"""The gateway port: moving money in our words, whoever the provider is.

Every call that changes something carries an idempotency key that its caller stored before the
call (M1): the same key and the same request give the first answer again, and one effect at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from portal.domain.disputes import DisputeState
from portal.domain.money import Money

__all__ = [
    "PROVIDER_FAILED", "SETTINGS_REFUSALS", "ChargeOutcome", "ChargeRecord", "ChargeRequest",
    "ChargeStatus", "Customer", "DisputeOutcome", "EventRefused", "Gateway", "GatewayEventNotice",
    "GatewayFailed", "GatewayRefused", "GatewayUnknown", "MethodFacts",
    "MethodKind", "Patience", "RefundOutcome", "RefundRequest", "RefundStatus", "RetryRequest",
    "SetupOutcome", "SetupPage", "SetupRequest", "SetupStatus",
]  # fmt: skip


class GatewayUnknown(Exception):
    """The call may or may not have had its effect: look it up with the same key, never a new one."""


class GatewayFailed(GatewayUnknown):
    """The call has ended with an error of the provider's own, which it gives again for this key:
    whether it had its effect stands in the provider's books, and asking again brings nothing."""


class GatewayRefused(Exception):
    """The provider understood the request and refuses it; nothing happened. `code` is its reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


SETTINGS_REFUSALS = frozenset({"gateway_key_refused", "gateway_not_configured"})
"""Refusals of us and not of the request: another day may change them, and they say nothing of
what became of an earlier call."""

PROVIDER_FAILED = "provider_failed"
"""The refusal code of a call that ended with the provider's own error, and left no trace."""


class EventRefused(Exception):
    """A webhook whose signature or time does not hold; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Patience(StrEnum):
    """A call made while a person waits has one try and 3 seconds; a background call has more."""

    ON_SCREEN = "on_screen"
    BACKGROUND = "background"


class MethodKind(StrEnum):
    """The automatic payment methods."""

    CARD = "card"
    SEPA_DEBIT = "sepa_debit"


@dataclass(frozen=True, slots=True)
class Customer:
    """An account as the provider knows it; `key` is `cust:<account>`."""

    key: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What may be shown of a payment method. `funding` is credit, debit, prepaid or ''."""

    ref: str
    kind: MethodKind
    brand: str
    last4: str
    expires_year: int | None = None
    expires_month: int | None = None
    funding: str = ""
    mandate_ref: str = ""


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """A visit to the provider's page to save a method; `reference` comes back in the outcome."""

    key: str
    customer_ref: str
    reference: str
    return_url: str
    cancel_url: str
    locale: str
    kinds: tuple[MethodKind, ...] = (MethodKind.CARD, MethodKind.SEPA_DEBIT)
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class SetupPage:
    """The provider's page: `ref` names the visit, `url` is where the browser goes."""

    ref: str
    url: str


class SetupStatus(StrEnum):
    """Where a visit to the provider's page stands."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SetupOutcome:
    """A visit as the provider tells it; `method` is there once it is completed."""

    ref: str
    status: SetupStatus
    customer_ref: str
    reference: str
    method: MethodFacts | None = None


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """Collect `amount` with `method_ref`. On session `return_url` is where authentication returns.

    `reference` is our own word for it, `payment:<id>`; it comes back in the outcome.
    `description` is what the customer reads. `first_asked_at` is when the attempt was stored: the
    provider forgets keys after a day, so an older one is looked up before it is asked for again.
    """

    key: str
    customer_ref: str
    method_ref: str
    amount: Money
    description: str
    reference: str
    off_session: bool = False
    return_url: str = ""
    first_asked_at: datetime | None = None


class ChargeStatus(StrEnum):
    """processing is an accepted debit that is not settled yet (M4)."""

    SUCCEEDED = "succeeded"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    DECLINED = "declined"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """A charge as the provider tells it. `action_url`: where the customer authenticates.

    `decline_code` and `advice_code` are the provider's, in its words; `may_retry` is False after
    a hard decline (M5). `reversed` tells that money which had arrived was taken back (M4); what
    became of a card's is told by its DisputeOutcome.
    `reference` is the request's: it finds the attempt whose call never came back (M1).
    """

    ref: str
    status: ChargeStatus
    amount: Money
    action_url: str = ""
    decline_code: str | None = None
    advice_code: str | None = None
    may_retry: bool = True
    reversed: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Try a declined charge again, with the same or another method (M5).

    `amount` is the charge's own, which stays: a method may be unfit for it. On session
    `return_url` is where authentication returns.
    """

    key: str
    charge_ref: str
    method_ref: str
    amount: Money
    off_session: bool = True
    return_url: str = ""


class RefundStatus(StrEnum):
    """Where a refund stands: a debit's takes days."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give `amount` of a charge back to its method (M6). `reference` is our word, `refund:<id>`."""

    key: str
    charge_ref: str
    amount: Money
    reference: str


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """A refund as the provider tells it; `failure_code` is the provider's word."""

    ref: str
    status: RefundStatus
    amount: Money
    reference: str = ""
    failure_code: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeOutcome:
    """A charge's dispute as the provider tells it; `reason` is the provider's word."""

    ref: str
    charge_ref: str
    state: DisputeState
    amount: Money
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChargeRecord:
    """One charge in the provider's books, as the nightly reconciliation reads them.

    `disputed`: whether the money is still there is told by the charge's disputes.
    """

    ref: str
    status: ChargeStatus
    amount: Money
    refunded: Money
    reversed: bool
    reference: str
    created_at: datetime
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class GatewayEventNotice:
    """A verified webhook: what it is about. The state is read again from the provider (M2)."""

    event_id: str
    type: str
    about: str  # charge, setup, method, refund, dispute or other
    ref: str
    payload: Mapping[str, Any] = field(default_factory=dict)


class Gateway(Protocol):
    """What the portal asks of a payment provider.

    Raises GatewayUnknown (unknown outcome) and GatewayRefused (definite refusal). A decline is
    not an error: it is a ChargeOutcome.
    """

    name: str

    def ensure_customer(self, customer: Customer, patience: Patience) -> str:
        """The provider's reference of this customer, made on the first call; later ones find it."""
        ...

    def open_setup(self, request: SetupRequest, patience: Patience) -> SetupPage:
        """Prepare the provider's page on which a method is saved."""
        ...

    def get_setup(self, ref: str, patience: Patience) -> SetupOutcome:
        """Read a visit again from the provider; the return address is never trusted."""
        ...

    def detach_method(self, method_ref: str, patience: Patience) -> None:
        """Forget a method; one that is already gone is no error."""
        ...

    def charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome:
        """Collect money once for `request.key`.

        Asked again with the same key it gives its first answer, which may be out of date by
        then: `get_charge` has the present one. GatewayRefused PROVIDER_FAILED where that answer is
        an error of the provider's and its books show no charge; `amount_too_small` below
        `smallest_charge`, and `sepa_limit` or `sepa_currency` where a debit cannot be of this amount.
        """
        ...

    def find_charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome | None:
        """The charge that an earlier call with `request.key` has made, as it stands; None: there
        is none. Only looks: nothing is charged by it."""
        ...

    def get_charge(self, ref: str, patience: Patience) -> ChargeOutcome:
        """Read a charge again from the provider."""
        ...

    def cancel_charge(self, ref: str, key: str, patience: Patience) -> ChargeOutcome:
        """Cancel a charge that has not succeeded; answers its state, whatever it is by then."""
        ...

    def retry_charge(self, request: RetryRequest, patience: Patience) -> ChargeOutcome:
        """Try a declined charge again, once for `request.key`; the same charge, never a second.

        GatewayFailed where its first answer was an error of the provider's: what the charge is now
        is what came of it.

        GatewayRefused `charge_state` where it is not waiting for a method any more (paid, pending,
        cancelled): `get_charge` tells what it is. `sepa_limit` and `sepa_currency` as for `charge`.
        """
        ...

    def refund(self, request: RefundRequest, patience: Patience) -> RefundOutcome:
        """Give money back once for `request.key`. GatewayRefused `refund_too_large` and the like."""
        ...

    def get_refund(self, ref: str, patience: Patience) -> RefundOutcome:
        """Read a refund again from the provider."""
        ...

    def get_dispute(self, ref: str, patience: Patience) -> DisputeOutcome:
        """Read a dispute again from the provider. GatewayRefused `dispute_unknown`."""
        ...

    def list_disputes(self, since: datetime, until: datetime) -> Iterator[DisputeOutcome]:
        """The disputes that were opened from `since` up to `until`, as they stand now.

        A provider may remember no more than the last 30 days' of them.
        """
        ...

    def get_method(self, method_ref: str, patience: Patience) -> MethodFacts | None:
        """A method as the provider knows it now; None where it is detached, or its mandate is not
        active any more: it cannot be charged."""
        ...

    def list_charges(self, since: datetime, until: datetime) -> Iterator[ChargeRecord]:
        """Every charge that was made from `since` up to `until`, the oldest first, page by page."""
        ...

    def read_event(self, body: bytes, headers: Mapping[str, str], now: int) -> GatewayEventNotice:
        """Verify a webhook on its raw bytes (300 s of tolerance both ways); raises EventRefused."""
        ...
