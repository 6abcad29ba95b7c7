"""Collecting: one effect at the provider wherever a process dies, and the worker finishes (M1, Q1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.jobs.worker import run_due
from portal.models import Account, DeskTask, Job, Order, PaymentAttempt, Quote
from portal.parts import Parts
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import ChargeRequest, GatewayRefused, Patience
from portal.services import collecting
from portal.services.collecting import abandon_attempt, refresh_attempt
from portal.services.ordering import PlacedOrder
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    DEBIT,
    DEBIT_FAILS,
    DEBIT_REVERSED,
    NO_MONEY,
    THREE_D_SECURE,
    Outcome,
    charges,
    collected,
    order_ready_to_pay,
    outcome_of,
    quoted,
    use_method,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

GRANTED = Outcome("done", ("succeeded",), ((9574, "paid", 9574),), 15, 15, "accepted")
LATER = NOW + timedelta(minutes=1)  # the request's own time to collect is over


@pytest.fixture
def gateway(parts: Parts) -> Iterator[DemoGateway]:
    assert isinstance(parts.gateway, DemoGateway)
    yield parts.gateway
    parts.gateway.faults.clear()


def worker(parts: Parts, now: datetime) -> None:
    """What the worker does of the payments that are left at `now`."""
    clock.fix(now)
    run_due(parts, now, periodic=False)


def paying_with(number: str, parts: Parts) -> PlacedOrder:
    with transaction() as own:
        use_method(own, ATELIER, number)
    return order_ready_to_pay(parts)


def given_up(parts: Parts, order: PlacedOrder) -> bool:
    return abandon_attempt(
        transaction, parts.gateway, order.attempt_id or 0, catalogue=parts.catalogue,
        public_url=parts.settings.public_url, patience=Patience.ON_SCREEN, now=clock.now,
    )  # fmt: skip


def asked_again(parts: Parts, order: PlacedOrder) -> bool:
    return refresh_attempt(
        transaction, parts.gateway, order.attempt_id or 0, catalogue=parts.catalogue,
        public_url=parts.settings.public_url, patience=Patience.ON_SCREEN, now=clock.now,
    )  # fmt: skip


def test_the_provider_is_asked_for_what_the_order_says(books: Session, parts: Parts) -> None:
    order = order_ready_to_pay(parts)
    assert collected(parts, order.attempt_id)
    (charge,) = charges(books)
    row = books.get_one(Order, order.order_id)
    assert (charge.data["amount_minor"], charge.data["currency"]) == (9574, "EUR")
    assert charge.data["description"] == row.number
    assert charge.data["return_url"] == f"http://localhost/orders/{row.id}/return"
    assert charge.data["off_session"] is False


# --- a process dies (M1) -----------------------------------------------------------------------


class _DiedError(Exception):
    """The process was killed."""


def test_M1_it_dies_after_the_attempt_was_reserved(books: Session, parts: Parts) -> None:
    order = order_ready_to_pay(parts)
    worker(parts, NOW)  # the request is still at it: the worker waits
    assert charges(books) == []
    worker(parts, LATER)
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(charges(books)) == 1


def test_M1_it_dies_after_the_charge_and_before_it_is_settled(
    books: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_ready_to_pay(parts)

    def die(*_args: object, **_more: object) -> None:
        raise _DiedError

    monkeypatch.setattr(collecting, "settle_charge", die)
    with pytest.raises(_DiedError):
        collected(parts, order.attempt_id)
    monkeypatch.undo()
    assert len(charges(books)) == 1
    assert outcome_of(books, order.order_id).order == "placed"

    worker(parts, LATER)
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(charges(books)) == 1


@pytest.mark.parametrize("webhook", [True, False])
def test_M1_the_job_alone_finishes_what_the_webhook_did_not(
    books: Session, parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch,
    webhook: bool,
) -> None:  # fmt: skip
    order = order_ready_to_pay(parts)
    gateway.faults.append(Fault.AFTER)
    assert not collected(parts, order.attempt_id)
    assert outcome_of(books, order.order_id).attempts == ("unknown",)
    if not webhook:
        monkeypatch.setattr("portal.jobs.worker.deliver_demo_events", lambda *_: 0)
    worker(parts, LATER)
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(charges(books)) == 1


@pytest.mark.parametrize("fault", Fault)
def test_M1_an_answer_that_is_lost_again_and_again_is_looked_up_with_the_same_key(
    books: Session, parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:  # fmt: skip
    monkeypatch.setattr("portal.jobs.worker.deliver_demo_events", lambda *_: 0)
    order = order_ready_to_pay(parts)
    gateway.faults.extend([fault] * 3)
    assert not collected(parts, order.attempt_id)
    now = LATER
    for _ in range(3):
        worker(parts, now)
        now += timedelta(hours=1)
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(charges(books)) == 1
    job = books.scalars(
        select(Job).where(Job.dedupe_key == f"settle_attempt:{order.attempt_id}")
    ).one()
    assert (job.status, job.attempts) == ("done", 3)


def test_M1_while_the_outcome_is_unknown_nothing_else_can_be_ordered(
    parts: Parts, gateway: DemoGateway
) -> None:
    order = order_ready_to_pay(parts)
    gateway.faults.append(Fault.BEFORE)
    assert not collected(parts, order.attempt_id)
    with pytest.raises(DomainError, match="payment_unresolved"):
        quoted(parts, added=1)


def test_M1_a_key_that_was_used_for_another_request_is_unknown_not_declined(
    books: Session, parts: Parts, gateway: DemoGateway
) -> None:
    order = order_ready_to_pay(parts)
    gateway.faults.append(Fault.AFTER)
    assert not collected(parts, order.attempt_id)  # charged, and the answer was lost
    with transaction() as own:  # then something that the request holds changes
        charge = charges(books)[0]
        row = own.scalars(select(Account).where(Account.name == ATELIER)).one()
        row.gateway_customer = "demo_cus_other"
    assert not collected(parts, order.attempt_id)
    assert outcome_of(books, order.order_id).attempts == ("unknown",)
    worker(parts, LATER)  # its webhook tells whose it is
    assert outcome_of(books, order.order_id) == GRANTED
    assert [c.ref for c in charges(books)] == [charge.ref]


def test_M1_a_key_of_ours_that_is_refused_does_not_decline_what_may_be_charged(
    books: Session, parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_request: ChargeRequest, _patience: Patience) -> None:
        raise GatewayRefused("gateway_key_refused")

    monkeypatch.setattr("portal.jobs.worker.deliver_demo_events", lambda *_: 0)
    order = order_ready_to_pay(parts)
    gateway.faults.append(Fault.AFTER)
    assert not collected(parts, order.attempt_id)  # charged, and the answer was lost
    with monkeypatch.context() as patched:
        patched.setattr(gateway, "charge", refuse)
        assert not collected(parts, order.attempt_id)
    assert outcome_of(books, order.order_id).attempts == ("unknown",)
    worker(parts, LATER)
    assert outcome_of(books, order.order_id) == GRANTED
    assert len(charges(books)) == 1


# --- what the provider may answer --------------------------------------------------------------


def test_a_declined_card(books: Session, parts: Parts) -> None:
    order = paying_with(NO_MONEY, parts)
    assert collected(parts, order.attempt_id)
    assert outcome_of(books, order.order_id) == Outcome("failed", ("declined",), (), 12, 12, "open")
    worker(parts, LATER)
    assert outcome_of(books, order.order_id).order == "failed"


def test_a_refusal_is_a_decline_with_the_providers_reason(
    books: Session, parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_request: ChargeRequest, _patience: Patience) -> None:
        raise GatewayRefused("sepa_limit")

    order = order_ready_to_pay(parts)
    monkeypatch.setattr(gateway, "charge", refuse)
    assert collected(parts, order.attempt_id)
    row = books.get_one(Order, order.order_id)
    assert (row.status, row.failure) == ("failed", {"code": "sepa_limit", "advice": None})


@pytest.mark.parametrize("approve", [True, False])
def test_authentication_at_the_bank(books: Session, parts: Parts, approve: bool) -> None:
    order = paying_with(THREE_D_SECURE, parts)
    collected(parts, order.attempt_id)
    attempt = books.get_one(PaymentAttempt, order.attempt_id)
    assert attempt.action_url == f"/demo/pay/charges/{attempt.gateway_ref}"
    assert outcome_of(books, order.order_id).order == "requires_action"
    demo_hosted_page.answer_challenge(attempt.gateway_ref or "", approve=approve)
    assert asked_again(parts, order)
    assert asked_again(parts, order)  # the return address may be opened twice
    found = outcome_of(books, order.order_id)
    assert found == GRANTED if approve else found.order == "failed"
    assert books.get_one(PaymentAttempt, order.attempt_id).action_url == ""
    assert len(charges(books)) == 1


def test_Q1_giving_up_cancels_at_the_provider_first(books: Session, parts: Parts) -> None:
    order = paying_with(THREE_D_SECURE, parts)
    collected(parts, order.attempt_id)
    assert given_up(parts, order)
    assert charges(books)[0].status == "cancelled"
    assert outcome_of(books, order.order_id) == Outcome(
        "abandoned", ("cancelled",), (), 12, 12, "open"
    )


def test_Q1_giving_up_what_was_approved_meanwhile_is_granted(books: Session, parts: Parts) -> None:
    order = paying_with(THREE_D_SECURE, parts)
    collected(parts, order.attempt_id)
    demo_hosted_page.answer_challenge(charges(books)[0].ref, approve=True)
    assert given_up(parts, order)
    assert outcome_of(books, order.order_id) == GRANTED


@pytest.mark.parametrize("call", ["get_charge", "cancel_charge"])
@pytest.mark.parametrize("fault", Fault)
def test_Q1_giving_up_while_the_provider_is_silent_changes_nothing(
    books: Session, parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch,
    fault: Fault, call: str,
) -> None:  # fmt: skip
    order = paying_with(THREE_D_SECURE, parts)
    collected(parts, order.attempt_id)
    whole = getattr(gateway, call)

    def lost(*what: object) -> object:
        gateway.faults.append(fault)
        return whole(*what)

    monkeypatch.setattr(gateway, call, lost)
    assert not given_up(parts, order)
    monkeypatch.undo()
    assert outcome_of(books, order.order_id).order == "requires_action"
    quote = books.get_one(Quote, books.get_one(Order, order.order_id).quote_id)
    assert quote.status == "accepted"
    assert given_up(parts, order)
    assert outcome_of(books, order.order_id).order == "abandoned"


# --- direct debits, which take days (M4) -------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "ends_as"),
    [
        (DEBIT, (9574, "paid", 9574)),
        (DEBIT_FAILS, (9574, "open", 0)),
        (DEBIT_REVERSED, (9574, "open", 0)),
    ],
)
def test_Q3_M4_a_debit_is_granted_when_accepted_and_what_comes_later_is_booked(
    books: Session, parts: Parts, number: str, ends_as: tuple[int, str, int]
) -> None:
    order = paying_with(number, parts)
    collected(parts, order.attempt_id)
    found = outcome_of(books, order.order_id)
    assert (found.order, found.seats, found.invoices) == ("done", 15, ((9574, "pending", 0),))
    for days in (1, 4, 20):
        worker(parts, NOW + timedelta(days=days))
    found = outcome_of(books, order.order_id)
    assert (found.order, found.seats, found.invoices) == ("done", 15, (ends_as,))
    assert len(charges(books)) == 1


def test_M2_a_worker_that_was_away_for_weeks_learns_all_of_it_at_once(
    books: Session, parts: Parts
) -> None:
    order = paying_with(DEBIT_REVERSED, parts)
    collected(parts, order.attempt_id)
    for days in (1, 2, 30):
        worker(parts, NOW + timedelta(days=days))
    assert outcome_of(books, order.order_id).invoices == ((9574, "open", 0),)
    assert books.scalar(select(func.count(DeskTask.id)).where(DeskTask.kind == "job_failed")) == 0
