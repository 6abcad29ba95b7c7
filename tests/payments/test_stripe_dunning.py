"""An owed renewal with Stripe, from the first decline to the end: retries, the bank's question, debits
that fail or are taken back, suspension and recovery, over HTTP and webhooks (M1, M2, M4, M5, M7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.mail.mailbox import DemoMailbox
from portal.models import DemoMail, DeskTask, Entitlement, Invoice
from portal.parts import Parts
from portal.payments.gateway import GatewayUnknown
from portal.payments.stripe_gateway import StripeGateway
from portal.queries.ledger import REPORTED
from tests.fake_stripe.driver import FakeStripe
from tests.fake_stripe.server import FAULTS
from tests.payments.harness import StripeHarness
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    DEBIT_FAILS,
    DEBIT_REVERSED,
    LOTTE,
    NO_MONEY,
    THREE_D_SECURE,
    plan_item,
)
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    day,
    days_later,
    mails,
    payments,
    renewal_invoice,
    status_of,
    subscription_status,
)
from tests.support.soak import IS_SOAK
from tests.support.stripe_customers import StripeSide
from tests.support.transfers import transferred

LOST = "4000000000009987"


@pytest.fixture
def side(app: Flask, parts: Parts, books: Session, fake_stripe: FakeStripe) -> Iterator[StripeSide]:
    """The portal with Stripe, whose line hangs no longer than a test waits.

    At the end, and after the night that follows, the books agree, and the nightly reconciliation
    put nothing before the desk in all these weeks.
    """
    stripe = StripeHarness(fake_stripe, hang=1)
    mail = DemoMailbox("portal@kanto.example")
    app.extensions["portal"] = replace(parts, gateway=stripe.gateway, mail=mail)
    try:
        here = StripeSide(app, app.extensions["portal"], stripe)
        here.use_stripe_everywhere()
        yield here
        here.books_agree()
        here.work(clock.now() + timedelta(days=1))
        here.books_agree()
        books.expire_all()
        reported = select(DeskTask.details).where(DeskTask.kind == REPORTED)
        # The weekly pass looks at what was before these tests as well, and Stripe never saw that.
        seeds = "demo_pi_seed_"
        assert [d for d in books.scalars(reported) if not d["ref"].startswith(seeds)] == []
        fake_stripe.check()
    finally:
        app.extensions["portal"] = parts


def renewed_with(side: StripeSide, books: Session, number: str) -> Invoice:
    """The renewal was due with that test number as the default method."""
    side.save_method(ATELIER, number)
    side.work(RENEWAL)
    return renewal_invoice(books)


def days_pass(side: StripeSide, *days: int) -> None:
    """The worker runs on each of these days after the renewal."""
    for each in days:
        side.work(days_later(each))


def access(books: Session) -> tuple[str | None, str]:
    """The status of the CRM here, and in the vendor's product."""
    grants = books.scalar(
        select(Entitlement.grants)
        .where(Entitlement.subscription_id == plan_item(books, ATELIER).subscription_id)
        .execution_options(populate_existing=True)
    )
    assert grants is not None
    return subscription_status(books), grants["status"]


def last_mail(books: Session) -> DemoMail:
    """What Lotte found in her mailbox last."""
    query = select(DemoMail).where(DemoMail.recipient == LOTTE).order_by(DemoMail.id.desc())
    found = books.scalars(query).first()
    assert found is not None
    return found


def has_recovered(side: StripeSide, books: Session, invoice: Invoice) -> bool:
    """It is paid, the case is closed, access is there, and the customer was told."""
    case = case_of(books, invoice)
    assert case is not None
    return (
        status_of(books, invoice) == "paid"
        and (case.status, case.suspended_at, case.next_on) == ("recovered", None, None)
        and access(books) == ("active", "active")
        and mails(books, invoice)[-1][0] == "recovered"
    )


def test_M5_declined_retried_asked_by_the_bank_and_paid_on_screen(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, NO_MONEY)
    days_pass(side, 1, 2, 3)
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "declined")]
    [intent] = side.intents(books, invoice)
    assert (intent["status"], intent["amount"]) == ("requires_payment_method", invoice.gross_minor)
    assert mails(books, invoice) == [("failed", day(0)), ("failed", day(2))]

    # Another card, which is charged at once; its bank wants to see the customer.
    side.sign_in()
    side.replace_method(THREE_D_SECURE)
    side.work(days_later(4))
    assert mails(books, invoice)[-1] == ("authentication", day(4))
    assert attempts(books, invoice)[-1] == ("try:3", "declined")
    side.sign_in()  # a day later
    side.follow_mail(last_mail(books).text_body)
    assert invoice.number in side.text
    side.work(days_later(7) - timedelta(hours=11))  # late in the evening before the next try
    side.sign_in()
    side.press_pay(invoice)
    assert "Confirm the payment with your bank" in side.text
    side.work(days_later(7))  # who is at the bank is left alone
    assert len(attempts(books, invoice)) == 4
    side.client.get(f"/invoices/{invoice.number}/payment")
    side.answer_bank(approve=True)
    assert f"Invoice {invoice.number} is paid" in side.text
    side.post()
    assert has_recovered(side, books, invoice)
    assert payments(books, invoice) == ["succeeded"]
    [intent] = side.intents(books, invoice)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", invoice.gross_minor)
    assert side.charges(books, invoice) == ["failed", "failed", "failed", "succeeded"]


def test_M5_nothing_helps_until_it_is_suspended_and_paying_on_screen_brings_all_back(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, THREE_D_SECURE)
    assert mails(books, invoice) == [("authentication", day(0))]
    days_pass(side, 2, 7, 14, 20, 21, 22)
    assert access(books) == ("suspended", "suspended")
    assert mails(books, invoice)[-1] == ("suspended", day(21))
    assert set(side.charges(books, invoice)) == {"failed"}

    side.sign_in()
    side.press_pay(invoice)
    side.answer_bank(approve=False)
    assert "The payment was not confirmed with the bank." in side.text
    assert access(books) == ("suspended", "suspended")
    side.press_pay(invoice)
    side.answer_bank(approve=True)
    side.work(days_later(25))
    assert has_recovered(side, books, invoice)
    assert len(side.intents(books, invoice)) == 1
    assert side.charges(books, invoice).count("succeeded") == 1


def test_M5_the_news_alone_recover_whoever_never_came_back_from_the_bank(
    side: StripeSide, books: Session, fake_stripe: FakeStripe
) -> None:
    invoice = renewed_with(side, books, THREE_D_SECURE)
    days_pass(side, 2)
    side.sign_in()
    side.press_pay(invoice)
    [intent] = side.intents(books, invoice)
    side.stripe.authenticate(intent["id"], approve=True)
    assert status_of(books, invoice) == "open"
    side.post()
    assert has_recovered(side, books, invoice)


def test_M5_a_transfer_that_is_booked_meanwhile_ends_what_waits_at_the_bank(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, THREE_D_SECURE)
    days_pass(side, 2)
    side.sign_in()
    side.press_pay(invoice)
    [intent] = side.intents(books, invoice)
    assert intent["status"] == "requires_action"
    book_transfer_of(side, invoice)
    side.work(days_later(2) + timedelta(hours=1))
    [intent] = side.intents(books, invoice)
    assert intent["status"] == "canceled"
    assert has_recovered(side, books, invoice)
    assert payments(books, invoice) == ["cancelled", "succeeded"]


def test_M5_M1_a_transfer_that_is_booked_while_stripe_is_away_is_the_only_payment(
    side: StripeSide, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_what: object) -> None:
        raise GatewayUnknown("no line")

    with monkeypatch.context() as patched:
        patched.setattr(StripeGateway, "charge", away)
        side.work(RENEWAL)
    invoice = renewal_invoice(books)
    assert attempts(books, invoice) == [("1", "unknown")]
    book_transfer_of(side, invoice)
    for hours in (1, 3):
        side.work(RENEWAL + timedelta(hours=hours))
    assert attempts(books, invoice) == [("1", "cancelled")]
    assert side.intents(books, invoice) == []
    assert (status_of(books, invoice), mails(books, invoice)) == ("paid", [])
    assert "payment_intents.list" in side.stripe.stripe.calls()  # looked up, before it was given up


def book_transfer_of(side: StripeSide, invoice: Invoice) -> None:
    with side.app.app_context():
        transferred(side.parts, invoice)


def test_M5_a_hard_decline_stops_the_tries_and_a_new_card_pays_at_once(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, LOST)
    days_pass(side, 2, 7, 14, 21, 22)
    assert attempts(books, invoice) == [("1", "declined")]
    assert side.charges(books, invoice) == ["failed"]  # Stripe was asked once in three weeks
    assert [kind for kind, _ in mails(books, invoice)] == [
        "failed", "failed", "failed", "last_warning", "suspended",
    ]  # fmt: skip
    assert access(books) == ("suspended", "suspended")

    side.sign_in()
    side.replace_method(CARD)
    side.work(days_later(23))
    assert has_recovered(side, books, invoice)
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "succeeded")]
    assert side.charges(books, invoice) == ["failed", "succeeded"]


def test_M4_a_debit_is_left_alone_until_it_fails_and_then_owed(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, DEBIT_FAILS)
    days_pass(side, 1, 2)
    assert (status_of(books, invoice), case_of(books, invoice)) == ("pending", None)
    assert (side.charges(books, invoice), mails(books, invoice)) == (["pending"], [])
    days_pass(side, 3)
    assert (status_of(books, invoice), access(books)) == ("open", ("active", "active"))
    assert mails(books, invoice) == [("failed", day(3))]
    days_pass(side, 5, 6)  # day 2 of the case: the debit is tried again, and nothing else is done
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "processing")]
    days_pass(side, 8)
    assert side.charges(books, invoice) == ["failed", "failed"]

    side.sign_in()
    side.replace_method(DEBIT)
    side.work(days_later(9))
    assert side.charges(books, invoice) == ["failed", "failed", "pending"]
    assert status_of(books, invoice) == "pending"
    days_pass(side, 12)
    assert has_recovered(side, books, invoice)
    assert len(side.intents(books, invoice)) == 1


def test_M4_what_the_bank_took_back_is_owed_again_and_never_charged_unasked(
    side: StripeSide, books: Session
) -> None:
    invoice = renewed_with(side, books, DEBIT_REVERSED)
    days_pass(side, 4)
    assert (status_of(books, invoice), mails(books, invoice)) == ("paid", [])
    days_pass(side, 18)
    case = case_of(books, invoice)
    assert case is not None
    assert (status_of(books, invoice), case.status, case.started_on) == ("open", "open", day(18))
    days_pass(side, 20, 25, 32, 39, 40)
    assert payments(books, invoice) == ["reversed"]
    assert attempts(books, invoice) == [("1", "succeeded")]
    assert side.charges(books, invoice) == ["disputed"]
    assert access(books) == ("suspended", "suspended")

    side.sign_in()
    side.replace_method(CARD)
    side.work(days_later(41))
    assert has_recovered(side, books, invoice)
    assert payments(books, invoice) == ["reversed", "succeeded"]
    assert side.charges(books, invoice) == ["disputed", "succeeded"]


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS if IS_SOAK else ["reset_after"])
def test_M1_M5_a_retry_whose_answer_is_lost_is_one_charge(
    side: StripeSide, books: Session, fake_stripe: FakeStripe, fault: str
) -> None:
    invoice = renewed_with(side, books, NO_MONEY)
    side.save_method(ATELIER, CARD)
    fake_stripe.fail(fault, "payment_intents.confirm", times=3)  # the package's own tries as well
    days_pass(side, 2)
    for hours in (1, 3, 26, 50):
        side.work(days_later(2) + timedelta(hours=hours))
    assert has_recovered(side, books, invoice)
    assert side.charges(books, invoice).count("succeeded") == 1
    assert len(side.intents(books, invoice)) == 1
