"""Money goes back to the method it came from, else to the balance; once, whatever happens (M6, M1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.jobs import refunds as refund_jobs
from portal.jobs.worker import run_due
from portal.mail.mailbox import DemoMailbox
from portal.models import (
    AccountBalance,
    CreditNote,
    DemoMail,
    DemoObject,
    DeskTask,
    Invoice,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    Refund,
)
from portal.parts import Parts
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.demo_numbers import Behaviour
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeStatus,
    GatewayRefused,
    Patience,
    RefundOutcome,
    RefundStatus,
)
from portal.services.demo_provider import deliver_demo_events
from portal.services.payment_settlement import settle_charge
from portal.services.refunding import make_refund, settle_refund
from tests.conftest import NOW
from tests.support.buying import ATELIER, LUMIERE, MUELLER
from tests.support.crediting import an_invoice, credited

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

PART = {1: 10_000}  # €121.00 with VAT


def provider_refunds(books: Session) -> list[DemoObject]:
    books.expire_all()
    return list(books.scalars(select(DemoObject).where(DemoObject.kind == "refund")))


def refund_of(books: Session) -> Refund:
    books.expire_all()
    return books.scalars(select(Refund)).one()


def balance(books: Session) -> int:
    return int(books.scalar(select(func.sum(AccountBalance.amount_minor))) or 0)


def mails(books: Session) -> list[str]:
    query = select(OutboxMessage.topic).where(OutboxMessage.created_at >= NOW)
    topics = ("credit_note", "refund_made", "refund_failed")
    return sorted(books.scalars(query.where(OutboxMessage.topic.in_(topics))))


def call(parts: Parts, refund_id: int) -> bool:
    return make_refund(
        transaction, parts.gateway, refund_id, patience=Patience.BACKGROUND, now=clock.now
    )


def gateway_of(parts: Parts) -> DemoGateway:
    assert isinstance(parts.gateway, DemoGateway)
    return parts.gateway


def behave(account: str, behaviour: Behaviour) -> None:
    """The method that paid the account's latest invoice behaves like that from now on."""
    with transaction() as session:
        ref = session.scalars(
            select(DemoObject).where(
                DemoObject.kind == "charge", DemoObject.data["description"].as_string()
                == an_invoice(session, account).number,
            )
        ).one().data["method"]  # fmt: skip
        method = session.scalars(select(DemoObject).where(DemoObject.ref == ref)).one()
        method.data = {**method.data, "behaviour": behaviour.value}


def test_M6_a_card_gets_it_back_in_the_workers_next_round(parts: Parts, books: Session) -> None:
    credited(parts, amounts=PART)
    run_due(parts, clock.now())
    refund = refund_of(books)
    assert (refund.status, refund.amount_minor) == ("succeeded", 12_100)
    (there,) = provider_refunds(books)
    assert (there.ref, there.data["amount_minor"]) == (refund.gateway_ref, 12_100)
    payment = books.get_one(Payment, refund.payment_id)
    assert (payment.status, payment.refunded_minor) == ("succeeded", 12_100)
    assert balance(books) == 0
    assert mails(books) == ["credit_note", "refund_made"]
    assert an_invoice(books).status == "paid"
    sent = books.scalars(select(OutboxMessage.status).where(OutboxMessage.created_at >= NOW))
    assert "failed" not in set(sent)


def test_M6_a_debit_takes_days(parts: Parts, books: Session) -> None:
    credited(parts, MUELLER, amounts=PART)
    run_due(parts, clock.now())
    assert refund_of(books).status == "pending"
    clock.fix(NOW + timedelta(days=4))
    run_due(parts, clock.now())
    assert refund_of(books).status == "succeeded"
    assert mails(books) == ["credit_note", "refund_made"]


def test_M6_what_was_transferred_goes_to_the_balance(parts: Parts, books: Session) -> None:
    note = credited(parts, LUMIERE, amounts=PART)
    entry = books.scalars(select(AccountBalance)).one()
    assert (entry.credit_note_id, entry.reason) == (note, "credit_note")
    assert entry.amount_minor > 0
    assert books.scalars(select(Refund)).all() == []
    mail = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "credit_note")).one()
    assert mail.payload["balance_minor"] == entry.amount_minor
    assert mail.payload["refund_minor"] == 0


def test_M6_parts_of_a_payment_never_more_than_it_was(parts: Parts, books: Session) -> None:
    gross = an_invoice(books).gross_minor
    for _ in range(3):
        credited(parts, amounts={1: 1_000})
    credited(parts)  # all the rest
    run_due(parts, clock.now())
    books.expire_all()
    assert {x.status for x in books.scalars(select(Refund))} == {"succeeded"}
    assert books.scalar(select(func.sum(Refund.amount_minor))) == gross
    payment = books.scalars(select(Payment).where(Payment.invoice_id == an_invoice(books).id)).one()
    assert payment.refunded_minor == gross == payment.amount_minor
    assert balance(books) == 0


def test_M6_a_refused_refund_goes_to_the_balance_and_the_desk(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_args: object) -> None:
        raise GatewayRefused("charge_reversed")

    credited(parts, amounts=PART)
    monkeypatch.setattr(DemoGateway, "refund", refuses)
    for _ in range(2):
        run_due(parts, clock.now())
    refund = refund_of(books)
    assert (refund.status, refund.failure_code) == ("failed", "charge_reversed")
    assert books.get_one(Payment, refund.payment_id).refunded_minor == 0
    assert balance(books) == 12_100
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "refund_failed")).one()
    assert task.details["amount_minor"] == 12_100
    assert mails(books) == ["credit_note", "refund_failed"]


def test_M6_one_that_comes_back_from_the_bank_days_later_too(parts: Parts, books: Session) -> None:
    behave(ATELIER, Behaviour.REFUND_FAILS)
    credited(parts, amounts=PART)
    run_due(parts, clock.now())
    assert refund_of(books).status == "pending"
    clock.fix(NOW + timedelta(days=4))
    for _ in range(2):
        run_due(parts, clock.now())
    assert refund_of(books).status == "failed"
    assert balance(books) == 12_100
    # What was owed is on the balance: crediting the rest refunds the rest, and not it again.
    credited(parts)
    back = books.scalar(select(func.sum(Refund.amount_minor)).where(Refund.status != "failed"))
    assert (back or 0) + balance(books) == an_invoice(books).gross_minor


@pytest.mark.forges_rows
@pytest.mark.parametrize("reversed_first", [True, False])
def test_M4_M6_what_the_bank_took_back_is_not_owed_on_the_balance_as_well(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch, reversed_first: bool
) -> None:
    def refuses(*_args: object) -> None:
        raise GatewayRefused("charge_reversed")

    def take_back() -> None:
        with transaction() as session:
            attempt = session.scalars(
                select(PaymentAttempt).where(PaymentAttempt.payment_id == refund.payment_id)
            ).one()
            payment = session.get_one(Payment, refund.payment_id)
            outcome = ChargeOutcome(
                str(attempt.gateway_ref), ChargeStatus.SUCCEEDED,
                Money(payment.amount_minor, payment.currency), reversed=True,
            )  # fmt: skip
            settle_charge(session, attempt.id, outcome, catalogue=parts.catalogue, now=clock.now())

    credited(parts)
    refund = refund_of(books)
    monkeypatch.setattr(DemoGateway, "refund", refuses)
    if reversed_first:
        take_back()
    assert call(parts, refund.id)
    assert refund_of(books).status == "failed"
    if not reversed_first:
        assert balance(books) == refund.amount_minor
        take_back()
    assert balance(books) == 0
    assert books.scalars(select(DeskTask).where(DeskTask.kind == "refund_failed")).one()


def test_M1_the_charge_of_an_earlier_try_is_found_in_the_books_of_its_day(
    parts: Parts, books: Session
) -> None:
    credited(parts, amounts=PART)
    refund = refund_of(books)
    gateway_of(parts).faults.append(Fault.AFTER)
    assert not call(parts, refund.id)
    with transaction() as session:  # it succeeded by a retry, weeks after it was made
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.payment_id == refund.payment_id)
            .values(created_at=NOW)
        )
    clock.fix(NOW + timedelta(days=2))
    assert call(parts, refund.id)
    assert refund_of(books).status == "succeeded"
    assert len(provider_refunds(books)) == 1


@pytest.mark.parametrize("code", ["gateway_not_configured", "gateway_key_refused"])
def test_M1_what_the_settings_are_to_blame_for_is_no_end_of_a_refund(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuses(*_args: object) -> None:
        raise GatewayRefused(code)

    credited(parts, amounts=PART)
    refund = refund_of(books)
    with monkeypatch.context() as patched:
        patched.setattr(DemoGateway, "refund", refuses)
        assert not call(parts, refund.id)
    assert (refund_of(books).status, balance(books)) == ("unknown", 0)
    assert call(parts, refund.id)
    assert refund_of(books).status == "succeeded"


def test_I2_the_note_travels_with_its_pdf(parts: Parts, books: Session) -> None:
    note = books.get_one(CreditNote, credited(parts, amounts=PART))
    run_due(replace(parts, mail=DemoMailbox("portal@kanto.example")), clock.now())
    sent = books.scalars(select(DemoMail).order_by(DemoMail.id)).all()
    (first,) = [mail for mail in sent if mail.attachments]
    assert note.number in first.attachments[0]["filename"]
    assert note.number in first.subject
    assert any(note.number in mail.text_body for mail in sent if not mail.attachments)


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_a_lost_answer_is_asked_for_with_the_same_key(
    parts: Parts, books: Session, fault: Fault
) -> None:
    credited(parts, amounts=PART)
    refund = refund_of(books)
    gateway_of(parts).faults.append(fault)
    assert not call(parts, refund.id)
    assert refund_of(books).status == "unknown"
    assert len(provider_refunds(books)) == (fault is Fault.AFTER)
    assert call(parts, refund.id)
    assert refund_of(books).status == "succeeded"
    assert len(provider_refunds(books)) == 1


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_once_the_key_may_be_forgotten_the_charge_is_looked_at_first(
    parts: Parts, books: Session, fault: Fault
) -> None:
    credited(parts, amounts=PART)
    refund = refund_of(books)
    gateway_of(parts).faults.append(fault)
    assert not call(parts, refund.id)
    with transaction() as session:  # the provider's memory of keys is gone
        session.execute(update(Refund).values(idempotency_key="refund:forgotten"))
    clock.fix(NOW + timedelta(days=2))
    assert call(parts, refund.id)
    assert refund_of(books).status == "succeeded"
    assert len(provider_refunds(books)) == 1


def test_M2_the_webhook_finds_a_refund_whose_call_never_came_back(
    parts: Parts, books: Session
) -> None:
    credited(parts, amounts=PART)
    refund = refund_of(books)
    gateway_of(parts).faults.append(Fault.AFTER)
    assert not call(parts, refund.id)
    with transaction() as session:
        session.execute(update(Refund).values(status="reserved"))
    deliver_demo_events(parts.gateway, transaction, parts.catalogue, clock.now())
    refund = refund_of(books)
    assert (refund.status, refund.gateway_ref) == ("succeeded", provider_refunds(books)[0].ref)


def test_M2_news_never_go_backwards(parts: Parts, books: Session) -> None:
    credited(parts, amounts=PART)
    run_due(parts, clock.now())
    refund = refund_of(books)
    for status in (RefundStatus.PENDING, RefundStatus.SUCCEEDED):
        with transaction() as session:
            told = session.get_one(Refund, refund.id)
            outcome = RefundOutcome(refund.gateway_ref or "", status, _amount(told))
            settle_refund(session, refund.id, outcome, clock.now())
    assert refund_of(books).status == "succeeded"
    assert mails(books) == ["credit_note", "refund_made"]


def test_M1_what_has_not_arrived_is_asked_about_again(parts: Parts, books: Session) -> None:
    credited(parts, MUELLER, amounts=PART)
    refund = refund_of(books)
    assert call(parts, refund.id)
    assert refund_of(books).status == "pending"
    then = NOW + timedelta(days=4)
    clock.fix(then)
    demo_hosted_page.pass_time(then)  # and its webhook is lost
    refund_jobs.look_after_refunds(parts, {}, then)
    assert refund_of(books).status == "succeeded"


def test_M6_the_invoice_that_was_credited_is_as_it_was_paid(parts: Parts, books: Session) -> None:
    credited(parts)
    run_due(parts, clock.now())
    books.expire_all()
    invoice = books.get_one(Invoice, an_invoice(books).id)
    assert (invoice.paid_minor, invoice.credited_minor) == (invoice.gross_minor,) * 2


def _amount(refund: Refund) -> Money:
    return Money(refund.amount_minor, refund.currency)
