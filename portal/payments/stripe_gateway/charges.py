"""Charges at Stripe: one PaymentIntent each, confirmed as often as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from portal.clock import clock
from portal.domain.money import Money
from portal.payments.gateway import (
    PROVIDER_FAILED,
    ChargeOutcome,
    ChargeRecord,
    ChargeRequest,
    ChargeStatus,
    GatewayFailed,
    GatewayRefused,
    GatewayUnknown,
    MethodKind,
    Patience,
    RetryRequest,
)
from portal.payments.smallest_charge import is_too_small
from portal.payments.stripe_gateway.amounts import to_stripe
from portal.payments.stripe_gateway.line import Caller, Declined, Params, asking, check_amount
from portal.payments.stripe_gateway.reading import charge_of, record_of, second_of

if TYPE_CHECKING:
    from stripe import StripeClient, StripeObject

__all__ = ["SEPA_LIMIT", "Charges"]

SEPA_LIMIT = Money(1_000_000, "EUR")
KEYS_ARE_KEPT = timedelta(hours=23)
"""Stripe forgets an idempotency key after 24 hours; from here on an effect is looked up first."""

_PAGE = 100
_BOOK_SPAN = timedelta(days=1)
_WITH_CHARGE = ["latest_charge"]


class Charges(Caller):
    """The port's charges."""

    def charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome:
        """One PaymentIntent, made and confirmed in one call."""
        check_amount(request.amount)
        if is_too_small(request.amount):
            raise GatewayRefused("amount_too_small")
        if _is_old(request.first_asked_at):
            found = self._find_charge(request, patience)
            if found is not None:
                return found
        params: Params = {
            "amount": to_stripe(request.amount),
            "currency": request.amount.currency.lower(),
            "customer": request.customer_ref,
            "payment_method": request.method_ref,
            "allowed_payment_method_types": _kinds_for(request.amount),
            "confirm": True,
            "description": request.description,
            "metadata": {"reference": request.reference, "key": request.key},
            "expand": _WITH_CHARGE,
            **_session_params(request.off_session, request.return_url),
        }
        try:
            return self._confirm(
                lambda client, options: client.v1.payment_intents.create(params, options),  # type: ignore[arg-type]
                request.key,
                request.amount,
                patience,
            )
        except GatewayUnknown as unknown:
            # A 500 is replayed for a day, whatever its effect was: the books know better.
            if patience is Patience.BACKGROUND and request.first_asked_at is not None:
                found = self._find_charge(request, patience)
                if found is not None:
                    return found
                if isinstance(unknown, GatewayFailed):  # it is over, and nothing came of it
                    raise GatewayRefused(PROVIDER_FAILED) from unknown
            raise

    def _find_charge(self, request: ChargeRequest, patience: Patience) -> ChargeOutcome | None:
        """The charge that an earlier call with this key made, whose answer never came back."""
        since = (request.first_asked_at or clock.now()) - timedelta(minutes=5)
        params: Params = {
            "customer": request.customer_ref,
            "created": {"gte": int(since.timestamp())},
            "limit": _PAGE,
            "expand": ["data.latest_charge"],
        }
        with asking():
            page = self._line.client(patience).v1.payment_intents.list(params)  # type: ignore[arg-type]
            for intent in page.auto_paging_iter():
                data = intent.to_dict()
                if (data.get("metadata") or {}).get("key") == request.key:
                    return charge_of(data)
        return None

    def retry_charge(self, request: RetryRequest, patience: Patience) -> ChargeOutcome:
        """Confirm the same PaymentIntent again; GatewayRefused `charge_state` once it is over."""
        params: Params = {
            "payment_method": request.method_ref,
            "expand": _WITH_CHARGE,
            **_session_params(request.off_session, request.return_url),
        }
        return self._confirm(
            lambda client, options: client.v1.payment_intents.confirm(
                request.charge_ref,
                params,  # type: ignore[arg-type]
                options,
            ),
            request.key,
            request.amount,
            patience,
        )

    def _confirm(
        self,
        call: Callable[[StripeClient, Any], StripeObject],
        key: str,
        amount: Money,
        patience: Patience,
    ) -> ChargeOutcome:
        try:
            intent = self._post(call, key, patience)
        except Declined as declined:
            told = declined.error
            if not told.get("payment_intent"):  # refused before there was one
                raise
            return self._read(lambda: charge_of(told["payment_intent"], told))
        except GatewayRefused as refused:
            # Only a debit can be unfit: cards are allowed for every amount and currency.
            if refused.code == "method_incompatible":
                code = "sepa_limit" if amount.currency == "EUR" else "sepa_currency"
                raise GatewayRefused(code) from refused
            raise
        return self._read(lambda: charge_of(intent))

    def get_charge(self, ref: str, patience: Patience) -> ChargeOutcome:
        """The PaymentIntent as it stands."""
        params: Params = {"expand": _WITH_CHARGE}
        intent = self._line.ask(
            patience,
            lambda client: client.v1.payment_intents.retrieve(ref, params),  # type: ignore[arg-type]
        )
        return self._read(lambda: charge_of(intent))

    def cancel_charge(self, ref: str, key: str, patience: Patience) -> ChargeOutcome:
        """Cancel it; what cannot be cancelled any more is read instead."""
        try:
            intent = self._post(
                lambda client, options: client.v1.payment_intents.cancel(
                    ref,
                    {"expand": _WITH_CHARGE},
                    options,
                ),
                key,
                patience,
            )
        except GatewayRefused as refused:
            if refused.code != "charge_state":
                raise
            return self.get_charge(ref, patience)
        except GatewayUnknown:
            # A 500 is replayed for a day; whoever has the time asks whether it is over already.
            if patience is Patience.ON_SCREEN:
                raise
            present = self.get_charge(ref, patience)
            if present.status in {ChargeStatus.CANCELLED, ChargeStatus.SUCCEEDED}:
                return present
            raise
        return self._read(lambda: charge_of(intent))

    def list_charges(self, since: datetime, until: datetime) -> Iterator[ChargeRecord]:
        """Stripe lists the newest first: read in short spans of time, each turned round."""
        start = since
        while start < until:
            end = min(start + _BOOK_SPAN, until)
            params: Params = {
                "created": {"gte": second_of(start), "lt": second_of(end)},
                "limit": _PAGE,
                "expand": ["data.latest_charge"],
            }
            with asking():
                page = self._line.client(Patience.BACKGROUND).v1.payment_intents.list(
                    params  # type: ignore[arg-type]
                )
                records = [record_of(intent.to_dict()) for intent in page.auto_paging_iter()]
            yield from reversed(records)
            start = end


def _kinds_for(amount: Money) -> list[str]:
    """A debit is in euro and 10,000 at most."""
    kinds = [MethodKind.CARD.value]
    if amount.currency == SEPA_LIMIT.currency and amount <= SEPA_LIMIT:
        kinds.append(MethodKind.SEPA_DEBIT.value)
    return kinds


def _session_params(off_session: bool, return_url: str) -> Params:
    return {"off_session": True} if off_session else {"return_url": return_url}


def _is_old(first_asked_at: datetime | None) -> bool:
    return first_asked_at is not None and clock.now() - first_asked_at > KEYS_ARE_KEPT
