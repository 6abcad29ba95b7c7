"""What follows from the provider's word, whichever way and how often it comes (Q3, M1, M2, M4)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.models import (
    AuditEvent,
    Checkout,
    DeskTask,
    Invoice,
    Order,
    OutboxMessage,
    Payment,
    Quote,
    QuoteLine,
)
from portal.parts import Parts
from portal.payments.gateway import ChargeOutcome, ChargeStatus
from portal.services.invoicing import issue_invoice
from portal.services.ordering import PlacedOrder
from portal.services.payment_settlement import mark_unknown, settle_charge, settle_free_order
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    LOTTE,
    Outcome,
    account_named,
    order_ready_to_pay,
    outcome_of,
    placed,
    plan_item,
    quoted,
    ready,
    row_counts,
    shown_terms,
)

pytestmark = pytest.mark.usefixtures("app_context")

AMOUNT = Money(9574, "EUR")
GRANTED = Outcome("done", ("succeeded",), ((9574, "paid", 9574),), 15, 15, "accepted")


@pytest.fixture
def order(parts: Parts) -> PlacedOrder:
    """Three seats for 95.74, placed, the call to the provider still to be made."""
    return order_ready_to_pay(parts)


def told(
    parts: Parts, order: PlacedOrder, *statuses: str, amount: Money = AMOUNT, **more: Any
) -> None:
    """The provider says these, one after the other."""
    assert order.attempt_id is not None
    for status in statuses:
        outcome = ChargeOutcome(
            ref="pi_1", status=ChargeStatus(status), amount=amount,
            action_url="/bank" if status == "requires_action" else "",
            decline_code="insufficient_funds" if status == "declined" else None, **more,
        )  # fmt: skip
        with transaction() as own:
            settle_charge(
                own, order.attempt_id, outcome, catalogue=parts.catalogue, now=clock.now()
            )


def mails(books: Session, topic: str) -> list[str]:
    return list(
        books.scalars(
            select(OutboxMessage.recipient)
            .where(OutboxMessage.topic == topic, OutboxMessage.created_at == NOW)
            .order_by(OutboxMessage.id)
        )
    )


def tasks(books: Session) -> list[str]:
    return list(books.scalars(select(DeskTask.kind).order_by(DeskTask.id)))


def test_Q3_I3_success_grants_invoices_and_sends_the_receipt_in_one_transaction(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "succeeded")
    assert outcome_of(books, order.order_id) == GRANTED
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order.order_id)).one()
    payment = books.scalars(select(Payment).where(Payment.order_id == order.order_id)).one()
    assert (payment.status, payment.settled_at, payment.invoice_id) == (
        "succeeded",
        NOW,
        invoice.id,
    )
    assert (invoice.paid_at, invoice.locale, invoice.kind) == (NOW, "nl", "order")
    assert mails(books, "receipt") == ["boekhouding@atelier-noordzee.example"]
    row = books.get_one(Order, order.order_id)
    assert (row.paid_at, row.provisioned_at) == (NOW, NOW)
    actions = books.scalars(
        select(AuditEvent.action).where(AuditEvent.at == NOW).order_by(AuditEvent.id)
    ).all()
    assert {"quote_created", "order_placed", "seats_added", "order_paid"} <= set(actions)


def test_I1_order_invoice_receipt_and_gateway_say_the_same_amount(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "succeeded")
    row = books.get_one(Order, order.order_id)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == row.id)).one()
    payment = books.scalars(select(Payment).where(Payment.order_id == row.id)).one()
    receipt = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "receipt")
                            .order_by(OutboxMessage.id.desc())).first()  # fmt: skip
    assert receipt is not None
    sums = {
        (row.net_minor, row.tax_minor, row.gross_minor, row.currency),
        (invoice.net_minor, invoice.tax_minor, invoice.gross_minor, invoice.currency),
        tuple(
            receipt.payload[key] for key in ("net_minor", "tax_minor", "gross_minor", "currency")
        ),
    }
    assert sums == {(7912, 1662, 9574, "EUR")}
    assert payment.amount_minor == 9574
    assert [line["net_minor"] for line in receipt.payload["lines"]] == [7912]


def test_M2_the_same_news_again_change_nothing(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "succeeded")
    before = row_counts(books)
    told(parts, order, "succeeded", "processing", "requires_action", "declined", "cancelled")
    assert row_counts(books) == before
    assert outcome_of(books, order.order_id) == GRANTED


@pytest.mark.parametrize(
    "news",
    [
        ("requires_action", "succeeded"),
        ("processing", "succeeded"),
        ("declined", "succeeded"),
        ("cancelled", "succeeded"),
        ("requires_action", "processing", "declined", "succeeded"),
    ],
)
def test_M2_in_whatever_order_the_news_come_they_end_the_same(
    books: Session, parts: Parts, order: PlacedOrder, news: Sequence[str]
) -> None:
    kept = row_counts(books)
    for shuffled in permutations(news):
        # The database is put back by rolling back: each order starts from the same rows.
        found = _in_a_transaction_that_is_undone(parts, order, shuffled)
        assert found == ("done", "succeeded", "paid", 15), shuffled
    assert row_counts(books) == kept


class _UndoneError(Exception):
    pass


def _in_a_transaction_that_is_undone(
    parts: Parts, order: PlacedOrder, news: Sequence[str]
) -> tuple[str, str, str, int]:
    found: tuple[str, str, str, int] | None = None
    assert order.attempt_id is not None
    with contextlib.suppress(_UndoneError), transaction() as own:
        for status in news:
            outcome = ChargeOutcome(ref="pi_1", status=ChargeStatus(status), amount=AMOUNT)
            settle_charge(own, order.attempt_id, outcome, catalogue=parts.catalogue, now=NOW)
            own.flush()
        row = own.get_one(Order, order.order_id)
        payment = own.scalars(select(Payment).where(Payment.order_id == row.id)).one()
        invoice = own.scalars(select(Invoice).where(Invoice.order_id == row.id)).one()
        found = (row.status, payment.status, invoice.status, plan_item(own, ATELIER).quantity)
        raise _UndoneError
    assert found is not None
    return found


def test_Q3_an_accepted_debit_grants_and_its_invoice_waits_for_the_money(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "processing")
    pending = Outcome("done", ("processing",), ((9574, "pending", 0),), 15, 15, "accepted")
    assert outcome_of(books, order.order_id) == pending
    assert mails(books, "receipt")
    number = books.get_one(Order, order.order_id).number
    invoice = books.scalars(select(Invoice.number).where(Invoice.order_id == order.order_id)).one()
    said = select(AuditEvent.action, AuditEvent.subject).where(
        AuditEvent.action.in_(["order_paid", "order_debit_accepted", "invoice_paid"]),
        AuditEvent.subject.in_([number, invoice]),
    )
    assert books.execute(said).all() == [("order_debit_accepted", number)]
    told(parts, order, "succeeded")
    assert set(books.execute(said).all()) == {
        ("order_debit_accepted", number),
        ("invoice_paid", invoice),
    }
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(mails(books, "receipt")) == 1


def test_Q3_M4_a_debit_that_fails_later_reopens_the_invoice_and_takes_no_seat_away(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "processing", "declined")
    reopened = Outcome("done", ("declined",), ((9574, "open", 0),), 15, 15, "accepted")
    assert outcome_of(books, order.order_id) == reopened
    assert "debit_failed" in tasks(books)
    told(parts, order, "succeeded")  # the bank found the money after all
    assert outcome_of(books, order.order_id) == GRANTED


def test_M4_money_that_is_taken_back_reopens_the_invoice(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "succeeded")
    told(parts, order, "succeeded", reversed=True)
    taken_back = Outcome("done", ("succeeded",), ((9574, "open", 0),), 15, 15, "accepted")
    assert outcome_of(books, order.order_id) == taken_back
    payment = books.scalars(select(Payment).where(Payment.order_id == order.order_id)).one()
    assert payment.status == "reversed"
    assert tasks(books).count("payment_reversed") == 1
    before = row_counts(books)
    told(parts, order, "succeeded", reversed=True)
    told(parts, order, "succeeded", "processing")
    assert outcome_of(books, order.order_id) == taken_back
    assert row_counts(books) == before


@pytest.mark.parametrize("before", [(), ("processing",), ("requires_action",)])
def test_M4_the_first_word_of_the_money_may_be_that_it_came_and_went(
    books: Session, parts: Parts, order: PlacedOrder, before: tuple[str, ...]
) -> None:
    told(parts, order, *before)
    told(parts, order, "succeeded", reversed=True)
    assert outcome_of(books, order.order_id).invoices == ((9574, "open", 0),)
    assert books.scalars(
        select(Payment.status).where(Payment.order_id == order.order_id)
    ).one() == "reversed"  # fmt: skip


def test_Q1_a_decline_loses_nothing_the_quote_is_open_with_what_was_chosen(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "declined")
    declined = Outcome("failed", ("declined",), (), 12, 12, "open")
    assert outcome_of(books, order.order_id) == declined
    row = books.get_one(Order, order.order_id)
    assert row.failure == {"code": "insufficient_funds", "advice": None}
    checkout = books.scalars(select(Checkout).where(Checkout.quote_id == row.quote_id)).one()
    assert checkout.contact_member_id is not None
    assert checkout.payment_method_id is not None
    assert not checkout.completed  # the payment step is shown again
    assert mails(books, "order_failed") == []  # the person is looking at the screen


def test_M1_a_decline_nobody_was_looking_at_is_told_by_mail(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    assert order.attempt_id is not None
    with transaction() as own:
        mark_unknown(own, order.attempt_id, NOW)
    told(parts, order, "declined", "declined")
    assert mails(books, "order_failed") == [LOTTE]


def test_authentication_is_asked_for_and_given(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "requires_action")
    waits = Outcome("requires_action", ("requires_action",), (), 12, 12, "accepted")
    assert outcome_of(books, order.order_id) == waits
    told(parts, order, "succeeded")
    assert outcome_of(books, order.order_id) == GRANTED


def test_authentication_that_is_cancelled_ends_the_order_and_no_mail_is_sent(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "requires_action", "cancelled")
    given_up = Outcome("abandoned", ("cancelled",), (), 12, 12, "open")
    assert outcome_of(books, order.order_id) == given_up
    assert mails(books, "order_failed") == []


@pytest.mark.parametrize("amount", [Money(9573, "EUR"), Money(9574, "GBP"), Money(0, "EUR")])
def test_I1_money_of_another_amount_is_never_called_payment_of_this_one(
    books: Session, parts: Parts, order: PlacedOrder, amount: Money
) -> None:
    told(parts, order, "succeeded", amount=amount)
    found = outcome_of(books, order.order_id)
    assert (found.order, found.invoices, found.seats) == ("placed", (), 12)
    assert tasks(books).count("charge_differs") == 1


def test_late_success_after_a_decline_gives_what_was_paid_for(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "declined", "succeeded")
    assert outcome_of(books, order.order_id) == GRANTED
    assert books.scalar(select(func.count()).where(AuditEvent.action == "order_revived")) == 1


def test_Q4_late_success_of_an_order_that_was_placed_again_grants_nothing_twice(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "declined")
    quote_id = books.get_one(Order, order.order_id).quote_id
    ready(parts, quote_id)
    again = placed(parts, quote_id)
    told(parts, again, "succeeded")
    told(parts, order, "succeeded")  # the first card was charged after all
    assert outcome_of(books, again.order_id).seats == 15
    assert outcome_of(books, order.order_id).order == "failed"
    invoices = books.scalar(
        select(func.count(Invoice.id)).where(Invoice.order_id.in_([order.order_id, again.order_id]))
    )
    assert invoices == 1
    assert tasks(books).count("paid_twice") == 1
    paid = books.scalars(select(Payment.status).where(Payment.order_id == order.order_id)).one()
    assert paid == "succeeded"  # it came, and people give it back


def test_M1_unknown_is_only_for_an_attempt_that_was_not_heard_of(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    assert order.attempt_id is not None
    told(parts, order, "succeeded")
    with transaction() as own:
        mark_unknown(own, order.attempt_id, NOW)
    assert outcome_of(books, order.order_id) == GRANTED


def test_an_order_of_nothing_to_pay_is_granted_without_a_charge(
    books: Session, parts: Parts
) -> None:
    quote_id = quoted(parts)
    with transaction() as own:
        line = own.scalars(select(QuoteLine).where(QuoteLine.quote_id == quote_id)).one()
        line.discount_basis_points = 10_000
    ready(parts, quote_id)
    made = placed(parts, quote_id)
    assert made.attempt_id is None
    for _ in range(2):  # and once
        with transaction() as own:
            settle_free_order(own, made.order_id, catalogue=parts.catalogue, now=NOW)
    assert outcome_of(books, made.order_id) == Outcome(
        "done", (), ((0, "paid", 0),), 15, 15, "accepted"
    )


def test_an_order_that_costs_something_is_not_granted_as_a_free_one(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    with transaction() as own:
        settle_free_order(own, order.order_id, catalogue=parts.catalogue, now=NOW)
    assert outcome_of(books, order.order_id).order == "placed"


def test_a_declined_quote_that_was_superseded_meanwhile_stays_superseded(
    books: Session, parts: Parts, order: PlacedOrder
) -> None:
    told(parts, order, "declined")
    first = books.get_one(Order, order.order_id).quote_id
    second = quoted(parts, added=5, replaces=[first])
    told(parts, order, "cancelled", "declined")
    books.expire_all()
    assert books.get_one(Quote, first).status == "superseded"
    assert books.get_one(Quote, second).status == "open"
    assert shown_terms(parts, second)


def test_I2_an_invoice_that_rolls_back_gives_its_number_back(books: Session, parts: Parts) -> None:
    last = select(func.max(Invoice.sequence)).where(Invoice.year == 2026)
    before = books.scalar(last)
    with contextlib.suppress(_UndoneError), transaction() as own:
        account = account_named(own, ATELIER)
        issue_invoice(
            own, account=account, catalogue=parts.catalogue, kind="service", lines=[], net_minor=1,
            tax_minor=0, tax={}, buyer={}, status="open", now=NOW,
        )  # fmt: skip
        raise _UndoneError
    order = order_ready_to_pay(parts)
    told(parts, order, "succeeded")
    assert books.scalar(last) == (before or 0) + 1
