"""Collecting money: the one place that commits twice (rule 4 of the road).

The attempt and its key are stored and committed, then the provider is called with no transaction
open, then the outcome is settled and committed. A crash at any point leaves an attempt that the
worker finishes with the same key (M1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.domain.money import Money
from portal.domain.orders import AttemptStatus
from portal.models import Account, Invoice, Order, Payment, PaymentAttempt, PaymentMethod
from portal.payments.gateway import (
    PROVIDER_FAILED,
    SETTINGS_REFUSALS,
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    Gateway,
    GatewayFailed,
    GatewayRefused,
    GatewayUnknown,
    MethodKind,
    Patience,
    RetryRequest,
)
from portal.services.charge_cancelling import cancel_needless, is_needed
from portal.services.outbox import enqueue_job, open_desk_task
from portal.services.payment_settlement import mark_unknown, settle_charge

__all__ = [
    "abandon_attempt", "collect_attempt", "list_unsettled", "refresh_attempt",
]  # fmt: skip


KEY_IN_USE = "idempotency_mismatch"
"""The port's refusal of a key that was used for another request."""
_NO_MANDATE = "mandate_inactive"
_METHOD_IS_LOST = frozenset({_NO_MANDATE, "method_detached"})
_FINAL = frozenset({ChargeStatus.SUCCEEDED, ChargeStatus.PROCESSING, ChargeStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class _Stored:
    """An attempt with its call: `retry` tries the charge again that an earlier attempt made.

    `is_needed` is False once its invoice was paid otherwise, or credited. `is_invoiced`: what is
    collected was invoiced before, so that a charge that fails makes a debtor of the customer.
    """

    status: str
    is_debit: bool
    is_needed: bool
    is_invoiced: bool
    gateway_ref: str | None
    request: ChargeRequest
    retry: RetryRequest | None


def collect_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Make the stored call (again: the key makes it one effect) and settle it; False if unknown.

    No call is made for an invoice that needs no money any more (M5). Where the provider refuses us,
    and nobody waits on screen for an invoice's charge, that is nothing of the customer's: True, it
    stays unknown, the vendor's people are told, and the periodic look asks for it again.
    """
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if stored.status not in (AttemptStatus.RESERVED, AttemptStatus.UNKNOWN):
        return True
    if not stored.is_needed:
        return cancel_needless(
            transaction, gateway, attempt_id, stored.request, stored.gateway_ref,
            catalogue=catalogue, patience=patience, now=now,
        )  # fmt: skip
    try:
        outcome = _call(gateway, stored, patience)
    except GatewayUnknown:
        with transaction() as session:
            mark_unknown(session, attempt_id, now())
        return False
    except GatewayRefused as refusal:
        if _tells_nothing(stored, refusal.code):
            with transaction() as session:
                mark_unknown(session, attempt_id, now())
            if _is_the_vendors(stored, refusal.code):
                _tell_operators(transaction, refusal.code, now())
                return True
            return False
        outcome = ChargeOutcome(
            ref=stored.gateway_ref or "", status=ChargeStatus.DECLINED,
            amount=stored.request.amount, decline_code=refusal.code,
            may_retry=refusal.code in SETTINGS_REFUSALS or refusal.code == PROVIDER_FAILED,
        )  # fmt: skip
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now(), is_answer=True)
        if outcome.decline_code in _METHOD_IS_LOST:  # it is out of use, and the admins are told
            enqueue_job(session, "refresh_method", {"method_ref": stored.request.method_ref},
                        run_at=now(), now=now(),
                        dedupe_key=f"refresh_method:attempt:{attempt_id}")  # fmt: skip
    return True


def _tells_nothing(stored: _Stored, code: str) -> bool:
    """Whether a refusal leaves it open what became of an earlier call with this key."""
    if code == KEY_IN_USE:
        return True
    if code == PROVIDER_FAILED:
        # Nothing was charged. Whoever waits on screen hears it and orders again; a renewal is
        # nobody's fault, and is asked for with its own key once the provider has forgotten it.
        return stored.request.off_session
    if _is_the_vendors(stored, code):
        return True
    return stored.status == AttemptStatus.UNKNOWN and code in SETTINGS_REFUSALS


def _is_the_vendors(stored: _Stored, code: str) -> bool:
    """Whether a refusal is of our own settings, and would make debtors of those who owe nothing.

    A top-up is not owed: it is put off, and says so by itself. Who waits on screen hears it there.
    """
    return code in SETTINGS_REFUSALS and stored.is_invoiced and stored.request.off_session


def _tell_operators(transaction: Transaction, code: str, at: datetime) -> None:
    """One task for all that is not collected meanwhile; it comes back as long as that lasts."""
    try:
        with transaction() as session:
            open_desk_task(session, "payments_refused", dedupe_key=f"payments_refused:{code}",
                           details={"code": code}, now=at, again=True)  # fmt: skip
    except IntegrityError:
        return  # another worker told them in the same moment


def _call(gateway: Gateway, stored: _Stored, patience: Patience) -> ChargeOutcome:
    """The stored call; asked again with the same key it has one effect (M1).

    A charge that was collected meanwhile cannot be tried again: then its state is the answer.
    """
    retry = stored.retry
    if retry is None:
        return gateway.charge(stored.request, patience)
    if stored.status == AttemptStatus.UNKNOWN:
        # The provider forgets a key after a day; what the charge became it remembers.
        present = gateway.get_charge(retry.charge_ref, patience)
        if present.status in _FINAL:
            return present
    elif stored.is_debit and retry.off_session and not _has_mandate(gateway, stored, patience):
        raise GatewayRefused(_NO_MANDATE)
    try:
        return gateway.retry_charge(retry, patience)
    except GatewayFailed:
        if retry.off_session:
            raise  # as for a new charge: asked for again, once the key is forgotten
        return gateway.get_charge(retry.charge_ref, patience)
    except GatewayRefused as refusal:
        if refusal.code == KEY_IN_USE:
            raise
        present = gateway.get_charge(retry.charge_ref, patience)
        if present.status in _FINAL:
            return present
        raise


def _has_mandate(gateway: Gateway, stored: _Stored, patience: Patience) -> bool:
    """Whether a debit may be tried again; where that cannot be read the provider decides."""
    try:
        return gateway.get_method(stored.request.method_ref, patience) is not None
    except (GatewayUnknown, GatewayRefused):
        return True


def refresh_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """Find out the truth of an attempt, whatever state it was left in; False if still unknown."""
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if stored.status in (AttemptStatus.RESERVED, AttemptStatus.UNKNOWN):
        return collect_attempt(
            transaction, gateway, attempt_id, catalogue=catalogue, public_url=public_url,
            patience=patience, now=now,
        )  # fmt: skip
    if stored.gateway_ref is None:
        return True  # refused before there was a charge
    if stored.status == AttemptStatus.REQUIRES_ACTION and not stored.is_needed:
        return cancel_needless(
            transaction, gateway, attempt_id, stored.request, stored.gateway_ref,
            catalogue=catalogue, patience=patience, now=now,
        )  # fmt: skip
    try:
        outcome = gateway.get_charge(stored.gateway_ref, patience)
    except (GatewayUnknown, GatewayRefused):
        return False
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    return True


def abandon_attempt(
    transaction: Transaction,
    gateway: Gateway,
    attempt_id: int,
    *,
    catalogue: Catalogue,
    public_url: str,
    patience: Patience,
    now: Callable[[], datetime],
) -> bool:
    """The customer gives an unresolved payment up: cancelled at the provider first (Q1).

    The provider's answer is the truth: a charge that succeeded meanwhile is granted. False if the
    provider did not answer.
    """
    known = refresh_attempt(
        transaction, gateway, attempt_id, catalogue=catalogue, public_url=public_url,
        patience=patience, now=now,
    )  # fmt: skip
    with transaction() as session:
        stored = _stored(session, attempt_id, public_url)
    if not known or stored.status != AttemptStatus.REQUIRES_ACTION:
        return known  # whoever waits on screen waits for one call that hangs, never for two (M1)
    assert stored.gateway_ref is not None
    try:
        outcome = gateway.cancel_charge(
            stored.gateway_ref, f"{stored.request.key}:cancel", patience
        )
    except (GatewayUnknown, GatewayRefused):
        return False
    with transaction() as session:
        settle_charge(session, attempt_id, outcome, catalogue=catalogue, now=now())
    return True


def list_unsettled(
    session: Session, *, before: datetime, after: int, limit: int = 200
) -> list[tuple[int, bool, datetime]]:
    """Attempts of before `before`, with ids above `after`, that are not settled yet.

    Each with whether the customer has to confirm it with the bank, and when it began.
    """
    rows = session.execute(
        select(PaymentAttempt.id, PaymentAttempt.status, PaymentAttempt.created_at)
        .where(
            PaymentAttempt.settled_at.is_(None),
            PaymentAttempt.created_at < before,
            PaymentAttempt.id > after,
        )
        .order_by(PaymentAttempt.id)
        .limit(limit)
    )
    return [(row[0], row[1] == AttemptStatus.REQUIRES_ACTION, row[2]) for row in rows]


def _stored(session: Session, attempt_id: int, public_url: str) -> _Stored:
    row = session.execute(
        select(
            PaymentAttempt, Payment, PaymentMethod, Account, Order, Invoice.number, Invoice.status
        )
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .join(PaymentMethod, PaymentMethod.id == PaymentAttempt.method_id)
        .join(Account, Account.id == Payment.account_id)
        .outerjoin(Order, Order.id == Payment.order_id)
        .outerjoin(Invoice, Invoice.id == Payment.invoice_id)
        .where(PaymentAttempt.id == attempt_id)
    ).one()
    attempt, payment, method, account, order, invoice_number, invoice_status = row
    return_url = ""
    if payment.invoice_id is not None and attempt.on_session and invoice_number:
        return_url = f"{public_url}/invoices/{invoice_number}/return"
    elif order is not None:
        return_url = f"{public_url}/orders/{order.id}/return"
    return _Stored(
        status=attempt.status,
        is_debit=method.kind == MethodKind.SEPA_DEBIT.value,
        is_needed=is_needed(invoice_status),
        is_invoiced=payment.invoice_id is not None,
        gateway_ref=attempt.gateway_ref,
        request=ChargeRequest(
            key=attempt.idempotency_key,
            customer_ref=account.gateway_customer or "",
            method_ref=method.gateway_ref,
            amount=Money(payment.amount_minor, payment.currency),
            description=_description(payment, order, invoice_number),
            reference=f"payment:{payment.id}",
            off_session=not attempt.on_session,
            return_url=return_url,
            first_asked_at=attempt.created_at,
        ),
        retry=RetryRequest(
            key=attempt.idempotency_key,
            charge_ref=attempt.gateway_ref,
            method_ref=method.gateway_ref,
            amount=Money(payment.amount_minor, payment.currency),
            off_session=not attempt.on_session,
            return_url=return_url,
        )
        if attempt.gateway_ref is not None and attempt.number > 1
        else None,
    )


def _description(payment: Payment, order: Order | None, invoice_number: str | None) -> str:
    """What the customer reads at the provider; a top-up has its invoice only once it is paid."""
    if order is not None:
        return str(order.number)
    return invoice_number or (f"T-{payment.top_up_id}" if payment.top_up_id is not None else "")
