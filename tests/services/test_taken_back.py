"""What a bank takes back of a payment that was refunded, credited, or of another time (M4, M5, M6)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.disputes import DisputeState
from portal.domain.money import Money
from portal.domain.wallet import TopUpSettings
from portal.models import (
    AccountBalance,
    DeskTask,
    Invoice,
    InvoiceLine,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    Refund,
)
from portal.parts import Parts
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeStatus,
    DisputeOutcome,
    RefundOutcome,
    RefundStatus,
)
from portal.services.audit import SYSTEM
from portal.services.auto_top_up import set_auto_top_up
from portal.services.balances import get_balance
from portal.services.crediting import credit_invoice
from portal.services.disputes import settle_dispute
from portal.services.payment_settlement import settle_charge
from portal.services.payment_terms import change_payment_terms
from portal.services.refunding import settle_refund
from portal.services.wallet_entries import wallet_of
from tests.conftest import NOW
from tests.support.buying import ATELIER, CARD, DEBIT, DEBIT_FAILS, account_named, use_method
from tests.support.dunning import RENEWAL, case_of, renewal_invoice, work

pytestmark = pytest.mark.usefixtures("app_context")


def renewed_with(parts: Parts, books: Session, method: str) -> Invoice:
    """The renewal was collected; a debit is settled."""
    with transaction() as session:
        use_method(session, ATELIER, method)
    work(parts, RENEWAL)
    work(parts, RENEWAL + timedelta(days=12))
    work(parts, RENEWAL + timedelta(days=12, hours=1))
    return renewal_invoice(books)


def credited(parts: Parts, invoice: Invoice, half: bool) -> int:
    """The invoice, or half of its first line, is credited and refunded; the gross amount."""
    with transaction() as session:
        row = session.get_one(Invoice, invoice.id)
        line = session.scalars(
            select(InvoiceLine)
            .where(InvoiceLine.invoice_id == row.id)
            .order_by(InvoiceLine.position)
            .limit(1)
        ).one()
        note = credit_invoice(
            session, row, reason="Agreed", catalogue=parts.catalogue, actor=SYSTEM,
            amounts={line.position: line.net_minor // 2} if half else None, now=clock.now(),
        )  # fmt: skip
        gross = note.gross_minor
    for days in (13, 20):
        work(parts, RENEWAL + timedelta(days=days))
        work(parts, RENEWAL + timedelta(days=days, hours=1))
    return gross


def payment_of(books: Session, invoice: Invoice) -> tuple[Payment, str]:
    """The payment and the provider's name of its charge."""
    books.expire_all()
    payment = books.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
    reference = books.scalars(
        select(PaymentAttempt.gateway_ref).where(PaymentAttempt.payment_id == payment.id)
    ).one()
    assert reference is not None
    return payment, reference


def disputed(parts: Parts, charge: str, minor: int) -> None:
    """The bank decided for the customer over so much of a charge."""
    with transaction() as session:
        settle_dispute(
            session,
            DisputeOutcome(ref="dp_1", charge_ref=charge, state=DisputeState.LOST,
                           amount=Money(minor, "EUR"), reason="fraud"),
            catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip


def debit_taken_back(parts: Parts, payment: Payment, charge: str) -> None:
    with transaction() as session:
        attempt = session.scalars(
            select(PaymentAttempt).where(PaymentAttempt.gateway_ref == charge)
        ).one()
        settle_charge(
            session, attempt.id,
            ChargeOutcome(charge, ChargeStatus.SUCCEEDED,
                          Money(payment.amount_minor, payment.currency), reversed=True),
            catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip


def tasks(books: Session, *kinds: str) -> list[tuple[str, int | None]]:
    """What the desk is told of these kinds, with the amount."""
    rows = books.scalars(select(DeskTask).where(DeskTask.kind.in_(kinds)).order_by(DeskTask.id))
    return [(row.kind, row.details.get("amount_minor")) for row in rows]


@pytest.mark.parametrize("half", [True, False], ids=["half", "all"])
def test_M6_a_debit_taken_back_after_its_refund_is_told_with_the_amount(
    parts: Parts, books: Session, half: bool
) -> None:
    """A bank gives the whole debit back, refunded or not: the customer has that part two times."""
    invoice = renewed_with(parts, books, DEBIT)
    gross = credited(parts, invoice, half)
    payment, charge = payment_of(books, invoice)
    assert payment.refunded_minor == gross
    debit_taken_back(parts, payment, charge)
    told = tasks(books, "payment_reversed", "refunded_and_reversed")
    assert told == [("refunded_and_reversed", gross)]


def test_M4_a_dispute_of_the_rest_after_a_refund_takes_nothing_twice(
    parts: Parts, books: Session
) -> None:
    invoice = renewed_with(parts, books, CARD)
    gross = credited(parts, invoice, half=True)
    payment, charge = payment_of(books, invoice)
    disputed(parts, charge, payment.amount_minor - gross)
    assert tasks(books, "payment_reversed", "refunded_and_reversed") == [("payment_reversed", None)]


@pytest.mark.parametrize(
    ("taken", "owed"),
    [("the rest", "the refund"), ("all", "nothing"), ("half the refund too", "half the refund")],
)
def test_M6_a_failed_refund_is_owed_but_for_what_the_bank_took(
    parts: Parts, books: Session, taken: str, owed: str
) -> None:
    """The refund comes back after the bank took the rest of the payment, or more than the rest."""
    invoice = renewed_with(parts, books, CARD)
    gross = credited(parts, invoice, half=True)
    payment, charge = payment_of(books, invoice)
    rest = payment.amount_minor - gross
    disputed(
        parts, charge, {"the rest": rest, "all": payment.amount_minor}.get(taken, rest + gross // 2)
    )
    refund = books.scalars(select(Refund).where(Refund.payment_id == payment.id)).one()
    before = get_balance(books, invoice.account_id)
    with transaction() as session:
        settle_refund(
            session, refund.id,
            RefundOutcome(str(refund.gateway_ref), RefundStatus.FAILED,
                          Money(refund.amount_minor, "EUR"), failure_code="expired_card"),
            clock.now(),
        )  # fmt: skip
    books.expire_all()
    expected = {"the refund": gross, "nothing": 0}.get(owed, gross - gross // 2)
    assert get_balance(books, invoice.account_id) - before == expected
    entries = books.scalars(
        select(AccountBalance.amount_minor).where(AccountBalance.refund_id == refund.id)
    ).all()
    assert list(entries) == ([expected] if expected else [])
    mails = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "refund_failed")).all()
    assert {mail.payload["amount_minor"] for mail in mails} == ({expected} if expected else set())


def test_M5_money_taken_back_from_who_pays_by_transfer_now_says_how_to_transfer_it(
    parts: Parts, books: Session
) -> None:
    invoice = renewed_with(parts, books, DEBIT)
    with transaction() as session:
        change_payment_terms(session, invoice.account_id, "bank_transfer", actor=SYSTEM,
                             now=clock.now())  # fmt: skip
    payment, charge = payment_of(books, invoice)
    debit_taken_back(parts, payment, charge)
    told = books.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.topic == "owed_failed", OutboxMessage.account_id == invoice.account_id)
        .order_by(OutboxMessage.id.desc())
    ).first()
    assert told is not None
    assert told.payload["by_transfer"] is True
    assert told.payload["iban"]
    assert told.payload["reference"]


def test_M5_who_owes_for_credits_is_not_told_of_access_that_ends(
    parts: Parts, books: Session
) -> None:
    """A debit for credits fails after they were given: nothing can be suspended for it."""
    with transaction() as session:
        use_method(session, ATELIER, DEBIT_FAILS)
        account_id = account_named(session, ATELIER).id
        settings = TopUpSettings(
            wallet_of(session, account_id).balance + 1_000, "small", Money(1_000_000, "EUR")
        )
        set_auto_top_up(session, account_id, settings, catalogue=parts.catalogue, actor=SYSTEM,
                        now=clock.now())  # fmt: skip
    for days in (0, 1, 5, 8, 12, 29):
        work(parts, NOW + timedelta(days=days, minutes=10))
        work(parts, NOW + timedelta(days=days, minutes=20))
    invoice = books.scalars(
        select(Invoice)
        .where(Invoice.account_id == account_id, Invoice.kind == "wallet")
        .order_by(Invoice.id.desc())
        .limit(1)
    ).one()
    case = case_of(books, invoice)
    assert case is not None
    assert case.suspends_on is None
    mails = books.scalars(
        select(OutboxMessage).where(OutboxMessage.topic.like("owed_%"),
                                    OutboxMessage.account_id == account_id)
    ).all()  # fmt: skip
    assert mails
    assert {mail.payload["access_ends_on"] for mail in mails} == {""}
