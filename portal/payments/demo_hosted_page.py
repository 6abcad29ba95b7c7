"""What happens at the demo provider's own counter: its pages, its nights, its postman.

The customer saves a method or authenticates a charge; debits settle days later; and every change
is announced by a webhook until it was taken.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.money import Money
from portal.models import DemoObject
from portal.payments.demo_books import add_object, change_object, find_object, read_books
from portal.payments.demo_disputes import decide_dispute, is_dispute_due, open_dispute
from portal.payments.demo_gateway import DemoGateway, SignedEvent
from portal.payments.demo_numbers import (
    Behaviour,
    find_test_number,
    looks_like_card,
    looks_like_iban,
)
from portal.payments.gateway import (
    ChargeStatus,
    GatewayRefused,
    MethodKind,
    RefundStatus,
    SetupStatus,
)

__all__ = [
    "Announcement", "ChargeVisit", "SetupVisit", "announcements", "answer_challenge",
    "get_charge_visit", "get_setup_visit", "mark_announced", "pass_time", "save_method",
]  # fmt: skip

SETUP_OPEN_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SetupVisit:
    """What the page for saving a method shows."""

    ref: str
    status: SetupStatus
    customer_name: str
    kinds: tuple[MethodKind, ...]
    return_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class ChargeVisit:
    """What the page for authenticating a payment shows."""

    ref: str
    status: ChargeStatus
    amount: Money
    description: str
    return_url: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that the portal was not told of yet."""

    ref: str
    state: str
    event: SignedEvent


def get_setup_visit(ref: str) -> SetupVisit:
    """The visit of `ref`; GatewayRefused `setup_unknown`."""
    with read_books() as session:
        row = find_object(session, "setup", ref)
        customer = find_object(session, "customer", row.data["customer"])
        return SetupVisit(
            ref=row.ref,
            status=SetupStatus(row.status),
            customer_name=customer.data["name"],
            kinds=tuple(MethodKind(kind) for kind in row.data["kinds"]),
            return_url=row.data["return_url"],
            cancel_url=row.data["cancel_url"],
        )


def save_method(
    ref: str, kind: MethodKind, number: str, expires: tuple[int, int] | None, now: datetime
) -> None:
    """Save the method typed on the page: `number` without spaces, `expires` (year, month).

    GatewayRefused `number_invalid`, `number_not_a_test_number`, `expiry_missing`, `expiry_past`,
    `card_declined`; `setup_closed` where the visit is over. A visit that is complete stays so.
    """
    with transaction() as session:
        row = find_object(session, "setup", ref, lock=True)
        if row.status == SetupStatus.COMPLETED:
            return
        if row.status != SetupStatus.OPEN or kind.value not in row.data["kinds"]:
            raise GatewayRefused("setup_closed")
        test = find_test_number(number, kind)
        if test is None:
            card = kind is MethodKind.CARD
            right = looks_like_card(number) if card else looks_like_iban(number)
            raise GatewayRefused("number_not_a_test_number" if right else "number_invalid")
        if kind is MethodKind.CARD:
            if expires is None:
                raise GatewayRefused("expiry_missing")
            if expires < (now.year, now.month):
                raise GatewayRefused("expiry_past")
        if test.behaviour is Behaviour.REFUSES_SAVING:
            raise GatewayRefused("card_declined")
        debit = kind is MethodKind.SEPA_DEBIT
        method = add_object(
            session,
            "method",
            "attached",
            {
                "customer": row.data["customer"],
                "method_kind": kind.value,
                "brand": test.brand,
                "last4": test.last4,
                "expires_year": expires[0] if expires and not debit else None,
                "expires_month": expires[1] if expires and not debit else None,
                "funding": test.funding,
                "mandate_ref": f"DEMO-{secrets.token_hex(4).upper()}" if debit else "",
                "behaviour": test.behaviour.value,
            },
            now,
        )
        change_object(row, SetupStatus.COMPLETED.value, method=method.ref)


def get_charge_visit(ref: str) -> ChargeVisit:
    """The charge of `ref` as its page shows it; GatewayRefused `charge_unknown`."""
    with read_books() as session:
        row = find_object(session, "charge", ref)
        return ChargeVisit(
            ref=row.ref,
            status=ChargeStatus(row.status),
            amount=Money(row.data["amount_minor"], row.data["currency"]),
            description=row.data["description"],
            return_url=row.data["return_url"],
        )


def answer_challenge(ref: str, *, approve: bool) -> None:
    """The customer approves or fails the authentication; a second answer changes nothing."""
    with transaction() as session:
        row = find_object(session, "charge", ref, lock=True)
        if row.status != ChargeStatus.REQUIRES_ACTION:
            return
        if approve:
            change_object(row, ChargeStatus.SUCCEEDED.value)
        else:
            change_object(row, ChargeStatus.DECLINED.value, decline_code="authentication_failed")


def pass_time(now: datetime) -> None:
    """What happens by itself: debits settle, fail or are reversed; refunds arrive; visits end;
    cards are disputed."""
    with read_books() as session:
        due = [row.id for row in _objects(session) if _falls_due(row, now)]
    if not due:  # the worker asks every few seconds: no write lock for nothing
        return
    with transaction() as session:
        query = select(DemoObject).where(DemoObject.id.in_(due)).with_for_update()
        for row in session.scalars(query):
            if _falls_due(row, now):
                _let_happen(session, row, now)


def _falls_due(row: DemoObject, now: datetime) -> bool:
    if row.kind == "setup":
        return row.status == SetupStatus.OPEN and row.created_at + SETUP_OPEN_FOR <= now
    settles_at = row.data.get("settles_at")
    if settles_at is None:
        return is_dispute_due(row, now)
    if row.status in {ChargeStatus.PROCESSING, RefundStatus.PENDING}:
        return datetime.fromisoformat(settles_at) <= now
    return (
        row.status == ChargeStatus.SUCCEEDED
        and row.data["settles_as"] == Behaviour.REVERSED_LATER
        and not row.data.get("reversed")
        and datetime.fromisoformat(row.data["reverses_at"]) <= now
    )


def _let_happen(session: Session, row: DemoObject, now: datetime) -> None:
    if row.kind == "setup":
        change_object(row, SetupStatus.EXPIRED.value)
    elif row.kind == "dispute":
        decide_dispute(session, row)
    elif row.data.get("settles_at") is None:
        open_dispute(session, row, now)
    elif row.kind == "refund":
        _let_refund_happen(session, row)
    elif row.status == ChargeStatus.SUCCEEDED:
        change_object(row, reversed=True)
    elif row.data["settles_as"] == Behaviour.FAILS_LATER:
        change_object(row, ChargeStatus.DECLINED.value, decline_code="debit_not_authorized")
    else:
        change_object(row, ChargeStatus.SUCCEEDED.value)


def _let_refund_happen(session: Session, row: DemoObject) -> None:
    if row.data["settles_as"] != "fails":
        change_object(row, RefundStatus.SUCCEEDED.value)
        return
    change_object(row, RefundStatus.FAILED.value, failure_code="expired_or_canceled_card")
    charge = find_object(session, "charge", row.data["charge"], lock=True)
    rest = charge.data["refunded_minor"] - row.data["amount_minor"]
    change_object(charge, refunded_minor=rest)


def announcements(
    gateway: DemoGateway, now: datetime, ref: str | None = None
) -> list[Announcement]:
    """Every change not yet announced (or that of `ref`), oldest object first, as signed events."""
    found = []
    with read_books() as session:
        for row in _objects(session, ref):
            state = _state(row)
            if state in {"open", row.data.get("announced")}:
                continue
            event = gateway.sign_event(
                f"demo_evt_{row.id}_{state}", f"{row.kind}.{state.partition('_try')[0]}", row.kind, row.ref,
                int(now.timestamp()),
            )  # fmt: skip
            found.append(Announcement(row.ref, state, event))
    return found


def mark_announced(announcement: Announcement) -> None:
    """The portal took the event; it is not sent again."""
    with transaction() as session:
        row = session.scalar(select(DemoObject).where(DemoObject.ref == announcement.ref))
        if row is not None:
            change_object(row, announced=announcement.state)


def _objects(session: Session, ref: str | None = None) -> list[DemoObject]:
    query = select(DemoObject).where(DemoObject.kind.in_(("setup", "charge", "refund", "dispute")))
    if ref is not None:
        query = query.where(DemoObject.ref == ref)
    return list(session.scalars(query.order_by(DemoObject.id)))


def _state(row: DemoObject) -> str:
    """What is announced: a charge that is tried again may come to the same status once more."""
    state = "reversed" if row.data.get("reversed") else row.status
    tries = len(row.data.get("answers", ()))
    return f"{state}_try{tries}" if tries > 1 else state
