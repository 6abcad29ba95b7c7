"""A renewal that cannot be collected: people are told, and a new method collects it (M5, M4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.jobs import collection
from portal.models import (
    AuditEvent,
    DeskTask,
    Invoice,
    OutboxMessage,
    Payment,
    PaymentAttempt,
)
from portal.parts import Parts
from tests.support.buying import AN, ATELIER, CARD, LOTTE, NO_MONEY, PIETER, account_named
from tests.support.client import PortalClient
from tests.support.dunning import (
    RENEWAL,
    attempts,
    new_method,
    payments,
    status_of,
    unpaid_renewal,
    work,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

THEN = RENEWAL
SOFIE = "sofie.maes@boekhoud-maes.example"  # billing admin of two companies


@pytest.fixture
def unpaid(books: Session, parts: Parts) -> Invoice:
    """The renewal's invoice after the card was declined."""
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    assert invoice.status == "open"
    return invoice


def actions(books: Session, subject: str) -> list[str]:
    query = select(AuditEvent.action).where(AuditEvent.subject == subject).order_by(AuditEvent.id)
    return list(books.scalars(query))


def test_M5_billing_contact_and_admins_are_told_once_each_in_their_language(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    work(parts, THEN + timedelta(hours=1))
    mails = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "owed_failed")).all()
    account = account_named(books, ATELIER)
    assert {(mail.recipient, mail.locale) for mail in mails} == {
        (account.billing_email, account.locale), (LOTTE, "en"), (PIETER, "nl"), (AN, "nl"),
        (SOFIE, "nl"),
    }  # fmt: skip
    assert len(mails) == 5
    expected = {"invoice_number": unpaid.number, "owed_minor": unpaid.gross_minor,
                "reason": "insufficient_funds"}  # fmt: skip
    assert expected.items() <= mails[0].payload.items()
    assert "invoice_payment_failed" in actions(books, unpaid.number)
    assert "payment_failed" not in actions(books, unpaid.number)


def test_M5_a_new_method_collects_it_at_once_and_once(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    new_method(CARD, times=2)
    assert payments(books, unpaid) == ["unresolved"]  # the same charge, tried again
    keys = books.scalars(
        select(PaymentAttempt.idempotency_key)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.invoice_id == unpaid.id)
        .order_by(PaymentAttempt.id)
    )
    assert list(keys) == [f"pi:invoice-{unpaid.id}:1", f"pi:invoice-{unpaid.id}:try:2"]
    work(parts, THEN)
    assert payments(books, unpaid) == ["succeeded"]
    assert status_of(books, unpaid) == "paid"
    assert actions(books, unpaid.number)[-2:] == ["invoice_paid", "dunning_recovered"]
    new_method(CARD)
    assert payments(books, unpaid) == ["succeeded"]


def test_M5_each_new_method_has_its_own_attempt(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    new_method(NO_MONEY)
    work(parts, THEN)
    new_method(CARD)
    work(parts, THEN)
    assert [status for _, status in attempts(books, unpaid)] == [
        "declined", "declined", "succeeded",
    ]  # fmt: skip
    mails = select(func.count()).where(
        OutboxMessage.topic == "owed_failed", OutboxMessage.recipient == LOTTE
    )
    assert books.scalar(mails) == 1  # one a day, however many methods fail on it


@pytest.mark.parametrize("status", ["reserved", "unknown", "requires_action", "processing"])
def test_M1_no_second_attempt_beside_one_that_is_not_settled(
    books: Session, unpaid: Invoice, status: str
) -> None:
    with transaction() as own:
        payment = own.scalars(select(Payment).where(Payment.invoice_id == unpaid.id)).one()
        attempt = own.scalars(
            select(PaymentAttempt).where(PaymentAttempt.payment_id == payment.id)
        ).one()
        payment.status, attempt.status, attempt.settled_at = "unresolved", status, None
    new_method(CARD)
    assert attempts(books, unpaid) == [("1", status)]


def test_M5_the_invoice_page_says_so_and_links_to_the_payment_method(
    client: PortalClient, unpaid: Invoice
) -> None:
    client.sign_in(LOTTE)
    client.get(f"/invoices/{unpaid.number}")
    assert client.page is not None
    assert "could not be collected" in client.page.text()
    assert "is collected by your payment method" not in client.page.text()
    (payment,) = [p for p in client.page.all("section") if p.get("aria-label") == "Payment"]
    assert "/billing/payment-method" in [a.get("href") for a in payment.iter()]
    new_method(CARD)  # under way again: what failed before is no longer what counts
    client.get(f"/invoices/{unpaid.number}")
    assert "could not be collected" not in client.page.text()


def test_M1_an_attempt_that_cannot_be_looked_after_does_not_keep_the_others_waiting(
    books: Session, parts: Parts, unpaid: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with transaction() as own:  # two attempts that nobody settled
            last = own.scalars(select(PaymentAttempt).order_by(PaymentAttempt.id.desc())).first()
            assert last is not None
            own.add(PaymentAttempt(
                payment_id=last.payment_id, number=last.number + 1, status="unknown",
                idempotency_key=f"{last.idempotency_key}+", method_id=last.method_id,
                created_at=THEN - timedelta(hours=1),
            ))  # fmt: skip
    seen: list[int] = []

    def poisoned(_transaction: Any, _gateway: Any, attempt_id: int, **_more: Any) -> bool:
        seen.append(attempt_id)
        if len(seen) % 2:
            raise RuntimeError("poisoned")
        return True

    monkeypatch.setattr(collection, "refresh_attempt", poisoned)
    for _ in range(2):
        collection.look_after_payments(parts, {}, THEN)
    assert len(seen) == 4
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "payment_stuck")).one()
    assert task.details == {"attempt_id": seen[0], "error": "RuntimeError"}
