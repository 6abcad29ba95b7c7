"""Owed invoices from the first failure to the end: retries, mails, suspension, recovery (M5, M4, Q3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.jobs import dunning as dunning_job
from portal.jobs.dunning import run_dunning
from portal.models import (
    Account,
    DeskTask,
    DunningCase,
    Entitlement,
    Invoice,
    OutboxMessage,
    Payment,
)
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.services.crediting import credit_invoice
from portal.services.invoice_charges import pay_invoice
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    DEBIT_FAILS,
    DEBIT_REVERSED,
    LOTTE,
    NO_MONEY,
    THREE_D_SECURE,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    plan_item,
    use_method,
)
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    charges_of,
    day,
    days_later,
    mails,
    new_method,
    payments,
    status_of,
    subscription_status,
    switch_method,
    unpaid_renewal,
    work,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

LOST = "4000000000009987"
STAGES = (1, 2, 7, 14, 21, 22)
"""Days on which the worker runs: each stage, and the days around."""


def entitlement(books: Session) -> str:
    key = plan_item(books, ATELIER).subscription_id
    return str(
        books.scalar(
            select(Entitlement.grants)
            .where(Entitlement.subscription_id == key)
            .execution_options(populate_existing=True)
        )["status"]  # type: ignore[index]
    )


def test_M5_days_2_7_14_21_each_one_try_and_one_mail_then_suspended(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    case = case_of(books, invoice)
    assert case is not None
    assert (case.started_on, case.next_on, case.suspends_on) == (day(0), day(2), day(21))
    for days in (1, 2, 2, 3, 7, 8, 14, 20, 21, 22, 29):
        work(parts, days_later(days))
    for hours in (3, 5):  # the worker runs often
        run_dunning(parts, {}, days_later(29) + timedelta(hours=hours))
    assert attempts(books, invoice) == [
        ("1", "declined"), ("try:2", "declined"), ("try:3", "declined"), ("try:4", "declined"),
        ("try:5", "declined"),
    ]  # fmt: skip
    assert payments(books, invoice) == ["failed"]
    assert charges_of(books, invoice) == ["declined"]  # one charge, tried again
    assert mails(books, invoice) == [
        ("failed", day(0)), ("failed", day(2)), ("failed", day(7)), ("last_warning", day(14)),
        ("suspended", day(21)),
    ]  # fmt: skip
    account = account_named(books, ATELIER)
    assert mails(books, invoice, account.billing_email) == mails(books, invoice)
    assert subscription_status(books) == "suspended"
    assert entitlement(books) == "suspended"


def test_M5_a_worker_down_for_weeks_does_each_step_once_and_warns_before_it_suspends(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    work(parts, days_later(40))
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "declined")]
    assert mails(books, invoice) == [("failed", day(0)), ("suspended", day(40))]
    assert subscription_status(books) == "suspended"
    case = case_of(books, invoice)
    assert case is not None
    assert (case.step, case.suspends_on) == (4, day(21))


def test_M5_a_hard_decline_is_not_tried_again_but_mails_and_suspension_go_on(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, LOST)
    for days in STAGES:
        work(parts, days_later(days))
    assert attempts(books, invoice) == [("1", "declined")]
    assert [kind for kind, _ in mails(books, invoice)] == [
        "failed", "failed", "failed", "last_warning", "suspended",
    ]  # fmt: skip
    assert subscription_status(books) == "suspended"


@pytest.mark.parametrize("days", [1, 15, 25])
def test_M5_a_new_method_collects_at_once_and_access_comes_back_by_itself(
    books: Session, parts: Parts, days: int
) -> None:
    invoice = unpaid_renewal(parts, books, LOST)
    for passed in (stage for stage in STAGES if stage <= days):
        work(parts, days_later(passed))
    new_method(CARD, times=2)
    work(parts, days_later(days))
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "succeeded")]
    assert payments(books, invoice) == ["succeeded"]
    assert charges_of(books, invoice) == ["succeeded"]
    assert status_of(books, invoice) == "paid"
    assert subscription_status(books) == "active"
    assert mails(books, invoice)[-1] == ("recovered", day(days))
    case = case_of(books, invoice)
    assert case is not None
    assert (case.status, case.suspended_at, case.next_on) == ("recovered", None, None)
    if days > 21:
        assert entitlement(books) == "active"


def test_M5_authentication_has_its_own_mail_and_is_confirmed_on_session(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, THREE_D_SECURE)
    assert mails(books, invoice) == [("authentication", day(0))]
    mail = books.scalars(
        select(OutboxMessage).where(OutboxMessage.topic == "owed_authentication")
    ).first()
    assert mail is not None
    assert mail.payload["owed_minor"] == invoice.gross_minor


def test_M4_an_accepted_debit_is_left_alone_until_it_fails_and_then_owed(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, DEBIT_FAILS)
    assert (status_of(books, invoice), case_of(books, invoice)) == ("pending", None)
    work(parts, days_later(2))
    assert (mails(books, invoice), attempts(books, invoice)) == ([], [("1", "processing")])
    work(parts, days_later(4))
    assert status_of(books, invoice) == "open"
    assert mails(books, invoice) == [("failed", day(4))]
    case = case_of(books, invoice)
    assert case is not None
    assert case.started_on == day(4)
    work(parts, days_later(6))  # day 2 of the case: another debit runs
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "processing")]
    work(parts, days_later(8))
    assert len(mails(books, invoice)) == 1
    work(parts, days_later(10))
    assert [kind for kind, _ in mails(books, invoice)] == ["failed", "failed"]


def test_M5_M4_a_debit_that_is_accepted_gives_access_back_and_takes_it_again_when_it_fails(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, LOST)
    for days in STAGES:
        work(parts, days_later(days))
    switch_method(DEBIT_FAILS)
    with transaction() as own:
        attempt_id = pay_invoice(
            own, invoice.account_id, invoice.number, shown=Money(invoice.gross_minor, "EUR"),
            actor=actor_of(own, LOTTE), now=clock.now(),
        )  # fmt: skip
    assert collected(parts, attempt_id)
    assert (status_of(books, invoice), subscription_status(books)) == ("pending", "active")
    work(parts, days_later(23))
    assert subscription_status(books) == "active"
    work(parts, days_later(27))
    assert (status_of(books, invoice), subscription_status(books)) == ("open", "suspended")
    assert mails(books, invoice)[-2:] == [("suspended", day(21)), ("suspended", day(27))]


def test_M4_a_dispute_after_success_opens_a_case_and_nothing_is_charged_unasked(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, DEBIT_REVERSED)
    work(parts, days_later(4))
    assert status_of(books, invoice) == "paid"
    work(parts, days_later(18))
    case = case_of(books, invoice)
    assert case is not None
    assert (status_of(books, invoice), case.status, case.started_on) == ("open", "open", day(18))
    for days in (20, 25, 32, 39, 40):
        work(parts, days_later(days))
    assert attempts(books, invoice) == [("1", "succeeded")]
    assert payments(books, invoice) == ["reversed"]
    assert subscription_status(books) == "suspended"
    new_method(CARD)
    work(parts, days_later(41))
    assert payments(books, invoice) == ["reversed", "succeeded"]
    assert (status_of(books, invoice), subscription_status(books)) == ("paid", "active")


def test_M4_M5_money_that_came_and_is_taken_back_opens_the_same_case_anew(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(DEBIT_REVERSED)
    work(parts, days_later(2))  # the retry is a debit now
    work(parts, days_later(6))
    case = case_of(books, invoice)
    assert case is not None
    assert (status_of(books, invoice), case.status) == ("paid", "recovered")
    work(parts, days_later(20))
    case = case_of(books, invoice)
    assert case is not None
    assert (case.status, case.started_on, case.step) == ("open", day(20), 0)


def test_Q3_an_order_whose_debit_fails_later_is_owed_like_a_renewal(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, DEBIT_FAILS)
    order = order_ready_to_pay(parts)
    assert collected(parts, order.attempt_id)
    work(parts, NOW + timedelta(days=4))
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.order_id)).one()
    case = case_of(books, invoice)
    assert case is not None
    assert (invoice.status, case.status) == ("open", "open")
    assert [kind for kind, _ in mails(books, invoice)] == ["failed"]
    for days in (6, 9, 11, 14, 18, 21, 25):
        work(parts, NOW + timedelta(days=days))
    # Each retry is a debit that fails three days later.
    assert subscription_status(books) in ("active", "suspended")
    new_method(CARD)
    work(parts, NOW + timedelta(days=30))
    assert status_of(books, invoice) == "paid"
    assert subscription_status(books) == "active"


def test_M5_suspended_at_the_next_renewal_ends_without_another_invoice(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    for days in STAGES:
        work(parts, days_later(days))
    account = account_named(books, ATELIER)
    invoices = select(Invoice.id).where(
        Invoice.account_id == account.id, Invoice.kind == "renewal",
        Invoice.subscription_id == invoice.subscription_id,
    )  # fmt: skip
    before = list(books.scalars(invoices))
    work(parts, days_later(100))
    assert list(books.scalars(invoices)) == before
    assert subscription_status(books) == "ended"
    assert entitlement(books) == "ended"
    case = case_of(books, invoice)
    assert case is not None
    assert (case.status, case.next_on) == ("ended", None)
    assert mails(books, invoice)[-1] == ("ended", day(100))
    assert status_of(books, invoice) == "open"  # still owed, and still to be paid on screen
    work(parts, days_later(130))
    assert len(attempts(books, invoice)) == 5


@pytest.mark.forges_rows
def test_M5_bank_transfers_go_through_the_same_stages_from_the_due_date(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, CARD)
    with transaction() as own:  # as if it had to be transferred
        row = own.get_one(Invoice, invoice.id)
        row.status, row.payment_terms, row.paid_minor, row.paid_at = (
            "open",
            "bank_transfer",
            0,
            None,
        )
        row.due_on = day(30)
        for payment in own.scalars(select(Payment).where(Payment.invoice_id == invoice.id)):
            payment.invoice_id = None
    work(parts, days_later(30))
    assert case_of(books, invoice) is None
    for days in (31, 32, 37, 44, 51, 52):
        work(parts, days_later(days))
    case = case_of(books, invoice)
    assert case is not None
    assert (case.started_on, case.suspends_on) == (day(30), day(51))
    assert attempts(books, invoice) == []
    assert mails(books, invoice) == [
        ("failed", day(31)), ("failed", day(32)), ("failed", day(37)), ("last_warning", day(44)),
        ("suspended", day(51)),
    ]  # fmt: skip
    assert subscription_status(books) == "suspended"


def test_M5_a_credited_invoice_closes_its_case_and_is_cancelled_at_the_provider(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    for days in STAGES:
        work(parts, days_later(days))
    assert subscription_status(books) == "suspended"
    with transaction() as own:
        credit_invoice(
            own, own.get_one(Invoice, invoice.id), reason="other", catalogue=parts.catalogue,
            actor=actor_of(own, LOTTE), now=clock.now(),
        )  # fmt: skip
    case = case_of(books, invoice)  # at once, without a round of the worker
    assert case is not None
    assert case.status == "recovered"
    assert subscription_status(books) == "active"
    assert entitlement(books) == "active"
    work(parts, days_later(23))
    assert mails(books, invoice)[-1] == ("recovered", day(22))
    assert payments(books, invoice) == ["cancelled"]
    assert charges_of(books, invoice) == ["cancelled"]


@pytest.mark.parametrize("fault", list(Fault))
def test_M1_a_retry_without_an_answer_is_asked_again_with_the_same_key(
    books: Session, parts: Parts, fault: Fault
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(CARD)
    gateway = parts.gateway
    assert isinstance(gateway, DemoGateway)
    gateway.faults.append(fault)
    try:
        work(parts, days_later(2))
        assert attempts(books, invoice)[1][0] == "try:2"
        for minutes in (5, 30, 60):
            work(parts, days_later(2) + timedelta(minutes=minutes))
    finally:
        gateway.faults.clear()
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "succeeded")]
    assert charges_of(books, invoice) == ["succeeded"]
    assert status_of(books, invoice) == "paid"


def test_M5_one_case_that_fails_does_not_keep_the_others_waiting(
    books: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = unpaid_renewal(parts, books, LOST)
    with transaction() as own:
        other = own.scalars(select(Invoice).where(Invoice.id != invoice.id)).first()
        assert other is not None
        own.add(DunningCase(
            account_id=other.account_id, invoice_id=other.id, started_on=day(0), step=0,
            next_on=day(2), suspends_on=day(21), status="open", opened_at=RENEWAL,
        ))  # fmt: skip
    real = dunning_job.attend

    def poisoned(session: Session, batch: Any, **more: Any) -> None:
        if any(one.invoice_id == other.id for one in batch):
            raise RuntimeError("poisoned")
        real(session, batch, **more)

    monkeypatch.setattr(dunning_job, "attend", poisoned)
    clock.fix(days_later(2))
    run_dunning(parts, {}, days_later(2))
    assert mails(books, invoice)[-1] == ("failed", day(2))
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "dunning_stuck")).one()
    assert task.details["invoice_id"] == other.id


def test_M5_a_card_account_without_a_method_is_reminded_too(books: Session, parts: Parts) -> None:
    with transaction() as own:
        account = account_named(own, ATELIER)
        account_id = account.id
        use_method(own, ATELIER, CARD)
        from portal.models import PaymentMethod

        for method in own.scalars(
            select(PaymentMethod).where(PaymentMethod.account_id == account.id)
        ):
            method.is_default, method.removed_at = False, NOW
    work(parts, RENEWAL)
    invoice = books.scalars(
        select(Invoice).where(
            Invoice.account_id == account_id, Invoice.kind == "renewal", Invoice.status == "open"
        )
    ).one()
    work(parts, days_later(1))
    assert [kind for kind, _ in mails(books, invoice)] == ["failed"]
    new_method(CARD)
    work(parts, days_later(1) + timedelta(hours=1))
    assert status_of(books, invoice) == "paid"
    assert books.get_one(Account, account_id).payment_terms == "automatic"


def test_M4_a_debit_that_is_paid_in_the_end_recovers(books: Session, parts: Parts) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(DEBIT)
    work(parts, days_later(2))
    assert status_of(books, invoice) == "pending"
    work(parts, days_later(6))
    assert status_of(books, invoice) == "paid"
    assert mails(books, invoice) == [("failed", day(0)), ("recovered", day(6))]


@pytest.mark.forges_rows
def test_M5_I3_what_was_invoiced_ahead_is_credited_when_the_subscription_ends(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, CARD)
    with transaction() as own:  # as if it had to be transferred, late in its quarter
        row = own.get_one(Invoice, invoice.id)
        row.status, row.payment_terms, row.paid_minor = "open", "bank_transfer", 0
        row.paid_at, row.due_on = None, day(58)
        own.get_one(Account, row.account_id).payment_terms = "bank_transfer"
        for payment in own.scalars(select(Payment).where(Payment.invoice_id == invoice.id)):
            payment.invoice_id = None
    for days in (59, 77, 79, 80):
        work(parts, days_later(days))
    assert subscription_status(books) == "suspended"
    ahead = books.scalars(
        select(Invoice).where(
            Invoice.subscription_id == invoice.subscription_id, Invoice.id > invoice.id
        )
    ).one()
    assert ahead.status == "open"
    work(parts, days_later(100))
    assert subscription_status(books) == "ended"
    assert status_of(books, ahead) == "credited"
    assert status_of(books, invoice) == "open"
    case = case_of(books, invoice)
    assert case is not None
    assert case.status == "ended"
