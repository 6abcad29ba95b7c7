"""Methods that change at the provider: renewed, detached, a mandate that ended (M2, M3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.collection import detach_method as detach_job
from portal.jobs.collection import refresh_method as refresh_job
from portal.models import (
    Account,
    AuditEvent,
    DemoObject,
    DunningCase,
    GatewayEvent,
    Invoice,
    Job,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    PaymentMethod,
)
from portal.parts import Parts
from portal.payments.demo_books import change_object
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.payments.gateway import GatewayUnknown, MethodFacts, Patience
from portal.services.dunning import money_taken_back
from portal.services.gateway_events import receive_event
from portal.services.method_refreshing import (
    MethodMoved,
    note_method,
    refresh_method,
    settle_method,
)
from tests.support.buying import (
    ATELIER,
    CARD,
    DEBIT,
    LOTTE,
    MUELLER,
    PIETER,
    account_named,
    collected,
    order_ready_to_pay,
    use_method,
)

pytestmark = pytest.mark.usefixtures("app_context")


@pytest.fixture
def gateway(app_context: None, parts: Parts) -> DemoGateway:
    assert isinstance(parts.gateway, DemoGateway)
    parts.gateway.faults.clear()
    return parts.gateway


def method_in_use(account: str = ATELIER, number: str = CARD) -> PaymentMethod:
    with transaction() as session:
        method_id = use_method(session, account, number)
        return session.get_one(PaymentMethod, method_id)


def at_provider(ref: str, status: str | None = None, **data: object) -> None:
    with transaction() as session:
        row = session.scalars(select(DemoObject).where(DemoObject.ref == ref)).one()
        change_object(row, status, **data)


def event(
    parts: Parts, gateway: DemoGateway, ref: str, type_: str, number: int = 1
) -> tuple[bytes, Mapping[str, str]]:
    signed = gateway.sign_event(f"evt_{number}", type_, "method", ref, int(clock.now().timestamp()))
    return signed.body, signed.headers


def receive(parts: Parts, given: tuple[bytes, Mapping[str, str]]) -> str:
    return receive_event(
        *given, gateway=parts.gateway, transaction=transaction, catalogue=parts.catalogue,
        now=clock.now(),
    )  # fmt: skip


def now_of(method: PaymentMethod) -> PaymentMethod:
    with transaction() as session:
        return session.get_one(PaymentMethod, method.id)


def charges_of(method: PaymentMethod) -> int:
    with transaction() as session:
        found = session.scalars(select(DemoObject).where(DemoObject.kind == "charge"))
        return sum(row.data["method"] == method.gateway_ref for row in found)


def audited(account: str = ATELIER) -> list[tuple[str, object, object]]:
    with transaction() as session:
        query = select(AuditEvent).where(
            AuditEvent.account_id == account_named(session, account).id,
            AuditEvent.action.like("payment_method_%"),
            AuditEvent.at >= clock.now(),
        )
        return [(row.action, row.old, row.new) for row in session.scalars(query)]


def lost_mails() -> list[str]:
    with transaction() as session:
        query = select(OutboxMessage.recipient).where(OutboxMessage.topic == "payment_method_lost")
        return sorted(session.scalars(query))


def test_M2_a_renewed_card_is_taken_over(parts: Parts, gateway: DemoGateway) -> None:
    method = method_in_use()
    at_provider(method.gateway_ref, expires_year=2039, expires_month=4, last4="9999")
    given = event(parts, gateway, method.gateway_ref, "payment_method.automatically_updated")
    assert [receive(parts, given) for _ in range(2)] == ["applied", "duplicate"]
    found = now_of(method)
    assert (found.last4, found.expires_month, found.expires_year) == ("9999", 4, 2039)
    assert found.is_default
    (told,) = audited()
    assert told == (
        "payment_method_updated",
        {"last4": "4242", "expires": "12/2034"},
        {"last4": "9999", "expires": "04/2039"},
    )
    assert not lost_mails()


def test_M2_the_event_itself_is_not_believed(parts: Parts, gateway: DemoGateway) -> None:
    """It says detached, the provider says that all is well."""
    method = method_in_use()
    given = event(parts, gateway, method.gateway_ref, "payment_method.detached")
    assert receive(parts, given) == "applied"
    assert now_of(method).is_default
    assert not audited()


@pytest.mark.parametrize(
    ("number", "type_"), [(CARD, "payment_method.detached"), (DEBIT, "mandate.updated")]
)
def test_M3_a_method_that_can_be_charged_no_more_is_out_of_use(
    parts: Parts, gateway: DemoGateway, number: str, type_: str
) -> None:
    method = method_in_use(number=number)
    at_provider(method.gateway_ref, "detached")
    for copy in range(3):
        receive(parts, event(parts, gateway, method.gateway_ref, type_, copy))
    found = now_of(method)
    assert (found.is_default, found.removed_at) == (False, clock.now())
    assert [action for action, _, _ in audited()] == ["payment_method_lost"]
    assert lost_mails() == sorted([LOTTE, PIETER])  # the admins, once each


def test_M3_nothing_is_charged_with_a_lost_method(parts: Parts, gateway: DemoGateway) -> None:
    method = method_in_use()
    order = order_ready_to_pay(parts)
    charged = charges_of(method)
    at_provider(method.gateway_ref, "detached")
    receive(parts, event(parts, gateway, method.gateway_ref, "payment_method.detached"))
    collected(parts, order.attempt_id)
    with transaction() as session:
        attempt = session.get_one(PaymentAttempt, order.attempt_id)
        assert (attempt.status, attempt.decline_code) == ("declined", "method_detached")
    assert charges_of(method) == charged == 0


def test_M2_a_lost_method_never_comes_back(parts: Parts, gateway: DemoGateway) -> None:
    method = method_in_use()
    at_provider(method.gateway_ref, "detached")
    receive(parts, event(parts, gateway, method.gateway_ref, "payment_method.detached", 1))
    at_provider(method.gateway_ref, "attached", expires_year=2040)
    late = event(parts, gateway, method.gateway_ref, "payment_method.automatically_updated", 2)
    assert receive(parts, late) == "applied"
    found = now_of(method)
    assert found.removed_at is not None
    assert found.expires_year == 2034


def test_M2_an_older_answer_never_replaces_a_newer_one(gateway: DemoGateway) -> None:
    """Two events at once: the one that read first writes last, and has to read again."""
    method = method_in_use()
    with transaction() as session:
        known = note_method(session, method.gateway_ref)
    old = gateway.get_method(method.gateway_ref, Patience.ON_SCREEN)
    at_provider(method.gateway_ref, expires_year=2039)
    refresh_method(
        transaction, gateway, method.gateway_ref, patience=Patience.BACKGROUND, now=clock.now()
    )
    with pytest.raises(MethodMoved), transaction() as session:
        settle_method(session, method.gateway_ref, known, old, clock.now())
    assert now_of(method).expires_year == 2039


def test_M2_an_event_that_meets_a_change_reads_again(
    parts: Parts, gateway: DemoGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = method_in_use()
    read, answers = gateway.get_method, []

    def slowly(ref: str, patience: Patience) -> MethodFacts | None:
        answers.append(read(ref, patience))
        if len(answers) == 1:  # meanwhile the card is renewed, and another event brings it home
            at_provider(ref, expires_year=2039)
            with transaction() as session:
                session.get_one(PaymentMethod, method.id).expires_year = 2039
        return answers[-1]

    monkeypatch.setattr(gateway, "get_method", slowly)
    given = event(parts, gateway, method.gateway_ref, "payment_method.automatically_updated")
    assert receive(parts, given) == "applied"
    assert len(answers) == 2
    assert now_of(method).expires_year == 2039


@pytest.mark.parametrize("fault", list(Fault))
def test_M2_an_event_of_a_silent_provider_comes_again(
    parts: Parts, gateway: DemoGateway, fault: Fault
) -> None:
    method = method_in_use()
    at_provider(method.gateway_ref, "detached")
    given = event(parts, gateway, method.gateway_ref, "payment_method.detached")
    gateway.faults.append(fault)
    with pytest.raises(GatewayUnknown):
        receive(parts, given)
    with transaction() as session:
        assert not session.scalars(select(GatewayEvent)).all()
    assert receive(parts, given) == "applied"
    assert now_of(method).removed_at is not None


def test_M2_a_method_of_nobody_is_an_unknown_object(parts: Parts, gateway: DemoGateway) -> None:
    given = event(parts, gateway, "pm_of_nobody", "payment_method.detached")
    assert receive(parts, given) == "unknown_object"


def test_M3_a_bank_transfer_account_is_not_asked_for_another(
    parts: Parts, gateway: DemoGateway
) -> None:
    method = method_in_use(MUELLER)
    with transaction() as session:
        account_named(session, MUELLER).payment_terms = "bank_transfer"
    at_provider(method.gateway_ref, "detached")
    receive(parts, event(parts, gateway, method.gateway_ref, "payment_method.detached"))
    assert now_of(method).removed_at is not None
    assert not lost_mails()


def test_M2_the_job_reads_what_came_before_the_method_was_known(
    parts: Parts, gateway: DemoGateway
) -> None:
    method = method_in_use()
    at_provider(method.gateway_ref, "detached")
    refresh_job(parts, {"method_ref": method.gateway_ref}, clock.now())
    assert now_of(method).removed_at is not None
    gateway.faults.append(Fault.BEFORE)  # it is out of use: nobody is asked
    refresh_job(parts, {"method_ref": method.gateway_ref}, clock.now())
    assert gateway.faults.popleft() is Fault.BEFORE


def test_M3_the_job_that_detaches_comes_back_while_a_debit_runs(
    parts: Parts, books: Session
) -> None:
    method = method_in_use(number=DEBIT)
    collected(parts, order_ready_to_pay(parts).attempt_id)
    with transaction() as session:
        row = session.get_one(PaymentMethod, method.id)
        row.is_default, row.removed_at = False, clock.now()
        session.get_one(Account, row.account_id)
    detach_job(parts, {"method_ref": method.gateway_ref}, clock.now())
    jobs = books.scalars(select(Job).where(Job.kind == "detach_method")).all()
    assert [job.payload["method_ref"] for job in jobs] == [method.gateway_ref]
    assert jobs[0].run_at > clock.now()
    assert parts.gateway.get_method(method.gateway_ref, Patience.ON_SCREEN) is not None


def owed_with(method: PaymentMethod, parts: Parts, *, payment_status: str) -> int:
    """An order's invoice whose money did not stay; its id."""
    collected(parts, order_ready_to_pay(parts).attempt_id)
    with transaction() as session:
        invoice = session.scalars(
            select(Invoice)
            .where(Invoice.account_id == method.account_id)
            .order_by(Invoice.id.desc())
        ).first()
        assert invoice is not None
        invoice.status, invoice.paid_minor, invoice.paid_at = "open", 0, None
        for payment in session.scalars(select(Payment).where(Payment.invoice_id == invoice.id)):
            payment.status = payment_status
        return int(invoice.id)


def test_M4_M5_a_renewed_card_does_not_try_unasked_what_the_bank_took_back(
    parts: Parts, gateway: DemoGateway
) -> None:
    method = method_in_use()
    invoice_id = owed_with(method, parts, payment_status="reversed")
    with transaction() as session:
        account = session.get_one(Account, method.account_id)
        invoice = session.get_one(Invoice, invoice_id)
        money_taken_back(session, account, invoice, catalogue=parts.catalogue, now=clock.now())
    at_provider(method.gateway_ref, expires_year=2039)
    kind = "payment_method.automatically_updated"
    assert receive(parts, event(parts, gateway, method.gateway_ref, kind, 1)) == "applied"
    with transaction() as session:
        renewed = session.get_one(PaymentMethod, method.id)
        assert renewed.expires_year == 2039
        case = session.scalars(
            select(DunningCase).where(DunningCase.invoice_id == invoice_id)
        ).one()
        assert case.stopped_because == "taken_back"
        assert (
            session.scalars(select(PaymentAttempt).where(PaymentAttempt.settled_at.is_(None))).all()
            == []
        )


def test_M5_a_renewed_card_tries_at_once_what_is_owed(parts: Parts, gateway: DemoGateway) -> None:
    """As a new card would, once; news without a later expiry tries nothing."""
    method = method_in_use()
    invoice_id = owed_with(method, parts, payment_status="failed")
    news: list[dict[str, Any]] = [{"last4": "9999"}, {"expires_year": 2039}, {}]
    for number, changed in enumerate(news):
        at_provider(method.gateway_ref, **changed)
        kind = "payment_method.automatically_updated"
        receive(parts, event(parts, gateway, method.gateway_ref, kind, number))
        with transaction() as session:
            waiting = session.scalars(
                select(PaymentAttempt)
                .join(Payment, Payment.id == PaymentAttempt.payment_id)
                .where(Payment.invoice_id == invoice_id, PaymentAttempt.settled_at.is_(None))
            ).all()
            assert len(waiting) == (1 if number else 0), changed
