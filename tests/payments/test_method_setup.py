"""Saving a payment method: reserve, call, settle, whatever comes twice or late (M1, M2, M3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import Account, AuditEvent, Job, MethodSetup, PaymentMethod, Person
from portal.payments.gateway import (
    GatewayRefused,
    GatewayUnknown,
    MethodFacts,
    MethodKind,
    Patience,
    SetupOutcome,
    SetupStatus,
)
from portal.payments.no_gateway import NoGateway
from portal.services.method_detaching import detach_method
from portal.services.method_setup import (
    SetupAddresses,
    begin_method_setup,
    finish_method_setup,
    open_method_setup,
    settle_method_setup,
)
from tests.payments.harness import PUBLIC_URL, DemoHarness

NOW = datetime(2026, 10, 29, 9, 0, tzinfo=UTC)
ADDRESSES = SetupAddresses(f"{PUBLIC_URL}/return", f"{PUBLIC_URL}/cancelled")
SCREEN = Patience.ON_SCREEN


@pytest.fixture
def demo(app_context: None) -> DemoHarness:
    return DemoHarness()


@pytest.fixture
def account_id(app_context: None) -> int:
    return make_account()


def make_account(payment_terms: str = "automatic", email: str = "eva@molenaar.example") -> int:
    """An account with one person, who has its number."""
    with transaction() as session:
        session.add(Person(email=email, name="Eva Molenaar", locale="nl", created_at=NOW))
        account = Account(
            name="Molenaar BV", locale="nl", time_zone="Europe/Amsterdam", currency="EUR",
            payment_terms=payment_terms, company_name="Molenaar BV", address_line1="Kade 1",
            postal_code="1011 AB", city="Amsterdam", country="NL", vat_status="none",
            billing_email="billing@molenaar.example", invoice_recipients=[], created_at=NOW,
        )  # fmt: skip
        session.add(account)
        session.flush()
        return int(account.id)


def person_id() -> int:
    with transaction() as session:
        return int(session.scalars(select(func.max(Person.id))).one())


def begun(account_id: int, path: str = "/billing/payment-method") -> int:
    with transaction() as session:
        return int(begin_method_setup(session, account_id, person_id(), path, NOW).id)


def opened(demo: DemoHarness, account_id: int) -> tuple[int, str]:
    """A visit whose page is open: its id and the provider's reference."""
    setup_id = begun(account_id)
    open_method_setup(transaction, demo.gateway, setup_id, ADDRESSES, now=NOW, patience=SCREEN)
    return setup_id, str(setup_of(setup_id).gateway_ref)


def saved(demo: DemoHarness, account_id: int, number: str) -> int:
    """A method saved on the provider's page and brought home by the return address."""
    setup_id, ref = opened(demo, account_id)
    demo.save_method(ref, number)
    finish_method_setup(transaction, demo.gateway, setup_id, now=NOW, patience=SCREEN)
    return setup_id


def setup_of(setup_id: int) -> MethodSetup:
    with transaction() as session:
        return session.get_one(MethodSetup, setup_id)


def methods(account_id: int) -> list[PaymentMethod]:
    with transaction() as session:
        query = select(PaymentMethod).where(PaymentMethod.account_id == account_id)
        return list(session.scalars(query.order_by(PaymentMethod.id)))


def detach_jobs() -> set[str]:
    with transaction() as session:
        jobs = session.scalars(select(Job).where(Job.kind == "detach_method"))
        return {job.payload["method_ref"] for job in jobs}


def outcome_of(setup_id: int, account_id: int, **facts: object) -> SetupOutcome:
    """What a provider would say of a completed visit."""
    with transaction() as session:
        setup = session.get_one(MethodSetup, setup_id)
        account = session.get_one(Account, account_id)
        method = MethodFacts("pm_x", MethodKind.CARD, "visa", "4242", 2030, 1, "credit")
        return SetupOutcome(
            ref=setup.gateway_ref or "cs_x",
            status=SetupStatus.COMPLETED,
            customer_ref=account.gateway_customer or "",
            reference=setup.idempotency_key,
            method=replace(method, **facts),  # type: ignore[arg-type]
        )


def settle(setup_id: int, outcome: SetupOutcome) -> None:
    with transaction() as session:
        settle_method_setup(session, setup_id, outcome, NOW)


def test_M1_the_key_is_stored_before_the_call(demo: DemoHarness, account_id: int) -> None:
    setup = setup_of(begun(account_id))
    assert setup.status == "reserved"
    assert setup.idempotency_key == f"setup:{setup.id}"


def test_the_first_method_becomes_the_default(demo: DemoHarness, account_id: int) -> None:
    setup_id = saved(demo, account_id, "4242424242424242")
    (method,) = methods(account_id)
    assert (method.kind, method.last4, method.is_default) == ("card", "4242", True)
    assert setup_of(setup_id).payment_method_id == method.id
    with transaction() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.account_id == account_id)).one()
    assert event.action == "payment_method_added"
    assert event.actor_name == "Eva Molenaar"
    assert event.new == {"kind": "card", "brand": "visa", "last4": "4242"}


def test_M3_the_old_method_goes_only_when_the_new_one_is_confirmed(
    demo: DemoHarness, account_id: int
) -> None:
    saved(demo, account_id, "4242424242424242")
    setup_id, ref = opened(demo, account_id)
    finish_method_setup(transaction, demo.gateway, setup_id, now=NOW, patience=SCREEN)
    assert [m.is_default for m in methods(account_id)] == [True]

    demo.save_method(ref, "AT611904300234573201")
    finish_method_setup(transaction, demo.gateway, setup_id, now=NOW, patience=SCREEN)

    old, new = methods(account_id)
    assert (old.is_default, old.removed_at) == (False, NOW)
    assert (new.kind, new.is_default, new.removed_at) == ("sepa_debit", True, None)
    assert new.mandate_ref
    assert detach_jobs() == {old.gateway_ref}


def test_M3_a_prepaid_card_is_refused_and_the_old_method_stays(
    demo: DemoHarness, account_id: int
) -> None:
    saved(demo, account_id, "4242424242424242")
    setup_id = saved(demo, account_id, "5105105105105100")
    setup = setup_of(setup_id)
    assert (setup.status, setup.refusal) == ("refused", "prepaid_card")
    (method,) = methods(account_id)
    assert method.is_default
    assert len(detach_jobs()) == 1


@pytest.mark.parametrize(
    ("year", "month", "taken"), [(2026, 9, False), (2026, 10, True), (2025, 12, False)]
)
def test_M3_a_card_is_good_through_its_last_month(
    demo: DemoHarness, account_id: int, year: int, month: int, taken: bool
) -> None:
    setup_id, _ = opened(demo, account_id)
    settle(setup_id, outcome_of(setup_id, account_id, expires_year=year, expires_month=month))
    assert setup_of(setup_id).refusal == (None if taken else "expired_card")
    assert len(methods(account_id)) == int(taken)


def test_M2_return_address_and_webhook_may_both_come_twice(
    demo: DemoHarness, account_id: int
) -> None:
    setup_id = saved(demo, account_id, "4242424242424242")
    again = outcome_of(setup_id, account_id)
    for _ in range(2):
        finish_method_setup(transaction, demo.gateway, setup_id, now=NOW, patience=SCREEN)
        settle(setup_id, again)
    assert len(methods(account_id)) == 1


def test_M2_a_settled_setup_never_goes_back(demo: DemoHarness, account_id: int) -> None:
    setup_id = saved(demo, account_id, "4242424242424242")
    late = replace(outcome_of(setup_id, account_id), status=SetupStatus.EXPIRED, method=None)
    settle(setup_id, late)
    assert setup_of(setup_id).status == "completed"
    assert methods(account_id)[0].is_default


@pytest.mark.parametrize("foreign", ["customer_ref", "reference", "ref"])
def test_another_customers_setup_is_not_taken(
    demo: DemoHarness, account_id: int, foreign: str
) -> None:
    setup_id, _ = opened(demo, account_id)
    outcome = replace(outcome_of(setup_id, account_id), **{foreign: "somebody_else"})  # type: ignore[arg-type]
    with pytest.raises(DomainError, match="setup_not_ours"):
        settle(setup_id, outcome)
    assert not methods(account_id)


def test_an_expired_setup_is_cancelled(demo: DemoHarness, account_id: int) -> None:
    setup_id, _ = opened(demo, account_id)
    demo.pass_days(2)
    finish_method_setup(transaction, demo.gateway, setup_id, now=NOW, patience=SCREEN)
    assert setup_of(setup_id).status == "cancelled"


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("lost_call", [0, 1])
def test_M1_a_lost_answer_leaves_it_reserved_and_the_next_try_opens_it(
    demo: DemoHarness, account_id: int, lost_call: int, after_effect: bool
) -> None:
    setup_id = begun(account_id)
    if lost_call == 1:  # the customer is known, the page is not
        saved(demo, account_id, "4242424242424242")
    demo.lose_answer(after_effect=after_effect)
    with pytest.raises(GatewayUnknown):
        open_method_setup(transaction, demo.gateway, setup_id, ADDRESSES, now=NOW, patience=SCREEN)
    assert setup_of(setup_id).status == "reserved"

    open_method_setup(transaction, demo.gateway, setup_id, ADDRESSES, now=NOW, patience=SCREEN)

    assert setup_of(setup_id).status == "open"
    assert setup_of(setup_id).page_url


def test_without_a_provider_the_visit_is_refused_with_the_reason(account_id: int) -> None:
    setup_id = begun(account_id)
    open_method_setup(transaction, NoGateway(), setup_id, ADDRESSES, now=NOW, patience=SCREEN)
    setup = setup_of(setup_id)
    assert (setup.status, setup.refusal) == ("refused", "gateway_not_configured")


def test_an_account_that_transfers_has_no_method(app_context: None) -> None:
    transfers = make_account("bank_transfer", "other@molenaar.example")
    with pytest.raises(DomainError, match="method_not_for_bank_transfer"):
        begun(transfers)


def test_a_replaced_method_is_detached_at_the_provider(demo: DemoHarness, account_id: int) -> None:
    saved(demo, account_id, "4242424242424242")
    saved(demo, account_id, "5555555555554444")
    old, new = methods(account_id)

    assert detach_method(transaction, demo.gateway, old.gateway_ref)
    assert detach_method(transaction, demo.gateway, new.gateway_ref)  # in use: left alone

    with pytest.raises(GatewayRefused, match="method_detached"):
        charge(demo, account_id, old)
    charge(demo, account_id, new)


def charge(demo: DemoHarness, account_id: int, method: PaymentMethod) -> None:
    from tests.payments.test_contract import charge_request

    with transaction() as session:
        customer = str(session.get_one(Account, account_id).gateway_customer)
    demo.gateway.charge(charge_request(customer, method.gateway_ref, f"pi:{method.id}"), SCREEN)


@pytest.mark.parametrize("last_begun_first", [True, False])
def test_M2_of_two_visits_the_one_begun_last_counts(
    demo: DemoHarness, account_id: int, last_begun_first: bool
) -> None:
    """In whatever order the news of them comes; the other's method is detached."""
    first, first_ref = opened(demo, account_id)
    second, second_ref = opened(demo, account_id)
    demo.save_method(first_ref, "4242424242424242")
    demo.save_method(second_ref, "5555555555554444")
    for setup_id in (second, first) if last_begun_first else (first, second):
        finish_method_setup(
            transaction, demo.gateway, setup_id, now=clock.now() + timedelta(0), patience=SCREEN
        )
    assert [m.last4 for m in methods(account_id) if m.is_default] == ["4444"]
    assert len(detach_jobs()) == 1
    expected = ("refused", "setup_overtaken") if last_begun_first else ("completed", None)
    assert (setup_of(first).status, setup_of(first).refusal) == expected
