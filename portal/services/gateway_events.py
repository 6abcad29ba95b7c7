"""The provider's webhooks: verified, taken once, and only as a hint to read the state again (M2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.models import GatewayEvent, MethodSetup, PaymentAttempt
from portal.payments.gateway import (
    SETTINGS_REFUSALS,
    ChargeOutcome,
    DisputeOutcome,
    EventRefused,
    Gateway,
    GatewayEventNotice,
    GatewayRefused,
    GatewayUnknown,
    Patience,
    RefundOutcome,
    SetupOutcome,
)
from portal.services.method_refreshing import MethodMoved, note_method, settle_method
from portal.services.method_setup import settle_method_setup
from portal.services.refunding import find_refund, settle_refund

__all__ = ["receive_event"]

Effect = Callable[[Session], str]

# The provider waits for the answer and sends again: a page's patience, so that its slowness never
# takes our web processes.
_PATIENCE = Patience.ON_SCREEN
_LONGEST_ID, _LONGEST_TYPE = 120, 80
_TRIES = 5


class _TakenBefore(Exception):
    """Another process wrote the same event first."""


def receive_event(
    body: bytes,
    headers: Mapping[str, str],
    *,
    gateway: Gateway,
    transaction: Transaction,
    catalogue: Catalogue,
    now: datetime,
) -> str:
    """Take one webhook over its raw bytes; answers what became of it.

    `applied`; `duplicate` for an event that was taken before; `unknown_object` for one about
    something that is not ours; `ignored` for a type that means nothing to us. All of them are
    stored and acknowledged. EventRefused for a bad signature, time or body; GatewayUnknown where
    the state could not be read, also for our own key's fault: nothing is stored, the provider
    sends the event again.
    """
    notice = gateway.read_event(body, headers, int(now.timestamp()))
    if not _is_storable(notice):
        raise EventRefused("payload_malformed")
    for _ in range(_TRIES):
        try:
            return _take(notice, gateway, transaction, catalogue, now)
        except MethodMoved:
            continue  # the answer may be older than what was written meanwhile: ask again
    raise GatewayUnknown("the method changes too fast")


def _take(
    notice: GatewayEventNotice,
    gateway: Gateway,
    transaction: Transaction,
    catalogue: Catalogue,
    now: datetime,
) -> str:
    with transaction() as session:
        if _is_known(session, notice):
            return "duplicate"
    effect = _effect(notice, gateway, transaction, catalogue, now)
    try:
        with transaction() as session:
            event = GatewayEvent(
                event_id=notice.event_id,
                type=notice.type[:_LONGEST_TYPE],
                payload=dict(notice.payload),
                received_at=now,
                outcome="ignored",
            )
            session.add(event)
            try:
                session.flush()
            except IntegrityError as error:
                raise _TakenBefore from error
            event.outcome = outcome = effect(session)
    except _TakenBefore:
        return "duplicate"
    return outcome


def _is_storable(notice: GatewayEventNotice) -> bool:
    """Whether both databases take the id and the type as they are."""
    return (
        0 < len(notice.event_id) <= _LONGEST_ID
        and notice.event_id.isascii()
        and notice.event_id.isprintable()
        and notice.type.isascii()
        and notice.type.isprintable()
    )


def _is_known(session: Session, notice: GatewayEventNotice) -> bool:
    query = select(GatewayEvent.id).where(GatewayEvent.event_id == notice.event_id)
    return session.scalar(query) is not None


def _effect(
    notice: GatewayEventNotice,
    gateway: Gateway,
    transaction: Transaction,
    catalogue: Catalogue,
    now: datetime,
) -> Effect:
    """What the event does once it is stored; the state is read before, outside a transaction."""
    try:
        if notice.about == "charge":
            charge = gateway.get_charge(notice.ref, _PATIENCE)
            return lambda session: _settle_charge(session, charge, catalogue, now)
        if notice.about == "setup":
            setup = gateway.get_setup(notice.ref, _PATIENCE)
            return lambda session: _settle_setup(session, setup, now)
        if notice.about == "refund":
            refund = gateway.get_refund(notice.ref, _PATIENCE)
            return lambda session: _settle_refund(session, refund, now)
        if notice.about == "dispute":
            dispute = gateway.get_dispute(notice.ref, _PATIENCE)
            if not dispute.charge_ref:  # of a charge that another program made
                return lambda session: "unknown_object"
            disputed = gateway.get_charge(dispute.charge_ref, _PATIENCE)
            return lambda session: _settle_dispute(session, dispute, disputed, catalogue, now)
        if notice.about == "method":
            with transaction() as session:
                known = note_method(session, notice.ref)
            facts = gateway.get_method(notice.ref, _PATIENCE) if known is not None else None
            return lambda session: (
                "applied"
                if settle_method(session, notice.ref, known, facts, now)
                else "unknown_object"
            )
    except GatewayRefused as refused:
        if refused.code in SETTINGS_REFUSALS:
            raise GatewayUnknown(refused.code) from refused
        return lambda session: "unknown_object"
    return lambda session: "ignored"


def _settle_charge(
    session: Session, outcome: ChargeOutcome, catalogue: Catalogue, now: datetime
) -> str:
    # Imported here: the settlement of an order reaches far, a method's setup does not need it.
    from portal.services.payment_settlement import settle_charge

    query = select(PaymentAttempt.id)
    attempt_id = session.scalar(query.where(PaymentAttempt.gateway_ref == outcome.ref))
    if attempt_id is None and outcome.reference:
        # The call that made the charge never came back: its reference tells whose it is (M1).
        # A payment has one attempt without an outcome at most: an unknown one is never replaced.
        word, _, number = outcome.reference.partition(":")
        if word == "payment" and number.isdecimal():
            attempt_id = session.scalar(
                query.where(
                    PaymentAttempt.payment_id == int(number),
                    PaymentAttempt.gateway_ref.is_(None),
                )
                .order_by(PaymentAttempt.number.desc())
                .limit(1)
            )
    if attempt_id is None:
        return "unknown_object"
    settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now)
    return "applied"


def _settle_dispute(
    session: Session,
    outcome: DisputeOutcome,
    charge: ChargeOutcome,
    catalogue: Catalogue,
    now: datetime,
) -> str:
    # As `_settle_charge`: what the charge became before it was disputed may be news as well.
    from portal.services.disputes import settle_dispute

    if _settle_charge(session, charge, catalogue, now) == "unknown_object":
        return "unknown_object"
    settle_dispute(session, outcome, catalogue=catalogue, now=now)
    return "applied"


def _settle_refund(session: Session, outcome: RefundOutcome, now: datetime) -> str:
    refund_id = find_refund(session, outcome)
    if refund_id is None:
        return "unknown_object"
    settle_refund(session, refund_id, outcome, now)
    return "applied"


def _settle_setup(session: Session, outcome: SetupOutcome, now: datetime) -> str:
    setup_id = session.scalar(
        select(MethodSetup.id).where(MethodSetup.idempotency_key == outcome.reference)
    )
    if setup_id is None:
        return "unknown_object"
    try:
        settle_method_setup(session, setup_id, outcome, now)
    except DomainError as error:
        if error.code == "setup_not_ours":
            return "unknown_object"
        raise
    return "applied"
