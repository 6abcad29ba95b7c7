"""The demo provider's charges and refunds: what is answered at once and what is noted for later.

A charge keeps the answer of every call that was made for it (`answers`, by idempotency key): the
first answer is given again, whatever the charge has become since.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.money import Money
from portal.models import DemoObject
from portal.payments.demo_books import add_object, change_object, find_object, read_books
from portal.payments.demo_disputes import DISPUTED_AFTER
from portal.payments.demo_numbers import ADVICE, HARD_DECLINES, Behaviour
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRecord,
    ChargeRequest,
    ChargeStatus,
    GatewayRefused,
    MethodKind,
    RefundOutcome,
    RefundRequest,
    RefundStatus,
    RetryRequest,
)

__all__ = [
    "SEPA_LIMIT", "charge_again", "charge_outcome", "list_records", "open_charge", "open_refund",
    "refund_outcome",
]  # fmt: skip

SEPA_LIMIT = Money(1_000_000, "EUR")
DEBIT_SETTLES_AFTER = timedelta(days=3)
DEBIT_REVERSED_AFTER = timedelta(days=17)
REFUND_ARRIVES_AFTER = timedelta(days=3)
_PAGE = 100
_RETRYABLE = {ChargeStatus.DECLINED, ChargeStatus.REQUIRES_ACTION}


def open_charge(session: Session, request: ChargeRequest, now: datetime) -> DemoObject:
    """Write a new charge with its first answer; see `demo_numbers` for what each number does."""
    method = _usable_method(session, request.customer_ref, request.method_ref, request.amount)
    status, notes = _answer_of(method, request.off_session, now)
    data = {
        "customer": request.customer_ref,
        "method": request.method_ref,
        "amount_minor": request.amount.minor,
        "currency": request.amount.currency,
        "description": request.description,
        "reference": request.reference,
        "off_session": request.off_session,
        "return_url": request.return_url,
        "answers": {request.key: _kept(status, notes)},
        **notes,
    }
    return add_object(session, "charge", status.value, data, now)


def charge_again(session: Session, request: RetryRequest, now: datetime) -> DemoObject:
    """Try a charge that was declined or waits for its customer; GatewayRefused `charge_state`."""
    row = find_object(session, "charge", request.charge_ref, lock=True)
    if row.status not in _RETRYABLE:
        raise GatewayRefused("charge_state")
    amount = Money(row.data["amount_minor"], row.data["currency"])
    method = _usable_method(session, row.data["customer"], request.method_ref, amount)
    status, notes = _answer_of(method, request.off_session, now)
    change_object(
        row,
        status.value,
        **{
            "method": request.method_ref,
            "off_session": request.off_session,
            "return_url": request.return_url,
            "answers": {**row.data["answers"], request.key: _kept(status, notes)},
            "decline_code": None,
            "settles_at": None,
            "reverses_at": None,
            "disputes_at": None,
            **notes,
        },
    )
    return row


def charge_outcome(row: DemoObject, *, answer_to: str | None = None) -> ChargeOutcome:
    """A charge in the port's words: as it stands, or as the call of the key `answer_to` heard."""
    data = row.data
    answer = data["answers"][answer_to] if answer_to is not None else None
    status = ChargeStatus(answer["status"] if answer else row.status)
    code = answer["decline_code"] if answer else data.get("decline_code")
    waits = status is ChargeStatus.REQUIRES_ACTION
    return ChargeOutcome(
        ref=row.ref,
        status=status,
        amount=Money(data["amount_minor"], data["currency"]),
        action_url=f"/demo/pay/charges/{row.ref}" if waits else "",
        decline_code=code,
        advice_code=ADVICE.get(code) if code else None,
        may_retry=code not in HARD_DECLINES,
        reversed=bool(data.get("reversed")) and answer is None,
        reference=data["reference"],
    )


def list_records(since: datetime, until: datetime) -> Iterator[ChargeRecord]:
    """The charges made from `since` up to `until`, the oldest first, read page by page."""
    last = 0
    while True:
        with read_books() as session:
            page = session.scalars(
                select(DemoObject)
                .where(
                    DemoObject.kind == "charge",
                    DemoObject.created_at >= since,
                    DemoObject.created_at < until,
                    DemoObject.id > last,
                )
                .order_by(DemoObject.id)
                .limit(_PAGE)
            ).all()
            records = [_record(row) for row in page]
        yield from records
        if len(page) < _PAGE:
            return
        last = page[-1].id


def _record(row: DemoObject) -> ChargeRecord:
    currency = row.data["currency"]
    return ChargeRecord(
        ref=row.ref,
        status=ChargeStatus(row.status),
        amount=Money(row.data["amount_minor"], currency),
        refunded=Money(row.data.get("refunded_minor", 0), currency),
        reversed=bool(row.data.get("reversed")),
        reference=row.data["reference"],
        created_at=row.created_at,
        disputed=bool(row.data.get("reversed")) or "dispute" in row.data,
    )


def open_refund(session: Session, request: RefundRequest, now: datetime) -> DemoObject:
    """Give money of a paid charge back; all refunds together never exceed it.

    GatewayRefused `charge_not_paid`, `charge_reversed`, `currency_differs`, `refund_too_large`.
    A card has it at once; a debit's arrives days later.
    """
    charge = find_object(session, "charge", request.charge_ref, lock=True)
    if charge.status != ChargeStatus.SUCCEEDED:
        raise GatewayRefused("charge_not_paid")
    if charge.data.get("reversed") or charge.data.get("is_gone"):
        raise GatewayRefused("charge_reversed")
    if request.amount.currency != charge.data["currency"]:
        raise GatewayRefused("currency_differs")
    refunded = charge.data.get("refunded_minor", 0) + request.amount.minor
    if refunded > charge.data["amount_minor"]:
        raise GatewayRefused("refund_too_large")
    change_object(charge, refunded_minor=refunded)
    method = find_object(session, "method", charge.data["method"])
    debit = method.data["method_kind"] == MethodKind.SEPA_DEBIT
    fails = method.data["behaviour"] == Behaviour.REFUND_FAILS
    waits = debit or fails
    status = RefundStatus.PENDING if waits else RefundStatus.SUCCEEDED
    data = {
        "charge": charge.ref,
        "amount_minor": request.amount.minor,
        "currency": request.amount.currency,
        "reference": request.reference,
        "first": status.value,
        "settles_at": (now + REFUND_ARRIVES_AFTER).isoformat() if waits else None,
        "settles_as": "fails" if fails else "arrives",
    }
    return add_object(session, "refund", status.value, data, now)


def refund_outcome(row: DemoObject, *, first: bool = False) -> RefundOutcome:
    """A refund in the port's words: as it stands, or as it was first answered."""
    return RefundOutcome(
        ref=row.ref,
        status=RefundStatus(row.data["first"] if first else row.status),
        amount=Money(row.data["amount_minor"], row.data["currency"]),
        reference=row.data["reference"],
        failure_code=None if first else row.data.get("failure_code"),
    )


def _usable_method(
    session: Session, customer_ref: str, method_ref: str, amount: Money
) -> DemoObject:
    find_object(session, "customer", customer_ref)
    method = find_object(session, "method", method_ref)
    if method.data["customer"] != customer_ref:
        raise GatewayRefused("method_unknown")
    if method.status != "attached":
        raise GatewayRefused("method_detached")
    if method.data["method_kind"] == MethodKind.SEPA_DEBIT:
        if amount.currency != SEPA_LIMIT.currency:
            raise GatewayRefused("sepa_currency")
        if amount > SEPA_LIMIT:
            raise GatewayRefused("sepa_limit")
    return method


def _kept(status: ChargeStatus, notes: dict[str, Any]) -> dict[str, Any]:
    return {"status": status.value, "decline_code": notes.get("decline_code")}


def _answer_of(
    method: DemoObject, off_session: bool, now: datetime
) -> tuple[ChargeStatus, dict[str, Any]]:
    """What the provider answers at once, and what it notes for later."""
    behaviour = Behaviour(method.data["behaviour"])
    if method.data["method_kind"] == MethodKind.SEPA_DEBIT:
        return ChargeStatus.PROCESSING, {
            "settles_at": (now + DEBIT_SETTLES_AFTER).isoformat(),
            "settles_as": behaviour.value,
            "reverses_at": (now + DEBIT_REVERSED_AFTER).isoformat(),
        }
    if behaviour in {Behaviour.OK, Behaviour.REFUND_FAILS}:
        return ChargeStatus.SUCCEEDED, {}
    if behaviour in {Behaviour.DISPUTE_LOST, Behaviour.DISPUTE_WON}:
        return ChargeStatus.SUCCEEDED, {
            "disputes_at": (now + DISPUTED_AFTER).isoformat(),
            "disputes_as": behaviour.value,
        }
    if behaviour is Behaviour.AUTHENTICATE:
        if off_session:
            return ChargeStatus.DECLINED, {"decline_code": "authentication_required"}
        return ChargeStatus.REQUIRES_ACTION, {}
    code = "generic_decline" if behaviour is Behaviour.REFUSES_SAVING else behaviour.value
    return ChargeStatus.DECLINED, {"decline_code": code}
