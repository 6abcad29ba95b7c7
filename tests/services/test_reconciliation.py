"""The nightly reconciliation: heals what it safely can, reports the rest once (M1, M2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import reading, transaction
from portal.jobs.collection import look_after_payments
from portal.jobs.reconciliation import reconcile_payments
from portal.models import DemoObject, DeskTask, Order, Payment, PaymentAttempt, Refund
from portal.parts import Parts
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import ChargeOutcome, GatewayUnknown, Patience
from portal.queries.ledger import count_reported
from portal.services.payment_settlement import settle_charge
from portal.services.refunding import make_refund
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT_REVERSED,
    KATRIN,
    LOTTE,
    MUELLER,
    THREE_D_SECURE,
    charges,
    collected,
    order_ready_to_pay,
    outcome_of,
    use_method,
)
from tests.support.crediting import credited
from tests.support.ledger import the_books_agree

pytestmark = pytest.mark.usefixtures("app_context")


def tasks(books: Session) -> list[DeskTask]:
    books.expire_all()
    return list(books.scalars(select(DeskTask).where(DeskTask.kind == "charge_differs")))


def night(parts: Parts, days: int = 1) -> None:
    clock.fix(NOW + timedelta(days=days))
    reconcile_payments(parts, {}, clock.now())


def test_nothing_to_do_on_books_that_agree(parts: Parts, books: Session) -> None:
    collected(parts, order_ready_to_pay(parts).attempt_id)
    night(parts)
    assert tasks(books) == []


def test_M1_a_charge_whose_answer_was_lost_is_settled(parts: Parts, books: Session) -> None:
    assert isinstance(parts.gateway, DemoGateway)
    order = order_ready_to_pay(parts)
    parts.gateway.faults.append(Fault.AFTER)
    assert not collected(parts, order.attempt_id)
    night(parts)
    assert outcome_of(books, order.order_id).order == "done"
    assert len(charges(books)) == 1
    assert tasks(books) == []
    the_books_agree(parts)


def test_M2_a_confirmation_whose_webhook_was_lost_is_settled(parts: Parts, books: Session) -> None:
    with transaction() as session:
        use_method(session, ATELIER, THREE_D_SECURE)
    order = order_ready_to_pay(parts)
    collected(parts, order.attempt_id)
    demo_hosted_page.answer_challenge(charges(books)[0].ref, approve=True)
    night(parts)
    assert outcome_of(books, order.order_id).order == "done"
    the_books_agree(parts)


def test_M4_a_reversal_whose_webhook_was_lost_is_taken(parts: Parts, books: Session) -> None:
    with transaction() as session:
        use_method(session, ATELIER, DEBIT_REVERSED)
    order = order_ready_to_pay(parts)
    collected(parts, order.attempt_id)
    clock.fix(NOW + timedelta(days=1))
    demo_hosted_page.pass_time(NOW + timedelta(days=4))
    look_after_payments(parts, {}, clock.now())
    demo_hosted_page.pass_time(NOW + timedelta(days=20))
    night(parts, 1)
    payment = books.scalars(select(Payment).where(Payment.order_id == order.order_id)).one()
    assert payment.status == "reversed"
    the_books_agree(parts)


def test_M6_a_refund_whose_answer_was_lost_is_settled(parts: Parts, books: Session) -> None:
    assert isinstance(parts.gateway, DemoGateway)
    order = order_ready_to_pay(parts)
    collected(parts, order.attempt_id)
    credited(parts, amounts={1: 1_000})
    refund = books.scalars(select(Refund)).one()
    parts.gateway.faults.append(Fault.AFTER)
    make_refund(transaction, parts.gateway, refund.id, patience=Patience.BACKGROUND, now=clock.now)
    with transaction() as session:  # as if no other job had looked at it, and its window is open
        session.execute(update(Refund).values(status="reserved"))
    the_books_agree(parts)  # on its way is no difference
    with transaction() as session:
        session.execute(update(Refund).values(status="unknown"))
    night(parts, 0)
    the_books_agree(parts)


def two_lost_answers(parts: Parts) -> tuple[int, int]:
    """Two orders of two customers whose charges were made and whose answers were lost."""
    assert isinstance(parts.gateway, DemoGateway)
    orders = []
    for account, email in ((ATELIER, LOTTE), (MUELLER, KATRIN)):
        with transaction() as session:
            use_method(session, account, CARD)
        order = order_ready_to_pay(parts, account=account, email=email)
        parts.gateway.faults.append(Fault.AFTER)
        assert not collected(parts, order.attempt_id)
        orders.append(order.order_id)
    return orders[0], orders[1]


def test_M7_one_that_cannot_be_healed_does_not_stop_the_others(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_lost_answers(parts)
    broken = books.scalar(
        select(PaymentAttempt.id).where(PaymentAttempt.idempotency_key == f"pi:order-{first}:1")
    )

    def settle(session: Session, attempt_id: int, *told: Any, **more: Any) -> None:
        if attempt_id == broken:
            raise ValueError("its rows are broken")
        settle_charge(session, attempt_id, *told, **more)

    monkeypatch.setattr("portal.services.reconciliation.settle_charge", settle)
    night(parts)
    assert outcome_of(books, first).order == "placed"
    assert outcome_of(books, second).order == "done"
    assert [task.details["attempt_id"] for task in tasks(books)] == [broken]


def test_M7_one_that_was_not_answered_is_no_difference_and_the_job_comes_back(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_lost_answers(parts)
    gateway, refs = parts.gateway, [charge.ref for charge in charges(books)]
    known = gateway.get_charge

    def get_charge(ref: str, patience: Patience) -> ChargeOutcome:
        if ref == refs[0]:
            raise GatewayUnknown("no answer")
        return known(ref, patience)

    monkeypatch.setattr(gateway, "get_charge", get_charge)
    with pytest.raises(GatewayUnknown):
        night(parts)
    assert (outcome_of(books, first).order, outcome_of(books, second).order) == ("placed", "done")
    assert tasks(books) == []
    monkeypatch.undo()
    night(parts)
    assert outcome_of(books, first).order == "done"
    the_books_agree(parts)


def test_money_that_is_not_ours_is_reported_once(parts: Parts, books: Session) -> None:
    collected(parts, order_ready_to_pay(parts).attempt_id)
    with transaction() as session:
        ours = session.scalars(
            select(DemoObject).where(DemoObject.ref == charges(books)[0].ref)
        ).one()
        session.add(DemoObject(ref="demo_pi_of_others", kind="charge", status="succeeded",
                               data={**ours.data, "reference": "payment:999999"},
                               created_at=NOW))  # fmt: skip
    for days in (1, 2):
        night(parts, days)
    (task,) = tasks(books)
    assert task.details["code"] == "charge_unknown"
    assert (task.details["ours_minor"], task.details["theirs_minor"]) == (0, 9_574)
    with reading() as connection:
        assert count_reported(connection) == 1


def test_money_that_the_provider_does_not_know_is_reported(parts: Parts, books: Session) -> None:
    order = order_ready_to_pay(parts)
    collected(parts, order.attempt_id)
    with transaction() as session:
        session.execute(
            update(PaymentAttempt)
            .where(PaymentAttempt.id == order.attempt_id)
            .values(gateway_ref="pi_gone")
        )
    night(parts)
    assert {task.details["code"] for task in tasks(books)} == {"charge_unknown", "charge_missing"}
    assert books.get_one(Order, order.order_id).status == "done"  # nothing is taken away
