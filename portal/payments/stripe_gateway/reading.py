"""Stripe's objects in the port's words. Pure: it is given plain data and asks nobody.

A shape that Stripe never sends raises KeyError, TypeError or ValueError; the line makes it
GatewayUnknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from portal.domain.disputes import DisputeState
from portal.domain.money import Money
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRecord,
    ChargeStatus,
    DisputeOutcome,
    MethodFacts,
    MethodKind,
    RefundOutcome,
    RefundStatus,
    SetupOutcome,
    SetupStatus,
)
from portal.payments.stripe_gateway.amounts import from_stripe

__all__ = [
    "amount_of", "charge_of", "dispute_of", "id_of", "method_of", "record_of", "refund_of",
    "second_of", "setup_of",
]  # fmt: skip

Data = Mapping[str, Any]

_CHARGES = {
    "succeeded": ChargeStatus.SUCCEEDED,
    "processing": ChargeStatus.PROCESSING,
    "requires_action": ChargeStatus.REQUIRES_ACTION,
    "requires_payment_method": ChargeStatus.DECLINED,
    "canceled": ChargeStatus.CANCELLED,
}
_REFUNDS = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.FAILED,
}
_INQUIRIES = frozenset(
    {"warning_needs_response", "warning_under_review", "warning_closed", "prevented"}
)
_HARD_DECLINES = frozenset(
    {"lost_card", "stolen_card", "pickup_card", "fraudulent", "payment_intent_mandate_invalid"}
)
"""After these nobody tries again, whatever the advice (M5)."""
_OUR_WORD = {"payment_intent_authentication_failure": "authentication_failed"}


def id_of(value: Any) -> str:
    """The id of something that Stripe gives as id or, expanded, as an object; '' for none."""
    if isinstance(value, Mapping):
        value = value["id"]
    return str(value or "")


def second_of(at: datetime) -> int:
    """The first whole second that is not before `at`, as Stripe asks for times."""
    return -int(-at.astimezone(UTC).timestamp() // 1)


def amount_of(data: Data, name: str = "amount") -> Money:
    """An amount with its object's currency."""
    return from_stripe(data[name], str(data["currency"]))


def charge_of(intent: Data, error: Data | None = None) -> ChargeOutcome:
    """A PaymentIntent; `error` is what a declined call said beside it."""
    status = _CHARGES.get(intent["status"])
    if status is None:  # requires_capture, requires_confirmation: never ours
        raise ValueError(f"status {intent['status']}")
    url = ""
    if status is ChargeStatus.REQUIRES_ACTION:
        url = str(intent["next_action"]["redirect_to_url"]["url"])
    told = error or intent.get("last_payment_error") or {}
    code, advice = None, None
    if status is ChargeStatus.DECLINED:
        code = told.get("decline_code") or told.get("code")
        code, advice = _OUR_WORD.get(str(code), code), told.get("advice_code")
    return ChargeOutcome(
        ref=str(intent["id"]),
        status=status,
        amount=amount_of(intent),
        action_url=url,
        decline_code=code,
        advice_code=advice,
        may_retry=code not in _HARD_DECLINES and advice != "do_not_try_again",
        reversed=_is_reversed(intent),
        reference=_reference(intent),
    )


def record_of(intent: Data) -> ChargeRecord:
    """A PaymentIntent as a line of the provider's books."""
    charge = intent.get("latest_charge")
    refunded = charge["amount_refunded"] if isinstance(charge, Mapping) else 0
    disputed = isinstance(charge, Mapping) and bool(charge["disputed"])
    return ChargeRecord(
        ref=str(intent["id"]),
        # What another program of the vendor began and has not finished is not paid.
        status=_CHARGES.get(intent["status"], ChargeStatus.REQUIRES_ACTION),
        amount=amount_of(intent),
        refunded=from_stripe(refunded, str(intent["currency"])),
        reversed=_is_reversed(intent),
        reference=_reference(intent),
        created_at=datetime.fromtimestamp(int(intent["created"]), UTC),
        disputed=disputed,
    )


def refund_of(refund: Data) -> RefundOutcome:
    """A refund, now or as it was first answered."""
    return RefundOutcome(
        ref=str(refund["id"]),
        status=_REFUNDS[refund["status"]],
        amount=amount_of(refund),
        reference=_reference(refund),
        failure_code=refund.get("failure_reason"),
    )


def dispute_of(dispute: Data) -> DisputeOutcome:
    """A dispute. An inquiry takes nothing; else the money goes when the bank withdraws it."""
    status = str(dispute["status"])
    moved = sum(int(each["amount"]) for each in dispute["balance_transactions"])
    if status == "won":
        state = DisputeState.WON
    elif status == "lost":
        state = DisputeState.LOST
    elif status in _INQUIRIES or moved >= 0:
        state = DisputeState.OPENED
    else:
        state = DisputeState.TAKEN
    return DisputeOutcome(
        ref=str(dispute["id"]),
        charge_ref=id_of(dispute.get("payment_intent")),
        state=state,
        amount=amount_of(dispute),
        reason=str(dispute["reason"]),
    )


def setup_of(session: Data) -> SetupOutcome:
    """A Checkout Session whose setup_intent is expanded with its method and its mandate."""
    status, method = SetupStatus.OPEN, None
    intent = session.get("setup_intent")
    if session["status"] == "expired":
        status = SetupStatus.EXPIRED
    elif session["status"] == "complete" and isinstance(intent, Mapping):
        if intent["status"] == "succeeded":
            status = SetupStatus.COMPLETED
            method = method_of(intent["payment_method"], intent.get("mandate"))
        elif intent["status"] in {"canceled", "requires_payment_method"}:
            status = SetupStatus.FAILED
    return SetupOutcome(
        ref=str(session["id"]),
        status=status,
        customer_ref=id_of(session.get("customer")),
        reference=str(session.get("client_reference_id") or ""),
        method=method,
    )


def method_of(method: Data, mandate: Any = None) -> MethodFacts:
    """A payment method; `mandate` is that of a debit, expanded."""
    kind = MethodKind(method["type"])
    if kind is MethodKind.CARD:
        card = method["card"]
        return MethodFacts(
            ref=str(method["id"]),
            kind=kind,
            brand=str(card["brand"]),
            last4=str(card["last4"]),
            expires_year=int(card["exp_year"]),
            expires_month=int(card["exp_month"]),
            funding=str(card["funding"]),
        )
    debit = method["sepa_debit"]
    details = mandate["payment_method_details"] if isinstance(mandate, Mapping) else {}
    return MethodFacts(
        ref=str(method["id"]),
        kind=kind,
        # Stripe tells no bank's name; country and bank code stand in every IBAN of this bank.
        brand=f"{debit.get('country') or ''} {debit.get('bank_code') or ''}".strip(),
        last4=str(debit["last4"]),
        mandate_ref=str((details.get("sepa_debit") or {}).get("reference") or ""),
    )


def _reference(data: Data) -> str:
    return str((data.get("metadata") or {}).get("reference") or "")


def _is_reversed(intent: Data) -> bool:
    """A debit that was disputed is gone at once; of a card's money its dispute tells more."""
    charge = intent.get("latest_charge")
    if not isinstance(charge, Mapping) or not charge["disputed"]:
        return False
    details = charge.get("payment_method_details") or {}
    return details.get("type") == MethodKind.SEPA_DEBIT
