"""Customers and saved methods at Stripe: hosted Checkout in setup mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from portal.clock import clock
from portal.payments.gateway import (
    Customer,
    GatewayRefused,
    GatewayUnknown,
    MethodFacts,
    MethodKind,
    Patience,
    SetupOutcome,
    SetupPage,
    SetupRequest,
)
from portal.payments.stripe_gateway.line import Caller, Params, asking
from portal.payments.stripe_gateway.reading import id_of, method_of, setup_of

__all__ = ["Methods"]

_LOOK_BACK = timedelta(hours=25)
_PAGE = 100


class Methods(Caller):
    """The port's customers, setups and methods."""

    def ensure_customer(self, customer: Customer, patience: Patience) -> str:
        """Made once for its key; one that was renamed since the first call is looked up."""
        params: Params = {
            "name": customer.name,
            "email": customer.email,
            "metadata": {"account": customer.key},
        }
        try:
            made = self._post(
                lambda client, options: client.v1.customers.create(params, options),  # type: ignore[arg-type]
                customer.key,
                patience,
            )
        except GatewayRefused as refused:
            if refused.code != "idempotency_mismatch":
                raise
            found = self._made_lately(customer.key, patience)
            if found is None:
                raise
            return found
        return self._read(lambda: id_of(made["id"]))

    def _made_lately(self, key: str, patience: Patience) -> str | None:
        """The customer of a key that Stripe still remembers, so it is a day old at most."""
        since = int((clock.now() - _LOOK_BACK).timestamp())
        params: Params = {"created": {"gte": since}, "limit": _PAGE}
        with asking():
            page = self._line.client(patience).v1.customers.list(params)  # type: ignore[arg-type]
            for found in page.auto_paging_iter():
                data = found.to_dict()
                if (data.get("metadata") or {}).get("account") == key:
                    return id_of(data)
        return None

    def open_setup(self, request: SetupRequest, patience: Patience) -> SetupPage:
        """A Checkout Session in setup mode on Stripe's hosted page; prepaid cards are blocked."""
        if not request.kinds:
            raise GatewayRefused("kinds_missing")
        params: Params = {
            "mode": "setup",
            "customer": request.customer_ref,
            "client_reference_id": request.reference,
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "locale": request.locale,
            "currency": request.currency.lower(),
            "allowed_payment_method_types": [kind.value for kind in request.kinds],
            "payment_method_options": {
                "card": {"restrictions": {"funding_types_blocked": ["prepaid"]}}
            },
            "setup_intent_data": {"metadata": {"reference": request.reference}},
        }
        made = self._post(
            lambda client, options: client.v1.checkout.sessions.create(params, options),  # type: ignore[arg-type]
            request.key,
            patience,
        )
        return self._read(lambda: SetupPage(id_of(made["id"]), _address(made["url"])))

    def get_setup(self, ref: str, patience: Patience) -> SetupOutcome:
        """The session with its method. A debit's mandate is noted on the method, for later."""
        params: Params = {"expand": ["setup_intent.payment_method", "setup_intent.mandate"]}
        session = self._line.ask(
            patience,
            lambda client: client.v1.checkout.sessions.retrieve(ref, params),  # type: ignore[arg-type]
        )
        outcome = self._read(lambda: setup_of(session))
        if outcome.method is not None and outcome.method.kind is MethodKind.SEPA_DEBIT:
            self._note_mandate(outcome.method.ref, session["setup_intent"], patience)
        return outcome

    def _note_mandate(self, method_ref: str, intent: Mapping[str, Any], patience: Patience) -> None:
        """Stripe finds no mandate by its method; nobody waits for this, and it may fail."""
        mandate = id_of(intent.get("mandate"))
        noted = (intent["payment_method"].get("metadata") or {}).get("mandate")
        if patience is Patience.ON_SCREEN or not mandate or noted == mandate:
            return
        params: Params = {"metadata": {"mandate": mandate}}
        try:
            self._line.ask(
                patience,
                lambda client: client.v1.payment_methods.update(method_ref, params),  # type: ignore[arg-type]
            )
        except (GatewayUnknown, GatewayRefused):
            return

    def detach_method(self, method_ref: str, patience: Patience) -> None:
        """Forget a method; one that is unknown or gone is no error."""
        try:
            self._line.ask(patience, lambda client: client.v1.payment_methods.detach(method_ref))
        except GatewayRefused as refused:
            if refused.code == "method_unknown":
                return
            if refused.code in {"gateway_key_refused", "idempotency_mismatch"}:
                raise
            if id_of(self._method(method_ref, patience).get("customer")):
                raise

    def get_method(self, method_ref: str, patience: Patience) -> MethodFacts | None:
        """The method; None once it is detached or its mandate is not active any more."""
        method = self._method(method_ref, patience)
        if not id_of(method.get("customer")):
            return None
        mandate: Mapping[str, Any] | None = None
        mandate_ref = (method.get("metadata") or {}).get("mandate")
        if mandate_ref:
            mandate = self._line.ask(
                patience, lambda client: client.v1.mandates.retrieve(mandate_ref)
            )
            if mandate.get("status") == "inactive":
                return None
        return self._read(lambda: method_of(method, mandate))

    def _method(self, method_ref: str, patience: Patience) -> dict[str, Any]:
        method = self._line.ask(
            patience, lambda client: client.v1.payment_methods.retrieve(method_ref)
        )
        if method.get("id") != method_ref:
            # An empty answer has no customer either, and a method that is called lost is so for good.
            raise GatewayUnknown("an answer that is not the method's")
        return method


def _address(url: Any) -> str:
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ValueError("no address")
    return url
