"""What follows from what the provider said of a charge: granted, waiting, failed (Q3, M1, M2, M4).

Every path (the checkout's own call, the return address, the webhook, the worker's look-up) ends
here, so it does not matter which comes first, or twice.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.orders import AttemptStatus, OrderStatus, next_attempt_status
from portal.models import (
    LIVE_ORDER,
    Account,
    Checkout,
    Invoice,
    Order,
    Payment,
    PaymentAttempt,
    Person,
    Quote,
)
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.services.audit import Actor, record
from portal.services.carts import reopen_cart
from portal.services.charge_failures import go_after, invoice_of, invoice_unpaid
from portal.services.dunning import debit_accepted, money_came
from portal.services.granting import grant_order
from portal.services.invoice_paying import (
    keep_overpayment,
    receive_payment,
    restate_paid,
)
from portal.services.invoicing import issue_order_invoice
from portal.services.locks import lock_account
from portal.services.outbox import enqueue_mail, open_desk_task
from portal.services.quote_subjects import release_subjects
from portal.services.receipts import send_receipt
from portal.services.renewals import renew_due_of_account
from portal.services.reversals import reverse_payment, was_reinstated
from portal.services.top_up_settlement import top_up_failed, top_up_paid

__all__ = ["mark_unknown", "settle_charge", "settle_free_order"]

GATEWAY = Actor("gateway", "")


def settle_charge(
    session: Session,
    attempt_id: int,
    outcome: ChargeOutcome,
    *,
    catalogue: Catalogue,
    now: datetime,
    is_answer: bool = False,
) -> None:
    """Apply the provider's word on an attempt; the same or older news change nothing (M2).

    The attempts of a payment are tries of one charge, so that news of it are of its last try. But
    a decline that is told while that try is still being made is the one before's: only the try's
    own answer (`is_answer`) declines it.
    """
    attempt, payment, account = _locked(session, attempt_id)
    if _is_of_an_earlier_try(attempt, outcome, attempt_id if is_answer else None):
        return
    if attempt.gateway_ref is None and outcome.ref:
        attempt.gateway_ref = outcome.ref
    if outcome.reversed and attempt.status == AttemptStatus.SUCCEEDED:
        if not was_reinstated(session, payment):
            reverse_payment(session, account, payment, catalogue=catalogue, now=now)
        return
    status = next_attempt_status(attempt.status, outcome.status.value)
    if status is None:
        session.flush()
        return
    was = attempt.status
    attempt.status = status
    attempt.action_url = outcome.action_url if status is AttemptStatus.REQUIRES_ACTION else ""
    attempt.decline_code, attempt.advice_code = outcome.decline_code, outcome.advice_code
    if status not in (AttemptStatus.REQUIRES_ACTION, AttemptStatus.PROCESSING):
        attempt.settled_at = now
    order = session.get(Order, payment.order_id) if payment.order_id is not None else None
    if outcome.amount.minor != payment.amount_minor or outcome.amount.currency != payment.currency:
        # Money of another amount is never called payment of this one; people look at it.
        open_desk_task(session, "charge_differs", dedupe_key=f"charge_differs:{attempt.id}",
                       details={"attempt_id": attempt.id, "ref": outcome.ref}, now=now,
                       account_id=account.id)  # fmt: skip
        return
    if outcome.status is ChargeStatus.REQUIRES_ACTION:
        _needs_action(session, order, account, now)
    elif outcome.status is ChargeStatus.PROCESSING:
        payment.status = "pending"
        _settled(session, order, account, payment, catalogue, "pending", now)
    elif outcome.status is ChargeStatus.SUCCEEDED:
        payment.status, payment.settled_at = "succeeded", now
        _settled(session, order, account, payment, catalogue, "paid", now)
        if outcome.reversed:  # the first news of the money is that it came and went (M4)
            reverse_payment(session, account, payment, catalogue=catalogue, now=now)
    else:
        payment.status, payment.settled_at = "failed", now
        if order is not None:
            _order_failed(session, order, account, payment, attempt, outcome, was, catalogue, now)
        elif _is_for_credits(payment):
            top_up_failed(session, account, payment, attempt, outcome, now)
        else:
            invoice_unpaid(session, account, payment, attempt, outcome, was, catalogue, now)
    session.flush()


def _is_of_an_earlier_try(
    attempt: PaymentAttempt, outcome: ChargeOutcome, answered: int | None
) -> bool:
    """Whether news must not touch the last try; `answered` is the attempt whose own answer it is."""
    if answered is not None:
        return answered != attempt.id and outcome.status is not ChargeStatus.SUCCEEDED
    return (
        outcome.status is ChargeStatus.DECLINED
        and attempt.number > 1
        and attempt.status in (AttemptStatus.RESERVED, AttemptStatus.UNKNOWN)
    )


def mark_unknown(session: Session, attempt_id: int, now: datetime) -> None:
    """The call's outcome is not known: the worker looks it up with the same key (M1)."""
    attempt, _payment, _account = _locked(session, attempt_id)
    if attempt.status == AttemptStatus.RESERVED:
        attempt.status = AttemptStatus.UNKNOWN
    session.flush()


def settle_free_order(
    session: Session, order_id: int, *, catalogue: Catalogue, now: datetime
) -> None:
    """An order of nothing to pay is granted without a charge."""
    order = session.get(Order, order_id)
    if order is None:
        raise DomainError("order_unknown")
    account = lock_account(session, order.account_id)
    session.refresh(order)
    if order.gross_minor == 0:
        _grant(session, order, account, None, catalogue, "paid", now)


def _locked(session: Session, attempt_id: int) -> tuple[PaymentAttempt, Payment, Account]:
    account_id = session.scalars(
        select(Payment.account_id)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
        .where(PaymentAttempt.id == attempt_id)
    ).one()
    account = lock_account(session, account_id)
    told = session.get_one(PaymentAttempt, attempt_id)
    # The tries of one payment share its charge: the latest is the one that is spoken of.
    attempt = session.scalars(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == told.payment_id)
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    payment = session.get_one(Payment, attempt.payment_id)
    session.refresh(payment)
    return attempt, payment, account


def _grant(
    session: Session,
    order: Order | None,
    account: Account,
    payment: Payment | None,
    catalogue: Catalogue,
    status: str,
    now: datetime,
) -> None:
    if order is None:
        return
    invoice = session.scalars(
        select(Invoice).where(Invoice.order_id == order.id).with_for_update()
    ).one_or_none()
    if invoice is not None:  # granted when the debit was accepted; now it is settled
        if status == "paid" and payment is not None:
            payment.invoice_id = invoice.id
            if receive_payment(session, invoice, payment, now):
                _record_paid(session, invoice, now)
            money_came(session, account, invoice, catalogue=catalogue, now=now)
        elif payment is not None:
            restate_paid(session, invoice, now)
            debit_accepted(session, account, invoice, catalogue=catalogue, now=now)
        return
    if order.status in (OrderStatus.FAILED, OrderStatus.ABANDONED):
        if _was_ordered_again(session, order):
            # The quote has one effect (Q4): this money is too much, and owed to the customer.
            if payment is not None and status == "paid":
                keep_overpayment(session, payment, payment.amount_minor, now)
            open_desk_task(session, "paid_twice", dedupe_key=f"paid_twice:{order.id}",
                           details={"order": order.number}, now=now,
                           account_id=account.id)  # fmt: skip
            return
        # Collected after we had given up: the money came, so the customer gets what it is for.
        record(session, "order_revived", actor=GATEWAY, now=now, account_id=account.id,
               subject=order.number)  # fmt: skip
    # Its period may have ended while the money was awaited: then the renewal comes first (P3).
    session.flush()
    renew_due_of_account(session, account, catalogue=catalogue, now=now)
    invoice = issue_order_invoice(
        session, order, account=account, catalogue=catalogue, status=status, now=now
    )
    if payment is not None:
        payment.invoice_id = invoice.id
    grant_order(session, order, account, catalogue, now)
    quote = session.get(Quote, order.quote_id)
    if quote is not None and quote.status != "accepted":
        quote.status, quote.closed_at = "accepted", now
        quote.version += 1
    release_subjects(session, order.quote_id)
    waits = status == "pending"
    record(session, "order_debit_accepted" if waits else "order_paid",
           actor=GATEWAY if payment else Actor("system", ""), now=now,
           account_id=account.id, subject=order.number,
           new={"invoice": invoice.number, "gross_minor": invoice.gross_minor,
                "currency": invoice.currency})  # fmt: skip
    send_receipt(session, order, invoice, account, payment, now)


def _was_ordered_again(session: Session, order: Order) -> bool:
    other = select(Order.id).where(
        Order.quote_id == order.quote_id,
        Order.id != order.id,
        LIVE_ORDER,
    )
    return session.scalars(other).first() is not None


def _needs_action(session: Session, order: Order | None, account: Account, now: datetime) -> None:
    if order is None or order.status != OrderStatus.PLACED:
        return
    order.status = OrderStatus.REQUIRES_ACTION
    order.version += 1


def _settled(
    session: Session,
    order: Order | None,
    account: Account,
    payment: Payment,
    catalogue: Catalogue,
    status: str,
    now: datetime,
) -> None:
    """An order is granted, a top-up credited, each invoiced; an invoice that is there is paid (I3)."""
    if order is not None:
        _grant(session, order, account, payment, catalogue, status, now)
        return
    if _is_for_credits(payment):
        top_up_paid(session, account, payment, catalogue=catalogue, status=status, now=now)
        return
    invoice = invoice_of(session, payment)
    if invoice is None:
        return
    if status == "paid":
        if receive_payment(session, invoice, payment, now):
            _record_paid(session, invoice, now)
        money_came(session, account, invoice, catalogue=catalogue, now=now)
    else:
        restate_paid(session, invoice, now)  # pending, where it is not paid otherwise
        debit_accepted(session, account, invoice, catalogue=catalogue, now=now)


def _is_for_credits(payment: Payment) -> bool:
    """Whether it is a top-up's whose invoice is not issued yet; then it is like any invoice's."""
    return payment.top_up_id is not None and payment.invoice_id is None


def _record_paid(session: Session, invoice: Invoice, now: datetime) -> None:
    record(session, "invoice_paid", actor=GATEWAY, now=now, account_id=invoice.account_id,
           subject=invoice.number,
           new={"gross_minor": invoice.gross_minor, "currency": invoice.currency})  # fmt: skip


def _order_failed(
    session: Session,
    order: Order,
    account: Account,
    payment: Payment,
    attempt: PaymentAttempt,
    outcome: ChargeOutcome,
    was: str,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Nothing is granted or lost: the quote is open again, with what was chosen (Q1)."""
    reason = {"code": attempt.decline_code or attempt.status, "advice": attempt.advice_code}
    if order.status in (OrderStatus.PAID, OrderStatus.DONE):
        invoice = _debit_failed_later(session, order, account, now)
        if invoice is not None and invoice.status == "open":
            go_after(session, account, invoice, attempt, outcome, was, catalogue, now)
        return
    order.status = (
        OrderStatus.ABANDONED if attempt.status == AttemptStatus.CANCELLED else OrderStatus.FAILED
    )
    order.failure = reason
    order.version += 1
    _reopen_quote(session, order, now)
    record(session, "payment_failed", actor=GATEWAY, now=now, account_id=account.id,
           subject=order.number, new=reason)  # fmt: skip
    if was != AttemptStatus.RESERVED:
        # The person was not looking any more: say by mail what the screen could not.
        placer = session.get(Person, order.placed_by_id)
        if placer is not None and order.status == OrderStatus.FAILED:
            enqueue_mail(session, "order_failed", recipient=placer.email, locale=placer.locale,
                         now=now, account_id=account.id, dedupe_key=f"order_failed:{attempt.id}",
                         payload={"order_number": order.number, "order_id": order.id,
                                  "reason": reason["code"]})  # fmt: skip


def _reopen_quote(session: Session, order: Order, now: datetime) -> None:
    quote = session.get(Quote, order.quote_id)
    if quote is not None and quote.status == "accepted":
        quote.status, quote.closed_at = "open", None
        quote.version += 1
        if quote.cart_id is not None:
            reopen_cart(session, quote.cart_id, now)
    checkout = session.scalars(
        select(Checkout).where(Checkout.quote_id == order.quote_id)
    ).one_or_none()
    if checkout is not None:
        checkout.completed = False
        checkout.changed_at = now


def _debit_failed_later(
    session: Session, order: Order, account: Account, now: datetime
) -> Invoice | None:
    """A debit that fails after it was accepted reopens the invoice (Q3, M4)."""
    invoice = session.scalars(
        select(Invoice).where(Invoice.order_id == order.id).with_for_update()
    ).one_or_none()
    if invoice is not None:
        restate_paid(session, invoice, now)
        if invoice.status != "open":  # paid otherwise meanwhile: nothing is missing
            return invoice
        open_desk_task(session, "debit_failed", dedupe_key=f"debit_failed:{invoice.id}",
                       details={"invoice": invoice.number, "order": order.number}, now=now,
                       account_id=account.id)  # fmt: skip
    record(session, "debit_failed", actor=GATEWAY, now=now, account_id=account.id,
           subject=order.number)  # fmt: skip
    return invoice
