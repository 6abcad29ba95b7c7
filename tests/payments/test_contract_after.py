"""The contract of the gateway port after the first charge: retries, refunds, methods, the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.clock import clock
from portal.domain.money import Money
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRecord,
    ChargeStatus,
    GatewayRefused,
    GatewayUnknown,
    RefundRequest,
    RefundStatus,
    RetryRequest,
)
from tests.payments.harness import PUBLIC_URL, Harness
from tests.payments.test_contract import (
    CARD,
    DEBIT,
    SCREEN,
    charge,
    charge_request,
    customer_of,
    saved_method,
)

NO_MONEY = "4000000000009995"
AUTHENTICATE = "4000002760003184"
REFUND_FAILS = "4000000000005126"
AMOUNT = Money(7912, "EUR")


def declined(provider: Harness) -> tuple[ChargeOutcome, str]:
    """A charge that was declined off session, and a good method of the same customer."""
    customer, bad = saved_method(provider, NO_MONEY)
    _, good = saved_method(provider, CARD, "setup:2")
    request = replace(charge_request(customer, bad), off_session=True, return_url="")
    outcome = provider.gateway.charge(request, SCREEN)
    assert outcome.status is ChargeStatus.DECLINED
    return outcome, good


def retry(
    charge_ref: str, method_ref: str, number: int = 1, amount: Money = AMOUNT
) -> RetryRequest:
    return RetryRequest(f"pi:{charge_ref}:try:{number}"[:80], charge_ref, method_ref, amount)


def refund_of(paid: ChargeOutcome, minor: int = 1000, number: int = 1) -> RefundRequest:
    return RefundRequest(
        f"refund:{number}", paid.ref, Money(minor, "EUR"), reference=f"refund:{number}"
    )


def test_M5_a_retry_with_another_method_collects_the_same_charge(provider: Harness) -> None:
    first, good = declined(provider)
    again = provider.gateway.retry_charge(retry(first.ref, good), SCREEN)
    assert (again.ref, again.status) == (first.ref, ChargeStatus.SUCCEEDED)
    assert (again.amount, again.reference) == (first.amount, first.reference)
    assert again.decline_code is None
    assert provider.gateway.get_charge(first.ref, SCREEN) == again


def test_M5_a_retry_may_be_declined_again(provider: Harness) -> None:
    customer, bad = saved_method(provider, NO_MONEY)
    request = replace(charge_request(customer, bad), off_session=True, return_url="")
    first = provider.gateway.charge(request, SCREEN)
    again = provider.gateway.retry_charge(retry(first.ref, bad), SCREEN)
    assert (again.ref, again.status) == (first.ref, ChargeStatus.DECLINED)
    assert again.decline_code == "insufficient_funds"


def test_M1_one_key_retries_once_and_gives_its_first_answer_again(provider: Harness) -> None:
    customer, bad = saved_method(provider, NO_MONEY)
    _, good = saved_method(provider, CARD, "setup:2")
    request = replace(charge_request(customer, bad), off_session=True, return_url="")
    first = provider.gateway.charge(request, SCREEN)
    declined_again = provider.gateway.retry_charge(retry(first.ref, bad, 1), SCREEN)
    paid = provider.gateway.retry_charge(retry(first.ref, good, 2), SCREEN)
    assert paid.status is ChargeStatus.SUCCEEDED
    assert provider.gateway.retry_charge(retry(first.ref, bad, 1), SCREEN) == declined_again
    assert provider.gateway.charge(request, SCREEN) == first
    with pytest.raises(GatewayRefused, match="idempotency_mismatch"):
        provider.gateway.retry_charge(retry(first.ref, good, 1), SCREEN)


@pytest.mark.parametrize("after_effect", [False, True])
def test_M1_a_lost_retry_is_found_with_the_same_key(provider: Harness, after_effect: bool) -> None:
    first, good = declined(provider)
    provider.lose_answer(after_effect=after_effect)
    with pytest.raises(GatewayUnknown):
        provider.gateway.retry_charge(retry(first.ref, good), SCREEN)
    found = provider.gateway.retry_charge(retry(first.ref, good), SCREEN)
    assert (found.ref, found.status) == (first.ref, ChargeStatus.SUCCEEDED)


def test_a_paid_charge_is_never_tried_again(provider: Harness) -> None:
    customer, method = saved_method(provider)
    paid = provider.gateway.charge(charge_request(customer, method), SCREEN)
    with pytest.raises(GatewayRefused, match="charge_state"):
        provider.gateway.retry_charge(retry(paid.ref, method), SCREEN)


def test_a_cancelled_charge_is_never_tried_again(provider: Harness) -> None:
    first, good = declined(provider)
    provider.gateway.cancel_charge(first.ref, "cancel:1", SCREEN)
    with pytest.raises(GatewayRefused, match="charge_state"):
        provider.gateway.retry_charge(retry(first.ref, good), SCREEN)


def test_M4_a_pending_debit_is_never_tried_again(provider: Harness) -> None:
    customer, method = saved_method(provider, DEBIT)
    pending = provider.gateway.charge(charge_request(customer, method), SCREEN)
    with pytest.raises(GatewayRefused, match="charge_state"):
        provider.gateway.retry_charge(retry(pending.ref, method), SCREEN)


def test_a_detached_method_cannot_be_tried(provider: Harness) -> None:
    first, good = declined(provider)
    provider.gateway.detach_method(good, SCREEN)
    with pytest.raises(GatewayRefused):
        provider.gateway.retry_charge(retry(first.ref, good), SCREEN)
    assert provider.gateway.get_charge(first.ref, SCREEN).status is ChargeStatus.DECLINED


@pytest.mark.parametrize("approve", [True, False])
def test_M5_what_needed_authentication_is_approved_on_session(
    provider: Harness, approve: bool
) -> None:
    customer, method = saved_method(provider, AUTHENTICATE)
    request = replace(charge_request(customer, method), off_session=True, return_url="")
    first = provider.gateway.charge(request, SCREEN)
    assert first.decline_code == "authentication_required"

    on_session = replace(
        retry(first.ref, method), off_session=False, return_url=f"{PUBLIC_URL}/invoices/1"
    )
    waiting = provider.gateway.retry_charge(on_session, SCREEN)
    assert (waiting.ref, waiting.status) == (first.ref, ChargeStatus.REQUIRES_ACTION)
    assert waiting.action_url
    provider.authenticate(first.ref, approve=approve)

    after = provider.gateway.get_charge(first.ref, SCREEN)
    assert after.status is (ChargeStatus.SUCCEEDED if approve else ChargeStatus.DECLINED)


def test_M4_a_retry_by_debit_settles_days_later(provider: Harness) -> None:
    customer, bad = saved_method(provider, NO_MONEY)
    _, debit = saved_method(provider, DEBIT, "setup:2")
    request = replace(charge_request(customer, bad), off_session=True, return_url="")
    first = provider.gateway.charge(request, SCREEN)
    again = provider.gateway.retry_charge(retry(first.ref, debit), SCREEN)
    assert again.status is ChargeStatus.PROCESSING
    provider.pass_days(4)
    assert provider.gateway.get_charge(first.ref, SCREEN).status is ChargeStatus.SUCCEEDED


def test_M6_part_of_a_charge_is_given_back(provider: Harness) -> None:
    paid = charge(provider, CARD)
    refund = provider.gateway.refund(refund_of(paid), SCREEN)
    assert (refund.status, refund.amount) == (RefundStatus.SUCCEEDED, Money(1000, "EUR"))
    assert refund.reference == "refund:1"
    assert provider.gateway.get_refund(refund.ref, SCREEN) == refund
    after = provider.gateway.get_charge(paid.ref, SCREEN)
    assert (after.status, after.reversed) == (ChargeStatus.SUCCEEDED, False)


def test_M6_refunds_never_exceed_the_charge(provider: Harness) -> None:
    paid = charge(provider, CARD)
    provider.gateway.refund(refund_of(paid, 7000), SCREEN)
    with pytest.raises(GatewayRefused, match="refund_too_large"):
        provider.gateway.refund(refund_of(paid, 913, 2), SCREEN)
    provider.gateway.refund(refund_of(paid, 912, 3), SCREEN)
    with pytest.raises(GatewayRefused, match="refund_too_large"):
        provider.gateway.refund(refund_of(paid, 1, 4), SCREEN)


@pytest.mark.parametrize("minor", [0, -1])
def test_nothing_and_less_cannot_be_refunded(provider: Harness, minor: int) -> None:
    with pytest.raises(GatewayRefused):
        provider.gateway.refund(refund_of(charge(provider, CARD), minor), SCREEN)


def test_what_was_never_paid_is_not_refunded(provider: Harness) -> None:
    with pytest.raises(GatewayRefused, match="charge_not_paid"):
        provider.gateway.refund(refund_of(charge(provider, NO_MONEY)), SCREEN)


def test_M4_what_was_taken_back_is_not_refunded_as_well(provider: Harness) -> None:
    paid = charge(provider, "AT591904300235473203")
    provider.pass_days(4)
    provider.pass_days(14)
    with pytest.raises(GatewayRefused, match="charge_reversed"):
        provider.gateway.refund(refund_of(paid), SCREEN)


def test_M1_one_key_refunds_once(provider: Harness) -> None:
    paid = charge(provider, CARD)
    first = provider.gateway.refund(refund_of(paid, 5000), SCREEN)
    assert provider.gateway.refund(refund_of(paid, 5000), SCREEN) == first
    with pytest.raises(GatewayRefused, match="idempotency_mismatch"):
        provider.gateway.refund(refund_of(paid, 4999), SCREEN)


@pytest.mark.parametrize("after_effect", [False, True])
def test_M1_a_lost_refund_is_found_with_the_same_key(provider: Harness, after_effect: bool) -> None:
    paid = charge(provider, CARD)
    provider.lose_answer(after_effect=after_effect)
    with pytest.raises(GatewayUnknown):
        provider.gateway.refund(refund_of(paid, 5000), SCREEN)
    found = provider.gateway.refund(refund_of(paid, 5000), SCREEN)
    assert found.status is RefundStatus.SUCCEEDED
    [record] = books_of(provider)
    assert record.refunded == Money(5000, "EUR")


def test_M6_the_refund_of_a_debit_takes_days(provider: Harness) -> None:
    paid = charge(provider, DEBIT)
    provider.pass_days(4)
    refund = provider.gateway.refund(refund_of(paid), SCREEN)
    assert refund.status is RefundStatus.PENDING
    provider.pass_days(4)
    assert provider.gateway.get_refund(refund.ref, SCREEN).status is RefundStatus.SUCCEEDED
    assert provider.gateway.refund(refund_of(paid), SCREEN).ref == refund.ref
    [record] = books_of(provider)
    assert record.refunded == Money(1000, "EUR")


def test_M6_a_refund_may_fail_later_and_the_money_is_back(provider: Harness) -> None:
    paid = charge(provider, REFUND_FAILS)
    refund = provider.gateway.refund(refund_of(paid, 7912), SCREEN)
    assert refund.status is RefundStatus.PENDING
    provider.pass_days(4)
    failed = provider.gateway.get_refund(refund.ref, SCREEN)
    assert failed.status is RefundStatus.FAILED
    assert failed.failure_code
    [record] = books_of(provider)
    assert record.refunded == Money(0, "EUR")


def test_a_refund_nobody_knows_is_refused(provider: Harness) -> None:
    with pytest.raises(GatewayRefused):
        provider.gateway.get_refund("no_such_refund", SCREEN)
    with pytest.raises(GatewayRefused):
        provider.gateway.refund(
            RefundRequest("refund:1", "no_such_charge", Money(1, "EUR"), "refund:1"), SCREEN
        )


@pytest.mark.parametrize("number", [CARD, DEBIT])
def test_a_method_is_read_until_it_is_detached(provider: Harness, number: str) -> None:
    _, ref = saved_method(provider, number)
    facts = provider.gateway.get_method(ref, SCREEN)
    assert facts is not None
    assert (facts.ref, facts.last4) == (ref, number[-4:])
    provider.gateway.detach_method(ref, SCREEN)
    assert provider.gateway.get_method(ref, SCREEN) is None


def test_a_method_nobody_knows_is_refused(provider: Harness) -> None:
    with pytest.raises(GatewayRefused):
        provider.gateway.get_method("no_such_method", SCREEN)


def books_of(provider: Harness) -> list[ChargeRecord]:
    """What a test charged; the demo's own customers were charged before."""
    now = clock.now()
    listed = provider.gateway.list_charges(now - timedelta(days=30), now + timedelta(days=1))
    return [record for record in listed if record.reference.startswith("pi:")]


def test_the_books_list_every_charge_the_oldest_first(provider: Harness) -> None:
    customer, good = saved_method(provider)
    _, bad = saved_method(provider, NO_MONEY, "setup:2")
    paid = provider.gateway.charge(charge_request(customer, good, "pi:1"), SCREEN)
    refused = provider.gateway.charge(charge_request(customer, bad, "pi:2", 500), SCREEN)
    provider.gateway.refund(refund_of(paid), SCREEN)
    records = books_of(provider)
    assert [(r.ref, r.status, r.amount, r.refunded, r.reference) for r in records] == [
        (paid.ref, ChargeStatus.SUCCEEDED, Money(7912, "EUR"), Money(1000, "EUR"), "pi:1"),
        (refused.ref, ChargeStatus.DECLINED, Money(500, "EUR"), Money(0, "EUR"), "pi:2"),
    ]
    assert not any(record.reversed for record in records)


def test_the_books_are_read_for_a_span_of_time(provider: Harness) -> None:
    customer, method = saved_method(provider)
    early = provider.gateway.charge(charge_request(customer, method, "pi:1"), SCREEN)
    provider.pass_days(2)
    middle = clock.now()
    late = provider.gateway.charge(charge_request(customer, method, "pi:2"), SCREEN)
    day = timedelta(days=1)
    listed = provider.gateway.list_charges
    assert [r.ref for r in listed(middle - 3 * day, middle - day)] == [early.ref]
    assert [r.ref for r in listed(middle, middle + day)] == [late.ref]
    assert [r.created_at for r in listed(middle, middle + day)] == [middle]


def test_the_books_are_read_page_by_page(provider: Harness) -> None:
    customer, method = saved_method(provider)
    refs = [
        provider.gateway.charge(charge_request(customer, method, f"pi:{n}", 100 + n), SCREEN).ref
        for n in range(103)
    ]
    assert [record.ref for record in books_of(provider)] == refs


def test_M4_the_books_tell_what_was_taken_back(provider: Harness) -> None:
    charge(provider, "AT591904300235473203")
    provider.pass_days(4)
    provider.pass_days(14)
    [record] = books_of(provider)
    assert (record.status, record.reversed) == (ChargeStatus.SUCCEEDED, True)


def test_a_customer_without_charges_has_empty_books(provider: Harness) -> None:
    customer_of(provider)
    assert books_of(provider) == []
