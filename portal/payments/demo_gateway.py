"""The demo's payment provider: embedded in the same database, stateful, and strict like Stripe.

It opens its own transactions, as a provider far away would; so nobody calls it while holding a
write transaction. Its own pages are in `demo_hosted_page`, its test numbers in `demo_numbers`.
Its addresses have no host: the portal itself serves them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.models import DemoObject, DemoReplay
from portal.payments.demo_books import (
    add_object,
    change_object,
    find_object,
    method_facts,
    read_books,
    seed_method,
)
from portal.payments.demo_charges import (
    charge_again,
    charge_outcome,
    list_records,
    open_charge,
    open_refund,
    refund_outcome,
)
from portal.payments.demo_disputes import dispute_outcome, list_demo_disputes
from portal.payments.event_signature import sign, verify
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRecord,
    ChargeRequest,
    ChargeStatus,
    Customer,
    DisputeOutcome,
    EventRefused,
    GatewayEventNotice,
    GatewayRefused,
    GatewayUnknown,
    MethodFacts,
    Patience,
    RefundOutcome,
    RefundRequest,
    RetryRequest,
    SetupOutcome,
    SetupPage,
    SetupRequest,
    SetupStatus,
)
from portal.payments.smallest_charge import is_too_small

__all__ = ["SIGNATURE_HEADER", "DemoGateway", "Fault", "SignedEvent", "seed_method"]

SIGNATURE_HEADER = "Demo-Signature"
_LONGEST_KEY = 120
_ABOUT = frozenset({"charge", "setup", "method", "refund", "dispute"})


class Fault(StrEnum):
    """What goes wrong with the next call: the answer is lost before or after the effect."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """A webhook ready to be posted."""

    body: bytes
    headers: Mapping[str, str]


class DemoGateway:
    """Implements the Gateway port. `faults` are used up by the next calls, one each (tests)."""

    name = "demo"

    def __init__(self, public_url: str, secret: str) -> None:
        self.public_url = public_url.rstrip("/")
        # A key of its own, so that a webhook's signature never helps to forge a cookie.
        self._secret = hmac.new(
            secret.encode(), b"demo-gateway-webhook", hashlib.sha256
        ).hexdigest()
        self.faults: deque[Fault] = deque()

    # --- customers and methods ---------------------------------------------------

    def ensure_customer(self, customer: Customer, patience: Patience) -> str:
        """The customer's reference; name and e-mail of the first call stand."""
        with self._line():
            data = {"name": customer.name, "email": customer.email}
            return self._once(
                customer.key,
                ("customer", customer.key),
                lambda session: add_object(session, "customer", "active", data, clock.now()),
            )

    def open_setup(self, request: SetupRequest, patience: Patience) -> SetupPage:
        """A visit to the demo's payment page; it is open for 24 hours."""
        self._check_return(request.return_url)
        self._check_return(request.cancel_url)
        if not request.kinds:
            raise GatewayRefused("kinds_missing")
        data = {
            "customer": request.customer_ref,
            "reference": request.reference,
            "return_url": request.return_url,
            "cancel_url": request.cancel_url,
            "locale": request.locale,
            "kinds": [kind.value for kind in request.kinds],
        }

        def make(session: Session) -> DemoObject:
            find_object(session, "customer", request.customer_ref)
            return add_object(session, "setup", SetupStatus.OPEN.value, data, clock.now())

        with self._line():
            ref = self._once(request.key, ("setup", data), make)
            return SetupPage(ref, f"/demo/pay/setups/{ref}")

    def get_setup(self, ref: str, patience: Patience) -> SetupOutcome:
        """The visit as it stands."""
        with self._line(), read_books() as session:
            row = find_object(session, "setup", ref)
            method_ref = row.data.get("method")
            method = find_object(session, "method", method_ref) if method_ref else None
            return SetupOutcome(
                ref=row.ref,
                status=SetupStatus(row.status),
                customer_ref=row.data["customer"],
                reference=row.data["reference"],
                method=method_facts(method) if method is not None else None,
            )

    def detach_method(self, method_ref: str, patience: Patience) -> None:
        """Forget a method; one that is unknown or gone is no error."""
        with self._line(), transaction() as session:
            try:
                change_object(find_object(session, "method", method_ref), "detached")
            except GatewayRefused:
                return

    def get_method(self, method_ref: str, patience: Patience) -> MethodFacts | None:
        """The method as it stands; None once it is detached. GatewayRefused `method_unknown`."""
        with self._line(), read_books() as session:
            row = find_object(session, "method", method_ref)
            return method_facts(row) if row.status == "attached" else None

    # --- charges -------------------------------------------------------------------

    def charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome:
        """Collect money; see `demo_numbers` for what each test number does."""
        _check_amount(request.amount)
        if is_too_small(request.amount):
            raise GatewayRefused("amount_too_small")
        if not request.off_session:
            self._check_return(request.return_url)
        asked = {
            "customer": request.customer_ref,
            "method": request.method_ref,
            "amount_minor": request.amount.minor,
            "currency": request.amount.currency,
            "description": request.description,
            "reference": request.reference,
            "off_session": request.off_session,
            "return_url": request.return_url,
        }
        with self._line():
            ref = self._once(
                request.key,
                ("charge", asked),
                lambda session: open_charge(session, request, clock.now()),
            )
            with read_books() as session:
                row = find_object(session, "charge", ref)
                return charge_outcome(row, answer_to=request.key)

    def retry_charge(self, request: RetryRequest, patience: Patience) -> ChargeOutcome:
        """Try the same charge again; GatewayRefused `charge_state` once it is paid or over."""
        if not request.off_session:
            self._check_return(request.return_url)
        asked = [
            request.charge_ref, request.method_ref, request.off_session, request.return_url,
        ]  # fmt: skip
        with self._line():
            ref = self._once(
                request.key,
                ("retry", asked),
                lambda session: charge_again(session, request, clock.now()),
            )
            with read_books() as session:
                row = find_object(session, "charge", ref)
                return charge_outcome(row, answer_to=request.key)

    def find_charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome | None:
        """The charge in the books that was made with this key."""
        with self._line(), read_books() as session:
            ref = session.scalar(select(DemoReplay.ref).where(DemoReplay.key == request.key))
            return charge_outcome(find_object(session, "charge", ref)) if ref else None

    def get_charge(self, ref: str, patience: Patience) -> ChargeOutcome:
        """The charge as it stands."""
        with self._line(), read_books() as session:
            return charge_outcome(find_object(session, "charge", ref))

    def cancel_charge(self, ref: str, key: str, patience: Patience) -> ChargeOutcome:
        """Cancel what waits for the customer or was declined; a running debit runs on."""

        def make(session: Session) -> DemoObject:
            row = find_object(session, "charge", ref, lock=True)
            if row.status in {ChargeStatus.REQUIRES_ACTION, ChargeStatus.DECLINED}:
                change_object(row, ChargeStatus.CANCELLED.value)
            return row

        with self._line():
            self._once(key, ("cancel", ref), make)
            with read_books() as session:
                return charge_outcome(find_object(session, "charge", ref))

    def list_charges(self, since: datetime, until: datetime) -> Iterator[ChargeRecord]:
        """The charges in the books, the oldest first."""
        with self._line():
            yield from list_records(since, until)

    # --- refunds and disputes -------------------------------------------------------------------

    def refund(self, request: RefundRequest, patience: Patience) -> RefundOutcome:
        """Give money back to the method of a charge, never more than was charged."""
        _check_amount(request.amount)
        asked = [
            request.charge_ref, request.amount.minor, request.amount.currency, request.reference,
        ]  # fmt: skip
        with self._line():
            ref = self._once(
                request.key,
                ("refund", asked),
                lambda session: open_refund(session, request, clock.now()),
            )
            with read_books() as session:
                return refund_outcome(find_object(session, "refund", ref), first=True)

    def get_refund(self, ref: str, patience: Patience) -> RefundOutcome:
        """The refund as it stands."""
        with self._line(), read_books() as session:
            return refund_outcome(find_object(session, "refund", ref))

    def get_dispute(self, ref: str, patience: Patience) -> DisputeOutcome:
        """The dispute as it stands."""
        with self._line(), read_books() as session:
            return dispute_outcome(find_object(session, "dispute", ref))

    def list_disputes(self, since: datetime, until: datetime) -> Iterator[DisputeOutcome]:
        """The disputes in the books, the oldest first."""
        with self._line():
            yield from list_demo_disputes(since, until)

    # --- events --------------------------------------------------------------------

    def sign_event(self, event_id: str, type_: str, about: str, ref: str, at: int) -> SignedEvent:
        """A webhook about an object, signed at the Unix time `at`."""
        body = json.dumps(
            {"id": event_id, "type": type_, "created": at, "about": about, "ref": ref},
            separators=(",", ":"),
        ).encode()
        return SignedEvent(body, {SIGNATURE_HEADER: sign(body, self._secret, at)})

    def read_event(self, body: bytes, headers: Mapping[str, str], now: int) -> GatewayEventNotice:
        """Verify a webhook; EventRefused `payload_malformed` or a code of `event_signature`."""
        given = {name.lower(): value for name, value in headers.items()}
        verify(body, given.get(SIGNATURE_HEADER.lower(), ""), self._secret, now)
        try:
            event = json.loads(body)
            texts = [event[name] for name in ("id", "type", "about", "ref")]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise EventRefused("payload_malformed") from None
        if not all(isinstance(text, str) and 0 < len(text) <= 80 for text in texts):
            raise EventRefused("payload_malformed")
        event_id, type_, about, ref = texts
        known = about if about in _ABOUT else "other"
        return GatewayEventNotice(event_id, type_, known, ref, event)

    # --- inside --------------------------------------------------------------------

    @contextmanager
    def _line(self) -> Iterator[None]:
        """The line to the provider, which a fault interrupts before or after the effect."""
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.BEFORE:
            raise GatewayUnknown("the answer was lost, the effect did not happen")
        yield
        if fault is Fault.AFTER:
            raise GatewayUnknown("the answer was lost, the effect did happen")

    def _once(self, key: str, request: object, make: Callable[[Session], DemoObject]) -> str:
        """The reference of what `make` wrote under `key`, now or the first time."""
        if not key or len(key) > _LONGEST_KEY:
            raise GatewayRefused("idempotency_key_invalid")
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        for _ in range(2):  # the loser of a race reads what the winner wrote
            try:
                with transaction() as session:
                    known = session.scalar(select(DemoReplay).where(DemoReplay.key == key))
                    if known is not None:
                        if known.request != digest:
                            raise GatewayRefused("idempotency_mismatch")
                        return str(known.ref)
                    row = make(session)
                    session.add(
                        DemoReplay(key=key, request=digest, ref=row.ref, created_at=clock.now())
                    )
                    session.flush()
                    return str(row.ref)
            except IntegrityError:
                continue
        raise GatewayUnknown("the same key is being worked on")

    def _check_return(self, url: str) -> None:
        if not url.startswith(f"{self.public_url}/"):
            raise GatewayRefused("return_url_invalid")


def _check_amount(amount: Money) -> None:
    if amount.minor <= 0:
        raise GatewayRefused("amount_not_positive")
