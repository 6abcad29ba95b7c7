"""Refunds at Stripe (M6)."""

from __future__ import annotations

from portal.payments.gateway import GatewayRefused, Patience, RefundOutcome, RefundRequest
from portal.payments.stripe_gateway.amounts import to_stripe
from portal.payments.stripe_gateway.line import Caller, Params, asking, check_amount
from portal.payments.stripe_gateway.reading import refund_of

__all__ = ["Refunds"]

_PAGE = 100
_REFUSALS = {
    "amount_refused": "refund_too_large",
    "payment_intent_refused": "charge_not_paid",
    "charge_state": "charge_not_paid",
}


class Refunds(Caller):
    """The port's refunds."""

    def refund(self, request: RefundRequest, patience: Patience) -> RefundOutcome:
        """Give money back once. The books are read first: keys are forgotten after a day."""
        check_amount(request.amount)
        found = self._find_refund(request, patience)
        if found is not None:
            return found
        params: Params = {
            "payment_intent": request.charge_ref,
            "amount": to_stripe(request.amount),
            "metadata": {"reference": request.reference, "key": request.key},
        }
        try:
            made = self._post(
                lambda client, options: client.v1.refunds.create(params, options),  # type: ignore[arg-type]
                request.key,
                patience,
            )
        except GatewayRefused as refused:
            code = _REFUSALS.get(refused.code)
            if code is None:
                raise
            raise GatewayRefused(code) from refused
        return self._read(lambda: refund_of(made))

    def _find_refund(self, request: RefundRequest, patience: Patience) -> RefundOutcome | None:
        params: Params = {"payment_intent": request.charge_ref, "limit": _PAGE}
        with asking():
            page = self._line.client(patience).v1.refunds.list(params)  # type: ignore[arg-type]
            for refund in page.auto_paging_iter():
                data = refund.to_dict()
                if (data.get("metadata") or {}).get("key") == request.key:
                    found = refund_of(data)
                    if found.amount != request.amount:
                        raise GatewayRefused("idempotency_mismatch")
                    return found
        return None

    def get_refund(self, ref: str, patience: Patience) -> RefundOutcome:
        """The refund as it stands."""
        refund = self._line.ask(patience, lambda client: client.v1.refunds.retrieve(ref))
        return self._read(lambda: refund_of(refund))
