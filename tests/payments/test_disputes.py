"""Disputes on both adapters: told by the provider, found where no webhook told of them (M4, M2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.disputes import DisputeState
from portal.domain.money import Money
from portal.jobs.collection import look_after_payments
from portal.jobs.reconciliation import reconcile_payments, reconcile_reversible
from portal.models import (
    AccountBalance,
    DeskTask,
    DunningCase,
    Invoice,
    Payment,
    PaymentDispute,
    Refund,
)
from portal.parts import Parts
from portal.payments.gateway import ChargeStatus, GatewayRefused, RefundRequest
from portal.services.audit import SYSTEM
from portal.services.crediting import credit_invoice
from portal.services.gateway_events import receive_event
from portal.services.invoice_paying import receive_payment
from portal.services.locks import lock_account
from tests.conftest import NOW
from tests.fake_stripe.driver import WEBHOOK_SECRET, FakeStripe
from tests.fake_stripe.postman import sign
from tests.payments.harness import Harness, StripeHarness
from tests.payments.test_contract import SCREEN, charge
from tests.support.buying import ATELIER, CARD, DEBIT_REVERSED, collected, order_ready_to_pay
from tests.support.ledger import the_books_agree
from tests.support.stripe_customers import save_at_stripe

LOST, WON = "4000000000000259", "4000000000002685"
DAY = timedelta(days=1)


@pytest.fixture
def stripe(fake_stripe: FakeStripe, app_context: None) -> Iterator[StripeHarness]:
    yield StripeHarness(fake_stripe)
    fake_stripe.check()


@pytest.fixture
def paying(parts: Parts, stripe: StripeHarness) -> Parts:
    """The portal's parts with Stripe as their gateway."""
    return replace(parts, gateway=stripe.gateway)


# --- the contract of the port ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "ends_as"), [(LOST, DisputeState.LOST), (WON, DisputeState.WON)]
)
def test_M4_a_cards_dispute_takes_the_money_and_is_decided_later(
    provider: Harness, number: str, ends_as: DisputeState
) -> None:
    began = clock.now()
    paid = charge(provider, number)
    assert paid.status is ChargeStatus.SUCCEEDED
    provider.pass_days(6)
    (dispute,) = provider.gateway.list_disputes(began, clock.now() + DAY)
    assert dispute.charge_ref == paid.ref
    assert (dispute.state, dispute.amount) == (DisputeState.TAKEN, paid.amount)
    with pytest.raises(GatewayRefused) as refused:
        provider.gateway.refund(
            RefundRequest("refund:1", paid.ref, Money(100, "EUR"), "refund:1"), SCREEN
        )
    assert refused.value.code == "charge_reversed"
    provider.pass_days(31)
    assert provider.gateway.get_dispute(dispute.ref, SCREEN).state is ends_as
    (record,) = provider.gateway.list_charges(began, clock.now() + DAY)
    assert (record.disputed, record.reversed) == (True, False)


def test_a_dispute_that_is_not_known_is_refused(provider: Harness) -> None:
    with pytest.raises(GatewayRefused, match="dispute_unknown"):
        provider.gateway.get_dispute("dp_of_nobody", SCREEN)


# --- what the portal makes of it ----------------------------------------------------------------


def news(paying: Parts, stripe: StripeHarness, kind: str) -> str:
    """The provider's latest event of a kind arrives."""
    event = [e for e in stripe.stripe.things("event") if e["type"] == f"charge.dispute.{kind}"][-1]
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": sign(body, WEBHOOK_SECRET, int(clock.now().timestamp()))}
    return receive_event(body, headers, gateway=paying.gateway, transaction=transaction,
                         catalogue=paying.catalogue, now=clock.now())  # fmt: skip


def paid_order(paying: Parts, stripe: StripeHarness) -> tuple[int, str]:
    """An order paid by card at Stripe: its id, and its charge."""
    save_at_stripe(stripe, ATELIER, CARD)
    order = order_ready_to_pay(paying)
    assert collected(paying, order.attempt_id)
    return order.order_id, stripe.stripe.things("payment_intent")[0]["id"]


def seen(books: Session, order_id: int) -> tuple[str, str, int, str | None]:
    """Payment, invoice, what is paid of it, and its case."""
    books.expire_all()
    payment = books.scalars(select(Payment).where(Payment.order_id == order_id)).first()
    assert payment is not None
    invoice = books.get_one(Invoice, payment.invoice_id)
    case = books.scalar(select(DunningCase.status).where(DunningCase.invoice_id == invoice.id))
    return payment.status, invoice.status, invoice.paid_minor, case


def balance(books: Session) -> list[int]:
    books.expire_all()
    return list(books.scalars(select(AccountBalance.amount_minor).order_by(AccountBalance.id)))


def tasks(books: Session) -> list[str]:
    books.expire_all()
    return list(books.scalars(select(DeskTask.kind).order_by(DeskTask.id)))


def test_M4_a_lost_dispute_reopens_the_invoice_and_nothing_is_charged_unasked(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    dispute = stripe.stripe.act("dispute", intent=intent)["id"]
    assert [news(paying, stripe, kind) for kind in ("created", "funds_withdrawn")] == [
        "applied"
    ] * 2
    assert seen(books, order_id) == ("reversed", "open", 0, "open")
    assert {"payment_disputed", "payment_reversed"} <= set(tasks(books))
    the_books_agree(paying, since=NOW)
    stripe.stripe.act("close_dispute", dispute=dispute, status="lost")
    assert news(paying, stripe, "closed") == "applied"
    assert seen(books, order_id) == ("reversed", "open", 0, "open")
    case = books.scalars(select(DunningCase)).one()
    assert case.stopped_because == "taken_back"
    assert len(stripe.stripe.things("payment_intent")) == 1
    the_books_agree(paying, since=NOW)


def test_M4_a_dispute_that_is_won_pays_the_invoice_again_in_any_order_of_news(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    dispute = stripe.stripe.act("dispute", intent=intent)["id"]
    news(paying, stripe, "funds_withdrawn")
    stripe.stripe.act("close_dispute", dispute=dispute, status="won")
    for kind in ("closed", "created", "funds_reinstated"):
        assert news(paying, stripe, kind) == "applied"
    assert seen(books, order_id) == ("succeeded", "paid", 9_574, "recovered")
    assert balance(books) == []
    the_books_agree(paying, since=NOW)


def test_M2_an_inquiry_takes_nothing_until_the_money_is_withdrawn(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    stripe.stripe.act("dispute", intent=intent, status="warning_needs_response", withdrawn=False)
    news(paying, stripe, "created")
    assert seen(books, order_id) == ("succeeded", "paid", 9_574, None)
    assert "payment_disputed" in tasks(books)
    assert "payment_reversed" not in tasks(books)
    the_books_agree(paying, since=NOW)


def test_M4_a_dispute_of_a_part_is_for_people(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    stripe.stripe.act("dispute", intent=intent, amount=1_000)
    news(paying, stripe, "funds_withdrawn")
    assert seen(books, order_id) == ("succeeded", "paid", 9_574, None)
    assert "payment_disputed" in tasks(books)
    the_books_agree(paying, since=NOW)


def test_M4_M6_money_that_comes_back_to_an_invoice_paid_otherwise_is_owed(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    dispute = stripe.stripe.act("dispute", intent=intent)["id"]
    news(paying, stripe, "funds_withdrawn")
    with transaction() as session:  # the customer transferred it
        first = session.scalars(select(Payment).where(Payment.order_id == order_id)).one()
        lock_account(session, first.account_id)
        invoice = session.get_one(Invoice, first.invoice_id)
        transfer = Payment(
            account_id=first.account_id, invoice_id=invoice.id, kind="bank_transfer",
            amount_minor=9_574, currency="EUR", status="succeeded", created_at=clock.now(),
            received_on=clock.now().date(),
        )  # fmt: skip
        session.add(transfer)
        session.flush()
        receive_payment(session, invoice, transfer, clock.now())
    stripe.stripe.act("close_dispute", dispute=dispute, status="won")
    news(paying, stripe, "closed")
    assert seen(books, order_id)[:3] == ("succeeded", "paid", 9_574)
    assert balance(books) == [9_574]
    the_books_agree(paying, since=NOW)


def test_M6_an_invoice_credited_while_its_money_was_gone_is_given_back_once(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    dispute = stripe.stripe.act("dispute", intent=intent)["id"]
    news(paying, stripe, "funds_withdrawn")
    with transaction() as session:
        payment = session.scalars(select(Payment).where(Payment.order_id == order_id)).one()
        credit_invoice(
            session, session.get_one(Invoice, payment.invoice_id), reason="renewal_changed",
            catalogue=paying.catalogue, actor=SYSTEM, now=clock.now(),
        )  # fmt: skip
    assert books.scalars(select(Refund)).all() == []
    assert balance(books) == []
    # Its case closes with the credit note, not with the next round of the worker (M5).
    assert seen(books, order_id) == ("reversed", "credited", 0, "recovered")
    the_books_agree(paying, since=NOW)
    stripe.stripe.act("close_dispute", dispute=dispute, status="won")
    news(paying, stripe, "closed")
    assert balance(books) == [9_574]
    assert seen(books, order_id) == ("succeeded", "credited", 0, "recovered")
    the_books_agree(paying, since=NOW)


def test_M2_disputes_whose_webhooks_were_lost_are_found_by_night(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    order_id, intent = paid_order(paying, stripe)
    stripe.pass_days(60)  # longer than the nightly window of charges
    dispute = stripe.stripe.act("dispute", intent=intent)["id"]
    stripe.pass_days(1)
    reconcile_payments(paying, {}, clock.now())
    assert seen(books, order_id) == ("reversed", "open", 0, "open")
    the_books_agree(paying, since=NOW)
    stripe.pass_days(40)  # longer than the provider lists it
    stripe.stripe.act("close_dispute", dispute=dispute, status="won")
    reconcile_payments(paying, {}, clock.now())
    assert seen(books, order_id)[:3] == ("succeeded", "paid", 9_574)
    the_books_agree(paying, since=NOW)


def test_M4_a_debit_taken_back_weeks_later_is_found_by_the_weekly_pass(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    save_at_stripe(stripe, ATELIER, DEBIT_REVERSED)
    order = order_ready_to_pay(paying)
    collected(paying, order.attempt_id)
    stripe.pass_days(4)
    look_after_payments(paying, {}, clock.now())
    assert seen(books, order.order_id)[:2] == ("succeeded", "paid")
    stripe.pass_days(56)  # it was taken back on day 17; the provider lists its events no more
    reconcile_reversible(paying, {}, clock.now())
    assert seen(books, order.order_id) == ("reversed", "open", 0, "open")
    the_books_agree(paying, since=NOW)


def test_M2_the_same_dispute_told_twice_is_one(
    paying: Parts, stripe: StripeHarness, books: Session
) -> None:  # fmt: skip
    _order, intent = paid_order(paying, stripe)
    stripe.stripe.act("dispute", intent=intent)
    assert news(paying, stripe, "created") == "applied"
    assert news(paying, stripe, "created") == "duplicate"
    clock.fix(clock.now() + timedelta(days=1))
    reconcile_payments(paying, {}, clock.now())
    assert books.scalars(select(PaymentDispute.state)).all() == ["taken"]
    assert tasks(books).count("payment_disputed") == 1
