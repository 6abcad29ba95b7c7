"""Paid by transfer while the charge was on its way: the card is not charged as well (M5, M1, M3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.domain.payment_methods import NeedKind
from portal.models import Account, AccountBalance, Invoice, Job, Payment, PaymentAttempt
from portal.parts import Parts
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import GatewayUnknown, Patience
from portal.queries.method_needs import list_owed
from portal.services.charge_cancelling import cancel_payment
from portal.services.collecting import refresh_attempt
from portal.services.dunning import attend_invoice
from portal.services.invoice_charges import pay_invoice
from portal.services.renewals import renew_subscription
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT_FAILS,
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
    days_later,
    mails,
    payments,
    status_of,
    switch_method,
    unpaid_renewal,
    work,
)
from tests.support.transfers import transferred

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")


class Line:
    """The line to the provider, and what its charges meet there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # No news of the provider's: whoever asks is told, and nobody else.
        monkeypatch.setattr("portal.jobs.worker.deliver_demo_events", lambda *_: 0)
        self.monkeypatch = monkeypatch

    @contextmanager
    def loses(self, fault: Fault, *calls: str) -> Iterator[None]:
        """The answers of these calls are lost meanwhile, before or after their effect."""
        with self.monkeypatch.context() as patched:
            for name in calls or ("charge", "retry_charge"):
                patched.setattr(DemoGateway, name, _lost(getattr(DemoGateway, name), fault))
            yield


def _lost(call: Callable[..., Any], fault: Fault) -> Callable[..., Any]:
    def lost(*what: Any) -> Any:
        if fault is Fault.AFTER:
            call(*what)
        raise GatewayUnknown(fault)

    return lost


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def reserved_renewal(parts: Parts, books: Session, number: str = CARD) -> Invoice:
    """The renewal was invoiced, and no worker has collected it yet."""
    with transaction() as own:
        use_method(own, ATELIER, number)
    clock.fix(RENEWAL)
    item = plan_item(books, ATELIER)
    with transaction() as own:
        renew_subscription(
            own, account_named(own, ATELIER).id, item.subscription_id,
            catalogue=parts.catalogue, now=clock.now(),
        )  # fmt: skip
    return books.scalars(
        select(Invoice)
        .where(Invoice.subscription_id == item.subscription_id)
        .order_by(Invoice.id.desc())
    ).first()  # type: ignore[return-value]


def looked_after(parts: Parts, *hours: int) -> None:
    """The worker runs that many hours after the renewal."""
    for each in hours:
        work(parts, RENEWAL + timedelta(hours=each))


def last_attempt(session: Session) -> PaymentAttempt:
    """The attempt that was reserved last."""
    query = select(PaymentAttempt).order_by(PaymentAttempt.id.desc()).limit(1)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def balance(books: Session, invoice: Invoice) -> list[tuple[str, int]]:
    """What is owed to the customer since, for whatever reason."""
    rows = books.execute(
        select(AccountBalance.reason, AccountBalance.amount_minor).where(
            AccountBalance.account_id == invoice.account_id, AccountBalance.at >= RENEWAL
        )
    )
    return [(reason, minor) for reason, minor in rows]


def asked_on_screen(parts: Parts, invoice: Invoice) -> None:
    """The customer pays on screen, and the bank wants a confirmation."""
    switch_method(THREE_D_SECURE)
    with transaction() as own:
        attempt_id = pay_invoice(
            own, invoice.account_id, invoice.number,
            shown=Money(invoice.gross_minor, invoice.currency), actor=actor_of(own, LOTTE),
            now=clock.now(),
        )  # fmt: skip
    assert collected(parts, attempt_id)


# --- the provider was away (scenario A) ----------------------------------------------------------


def test_M5_what_was_reserved_is_not_called_once_the_invoice_is_paid(
    books: Session, parts: Parts
) -> None:
    invoice = reserved_renewal(parts, books)
    assert attempts(books, invoice) == [("1", "reserved")]
    transferred(parts, invoice)
    looked_after(parts, 1, 3)
    assert attempts(books, invoice) == [("1", "cancelled")]
    assert charges_of(books, invoice) == []
    assert payments(books, invoice) == ["cancelled", "succeeded"]
    assert (status_of(books, invoice), balance(books, invoice)) == ("paid", [])
    assert case_of(books, invoice) is None


def test_M5_what_is_unknown_is_looked_up_and_not_called_again(
    books: Session, parts: Parts, line: Line
) -> None:
    invoice = reserved_renewal(parts, books)
    with line.loses(Fault.BEFORE, "charge", "find_charge"):
        looked_after(parts, 0)
        assert attempts(books, invoice) == [("1", "unknown")]
        transferred(parts, invoice)
        looked_after(parts, 1)  # still away: nothing is known, and nothing is given up
        assert attempts(books, invoice) == [("1", "unknown")]
    looked_after(parts, 5, 8)
    assert attempts(books, invoice) == [("1", "cancelled")]
    assert charges_of(books, invoice) == []
    assert (status_of(books, invoice), balance(books, invoice)) == ("paid", [])
    assert mails(books, invoice) == []


@pytest.mark.parametrize("left_as", ["reserved", "unknown"])
def test_M1_money_that_had_come_by_then_is_the_truth_and_owed_to_the_customer(
    books: Session, parts: Parts, line: Line, left_as: str
) -> None:
    """`reserved`: the process died with the answer of its call."""
    invoice = reserved_renewal(parts, books)
    with line.loses(Fault.AFTER):
        looked_after(parts, 0)
    with transaction() as own:
        last_attempt(own).status = left_as
    transferred(parts, invoice)
    looked_after(parts, 1)
    assert attempts(books, invoice) == [("1", "succeeded")]
    assert charges_of(books, invoice) == ["succeeded"]
    assert balance(books, invoice) == [("overpayment", invoice.gross_minor)]


def test_M5_a_charge_that_was_made_and_declined_is_cancelled_there(
    books: Session, parts: Parts, line: Line
) -> None:
    invoice = reserved_renewal(parts, books, NO_MONEY)
    with line.loses(Fault.AFTER):
        looked_after(parts, 0)
    assert attempts(books, invoice) == [("1", "unknown")]
    transferred(parts, invoice)
    looked_after(parts, 1)
    assert attempts(books, invoice) == [("1", "cancelled")]
    assert charges_of(books, invoice) == ["cancelled"]
    assert case_of(books, invoice) is None


@pytest.mark.parametrize("fault", [None, *Fault])
def test_M5_a_dunning_retry_is_not_made_any_more(
    books: Session, parts: Parts, line: Line, fault: Fault | None
) -> None:
    """Reserved only, or tried while the line was down: before its effect, or (AFTER) paid."""
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(CARD)
    clock.fix(days_later(2))
    if fault is None:
        with transaction() as own:
            row = own.get_one(Invoice, invoice.id)
            account = own.get_one(Account, invoice.account_id)
            attend_invoice(own, account, row, catalogue=parts.catalogue, now=clock.now())
    else:
        with line.loses(fault):
            work(parts, days_later(2))
    assert attempts(books, invoice)[1] == ("try:2", "unknown" if fault else "reserved")
    transferred(parts, invoice)
    for minutes in (5, 40):
        work(parts, days_later(2) + timedelta(minutes=minutes))
    was_charged = fault is Fault.AFTER
    ended = "succeeded" if was_charged else "cancelled"
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", ended)]
    assert charges_of(books, invoice) == [ended]
    owed = [("overpayment", invoice.gross_minor)] if was_charged else []
    assert balance(books, invoice) == owed
    case = case_of(books, invoice)
    assert case is not None
    assert case.status == "recovered"


# --- the customer was paying on screen (scenario B) ----------------------------------------------


def test_M5_what_waits_for_a_confirmation_is_cancelled_and_cannot_be_confirmed(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    asked_on_screen(parts, invoice)
    assert attempts(books, invoice)[1] == ("try:2", "requires_action")
    transferred(parts, invoice)
    looked_after(parts, 1)
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "cancelled")]
    assert charges_of(books, invoice) == ["cancelled"]
    assert payments(books, invoice) == ["cancelled", "succeeded"]


def test_M5_also_where_there_was_no_case(books: Session, parts: Parts, line: Line) -> None:
    invoice = reserved_renewal(parts, books, THREE_D_SECURE)
    with transaction() as own:  # as it is paid by whoever had no method when it was invoiced
        last_attempt(own).on_session = True
    attempt_id = last_attempt(books).id
    assert collected(parts, attempt_id)
    assert attempts(books, invoice) == [("1", "requires_action")]
    assert case_of(books, invoice) is None
    transferred(parts, invoice)
    cancelling = select(Job.payload).where(Job.kind == "cancel_charge")
    assert books.scalars(cancelling).one() == {"payment_id": last_attempt(books).payment_id}
    looked_after(parts, 1)
    assert attempts(books, invoice) == [("1", "cancelled")]
    assert charges_of(books, invoice) == ["cancelled"]


def test_M2_a_confirmation_that_came_first_is_settled_and_owed_to_the_customer(
    books: Session, parts: Parts, line: Line
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    asked_on_screen(parts, invoice)
    demo_hosted_page.answer_challenge(last_attempt(books).gateway_ref or "", approve=True)
    transferred(parts, invoice)
    looked_after(parts, 1)
    assert attempts(books, invoice)[1] == ("try:2", "succeeded")
    assert balance(books, invoice) == [("overpayment", invoice.gross_minor)]


def test_M5_whoever_is_back_from_the_bank_finds_it_cancelled_before_the_job_came(
    books: Session, parts: Parts
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    asked_on_screen(parts, invoice)
    transferred(parts, invoice)
    assert refresh_attempt(
        transaction, parts.gateway, last_attempt(books).id, catalogue=parts.catalogue,
        public_url=parts.settings.public_url, patience=Patience.ON_SCREEN, now=clock.now,
    )  # fmt: skip
    assert charges_of(books, invoice) == ["cancelled"]


def test_M1_what_is_owed_again_by_then_is_left_to_its_own_way(books: Session, parts: Parts) -> None:
    """The job comes late, and the booking was taken back: nothing of it is cancelled."""
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    asked_on_screen(parts, invoice)
    payment_id = books.scalars(select(Payment.id).where(Payment.invoice_id == invoice.id)).one()
    assert cancel_payment(
        transaction, parts.gateway, payment_id, catalogue=parts.catalogue,
        patience=Patience.BACKGROUND, now=clock.now,
    )  # fmt: skip
    assert attempts(books, invoice)[1] == ("try:2", "requires_action")
    assert charges_of(books, invoice) == ["requires_action"]


def test_Q3_an_orders_debit_that_is_tried_again_is_not_called_failed(
    books: Session, parts: Parts
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, DEBIT_FAILS)
    order = order_ready_to_pay(parts)
    collected(parts, order.attempt_id)
    later = clock.now() + timedelta(days=4)
    work(parts, later)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.order_id)).one()
    assert invoice.status == "open"
    switch_method(CARD)
    with transaction() as own:
        pay_invoice(
            own, invoice.account_id, invoice.number,
            shown=Money(invoice.gross_minor, invoice.currency), actor=actor_of(own, LOTTE),
            now=clock.now(),
        )  # fmt: skip
    transferred(parts, invoice)
    work(parts, later + timedelta(hours=1))
    assert [status for _key, status in attempts(books, invoice)] == ["declined", "cancelled"]
    assert status_of(books, invoice) == "paid"
    case = case_of(books, invoice)
    assert case is not None
    assert case.status == "recovered"


# --- the method stays while that is open ---------------------------------------------------------


def test_M3_the_method_is_needed_until_the_outcome_is_known(books: Session, parts: Parts) -> None:
    invoice = reserved_renewal(parts, books)
    transferred(parts, invoice)

    def needs() -> list[tuple[NeedKind, str]]:
        with transaction() as own:
            found = list_owed(own.connection(), invoice.account_id)
            return [(need.kind, need.name) for need in found if need.name == invoice.number]

    assert needs() == [(NeedKind.PAYMENT, invoice.number)]
    looked_after(parts, 1)
    assert needs() == []
