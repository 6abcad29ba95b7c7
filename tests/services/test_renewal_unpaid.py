"""A renewal that cannot be collected: people are told, and a new method collects it (M5, M4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs import collection
from portal.jobs.worker import run_due
from portal.models import (
    AuditEvent,
    DeskTask,
    Invoice,
    MethodSetup,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Person,
)
from portal.parts import Parts
from portal.payments.demo_gateway import seed_method
from portal.payments.gateway import MethodFacts, MethodKind, SetupOutcome, SetupStatus
from portal.services.method_setup import begin_method_setup, settle_method_setup
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    LOTTE,
    NO_MONEY,
    account_named,
    test_number,
    use_method,
)
from tests.support.client import PortalClient

pytestmark = pytest.mark.usefixtures("app_context")

THEN = NOW + timedelta(days=32)  # the CRM of the account has been renewed


@pytest.fixture
def unpaid(books: Session, parts: Parts) -> Invoice:
    """The renewal's invoice after the card was declined."""
    with transaction() as own:
        use_method(own, ATELIER, NO_MONEY)
    work(parts, THEN)
    invoice = books.scalars(
        select(Invoice).join(Payment, Payment.invoice_id == Invoice.id).where(
            Invoice.account_id == account_named(books, ATELIER).id, Payment.created_at == THEN,
            Payment.status == "failed",
        )
    ).one()  # fmt: skip
    assert invoice.status == "open"
    return invoice


def work(parts: Parts, now: datetime) -> None:
    clock.fix(now)
    run_due(parts, now)


def new_method(number: str, *, times: int = 1) -> None:
    """A card confirmed on the provider's page, its news coming `times` times."""
    with transaction() as own:
        account, test = account_named(own, ATELIER), test_number(number)
        seen = own.scalars(select(func.count(PaymentMethod.id))).one()
        account.gateway_customer, ref = seed_method(
            own, f"{seen}:{number}", "card", test.brand, test.last4, 2034, 12,
            behaviour=test.behaviour.value, now=clock.now(),
        )  # fmt: skip
        person = own.scalars(select(Person).where(Person.email == LOTTE)).one()
        setup = begin_method_setup(own, account.id, person.id, "/", clock.now())
        outcome = SetupOutcome(
            ref=f"cs_{setup.id}", status=SetupStatus.COMPLETED,
            customer_ref=account.gateway_customer or "", reference=setup.idempotency_key,
            method=MethodFacts(ref, MethodKind.CARD, "visa", number[-4:], 2034, 12, "credit"),
        )  # fmt: skip
        setup_id = setup.id
    for _ in range(times):
        with transaction() as own:
            settle_method_setup(own, setup_id, outcome, clock.now())
    with transaction() as own:
        assert own.get_one(MethodSetup, setup_id).status == "completed"


def payments(books: Session, invoice: Invoice) -> list[str]:
    query = select(Payment.status).where(Payment.invoice_id == invoice.id).order_by(Payment.id)
    return list(books.scalars(query))


def status_of(books: Session, invoice: Invoice) -> str | None:
    return books.scalar(select(Invoice.status).where(Invoice.id == invoice.id))


def actions(books: Session, subject: str) -> list[str]:
    query = select(AuditEvent.action).where(AuditEvent.subject == subject).order_by(AuditEvent.id)
    return list(books.scalars(query))


def test_M5_the_billing_contact_is_told_once_in_the_accounts_language(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    work(parts, THEN + timedelta(hours=1))
    mail = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "renewal_unpaid")).one()
    account = account_named(books, ATELIER)
    assert (mail.recipient, mail.locale) == (account.billing_email, account.locale)
    assert mail.payload == {
        "invoice_number": unpaid.number, "currency": "EUR", "gross_minor": unpaid.gross_minor,
        "reason": "insufficient_funds",
    }  # fmt: skip
    assert "invoice_payment_failed" in actions(books, unpaid.number)
    assert "payment_failed" not in actions(books, unpaid.number)


def test_M5_a_new_method_collects_it_at_once_and_once(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    new_method(CARD, times=2)
    assert payments(books, unpaid) == ["failed", "unresolved"]
    keys = books.scalars(
        select(PaymentAttempt.idempotency_key)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.invoice_id == unpaid.id)
        .order_by(PaymentAttempt.id)
    )
    assert list(keys) == [f"pi:invoice-{unpaid.id}:1", f"pi:invoice-{unpaid.id}:2"]
    work(parts, THEN)
    assert payments(books, unpaid) == ["failed", "succeeded"]
    assert status_of(books, unpaid) == "paid"
    assert actions(books, unpaid.number)[-1] == "invoice_paid"
    new_method(CARD)
    assert payments(books, unpaid) == ["failed", "succeeded"]


def test_M5_each_new_method_has_its_own_attempt(
    books: Session, parts: Parts, unpaid: Invoice
) -> None:
    new_method(NO_MONEY)
    work(parts, THEN)
    new_method(CARD)
    work(parts, THEN)
    assert payments(books, unpaid) == ["failed", "failed", "succeeded"]
    mails = select(func.count()).where(OutboxMessage.topic == "renewal_unpaid")
    assert books.scalar(mails) == 2


@pytest.mark.parametrize("status", ["unresolved", "pending", "reversed", "succeeded"])
def test_M1_no_second_attempt_beside_one_that_did_not_fail(
    books: Session, unpaid: Invoice, status: str
) -> None:
    with transaction() as own:
        own.scalars(select(Payment).where(Payment.invoice_id == unpaid.id)).one().status = status
    new_method(CARD)
    assert payments(books, unpaid) == [status]


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
