"""The contract of the gateway port: one suite, every adapter (rule 6 of the road)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from flask import Flask

from portal.domain.money import Money
from portal.payments.gateway import (
    ChargeOutcome,
    ChargeRequest,
    ChargeStatus,
    Customer,
    EventRefused,
    GatewayRefused,
    GatewayUnknown,
    MethodKind,
    Patience,
    SetupRequest,
    SetupStatus,
)
from tests.payments.harness import PUBLIC_URL, Harness

NOW = 1_793_264_400
SCREEN = Patience.ON_SCREEN
CARD = "4242424242424242"
DEBIT = "AT611904300234573201"


def customer_of(provider: Harness, account: str = "7") -> str:
    return provider.gateway.ensure_customer(
        Customer(f"cust:{account}", "Molenaar BV", "billing@molenaar.example"), SCREEN
    )


def setup_request(customer: str, key: str = "setup:1") -> SetupRequest:
    return SetupRequest(
        key=key,
        customer_ref=customer,
        reference=key,
        return_url=f"{PUBLIC_URL}/back",
        cancel_url=f"{PUBLIC_URL}/cancelled",
        locale="nl",
    )


def saved_method(provider: Harness, number: str = CARD, key: str = "setup:1") -> tuple[str, str]:
    """A customer and a method saved on the provider's page."""
    customer = customer_of(provider)
    page = provider.gateway.open_setup(setup_request(customer, key), SCREEN)
    provider.save_method(page.ref, number)
    outcome = provider.gateway.get_setup(page.ref, SCREEN)
    assert outcome.method is not None
    return customer, outcome.method.ref


def charge_request(
    customer: str, method: str, key: str = "pi:order-1:1", minor: int = 7912
) -> ChargeRequest:
    return ChargeRequest(
        key=key,
        customer_ref=customer,
        method_ref=method,
        amount=Money(minor, "EUR"),
        description="Order 2026-0001",
        reference=key,
        return_url=f"{PUBLIC_URL}/orders/1",
    )


def charge(provider: Harness, number: str, **changes: object) -> ChargeOutcome:
    request = charge_request(*saved_method(provider, number))
    return provider.gateway.charge(replace(request, **changes), SCREEN)  # type: ignore[arg-type]


def test_a_customer_is_made_once(provider: Harness) -> None:
    first = customer_of(provider)
    assert customer_of(provider) == first
    assert customer_of(provider, "8") != first


def test_a_customer_that_was_renamed_meanwhile_is_still_found(provider: Harness) -> None:
    first = customer_of(provider)
    again = provider.gateway.ensure_customer(
        Customer("cust:7", "New name", "new@x.example"), SCREEN
    )
    assert again == first


def test_a_setup_is_open_until_the_customer_has_saved_a_card(provider: Harness) -> None:
    customer = customer_of(provider)
    page = provider.gateway.open_setup(setup_request(customer), SCREEN)
    assert page.url
    before = provider.gateway.get_setup(page.ref, SCREEN)
    assert (before.status, before.method) == (SetupStatus.OPEN, None)

    provider.save_method(page.ref, CARD)

    after = provider.gateway.get_setup(page.ref, SCREEN)
    assert after.status is SetupStatus.COMPLETED
    assert (after.customer_ref, after.reference) == (customer, "setup:1")
    assert after.method is not None
    assert (after.method.kind, after.method.last4) == (MethodKind.CARD, "4242")
    assert (after.method.expires_year, after.method.expires_month) == (2034, 12)
    assert after.method.funding == "credit"


def test_a_sepa_debit_brings_its_mandate_and_no_expiry(provider: Harness) -> None:
    page = provider.gateway.open_setup(setup_request(customer_of(provider)), SCREEN)
    provider.save_method(page.ref, DEBIT)
    method = provider.gateway.get_setup(page.ref, SCREEN).method
    assert method is not None
    assert (method.kind, method.last4) == (MethodKind.SEPA_DEBIT, "3201")
    assert method.mandate_ref
    assert method.expires_year is None


def test_M3_the_provider_tells_that_a_card_is_prepaid(provider: Harness) -> None:
    page = provider.gateway.open_setup(setup_request(customer_of(provider)), SCREEN)
    provider.save_method(page.ref, "5105105105105100")
    method = provider.gateway.get_setup(page.ref, SCREEN).method
    assert method is not None
    assert method.funding == "prepaid"


def test_a_setup_expires(provider: Harness) -> None:
    page = provider.gateway.open_setup(setup_request(customer_of(provider)), SCREEN)
    provider.pass_days(2)
    assert provider.gateway.get_setup(page.ref, SCREEN).status is SetupStatus.EXPIRED


def test_M1_the_same_key_opens_the_same_setup(provider: Harness) -> None:
    request = setup_request(customer_of(provider))
    first = provider.gateway.open_setup(request, SCREEN)
    assert provider.gateway.open_setup(request, SCREEN) == first


def test_M1_the_same_key_with_another_request_is_refused(provider: Harness) -> None:
    request = setup_request(customer_of(provider))
    provider.gateway.open_setup(request, SCREEN)
    with pytest.raises(GatewayRefused, match="idempotency_mismatch"):
        provider.gateway.open_setup(replace(request, locale="fr"), SCREEN)


@pytest.mark.parametrize("read", ["get_setup", "get_charge"])
def test_what_the_provider_does_not_know_is_refused(provider: Harness, read: str) -> None:
    with pytest.raises(GatewayRefused):
        getattr(provider.gateway, read)("no_such_object", SCREEN)


def test_a_setup_of_an_unknown_customer_is_refused(provider: Harness) -> None:
    with pytest.raises(GatewayRefused):
        provider.gateway.open_setup(setup_request("no_such_customer"), SCREEN)


def test_a_card_is_charged_at_once(provider: Harness) -> None:
    outcome = charge(provider, CARD)
    assert outcome.status is ChargeStatus.SUCCEEDED
    assert outcome.amount == Money(7912, "EUR")
    assert outcome.reference == "pi:order-1:1"
    assert provider.gateway.get_charge(outcome.ref, SCREEN) == outcome


@pytest.mark.parametrize(
    ("number", "code", "may_retry"),
    [
        ("4000000000000341", "generic_decline", True),
        ("4000000000009995", "insufficient_funds", True),
        ("4000000000009987", "lost_card", False),
        ("4100000000000019", "fraudulent", False),
        ("4000000000000069", "expired_card", True),
    ],
)
def test_M5_a_decline_tells_why_and_whether_to_try_again(
    provider: Harness, number: str, code: str, may_retry: bool
) -> None:
    outcome = charge(provider, number)
    assert outcome.status is ChargeStatus.DECLINED
    assert outcome.decline_code == code
    assert outcome.may_retry is may_retry
    assert outcome.advice_code


def test_a_new_key_tries_a_declined_card_again(provider: Harness) -> None:
    request = charge_request(*saved_method(provider, "4000000000009995"))
    first = provider.gateway.charge(request, SCREEN)
    second = provider.gateway.charge(replace(request, key="pi:order-1:2"), SCREEN)
    assert first.ref != second.ref


@pytest.mark.parametrize(
    ("approve", "status", "code"),
    [
        (True, ChargeStatus.SUCCEEDED, None),
        (False, ChargeStatus.DECLINED, "authentication_failed"),
    ],
)
def test_a_card_asks_the_customer_to_authenticate(
    provider: Harness, approve: bool, status: ChargeStatus, code: str | None
) -> None:
    waiting = charge(provider, "4000002760003184")
    assert waiting.status is ChargeStatus.REQUIRES_ACTION
    assert waiting.action_url

    provider.authenticate(waiting.ref, approve=approve)

    after = provider.gateway.get_charge(waiting.ref, SCREEN)
    assert (after.status, after.decline_code, after.action_url) == (status, code, "")


def test_off_session_nobody_is_there_to_authenticate(provider: Harness) -> None:
    outcome = charge(provider, "4000002760003184", off_session=True, return_url="")
    assert outcome.status is ChargeStatus.DECLINED
    assert outcome.decline_code == "authentication_required"


def test_M1_one_key_charges_once(provider: Harness) -> None:
    request = charge_request(*saved_method(provider))
    first = provider.gateway.charge(request, SCREEN)
    assert provider.gateway.charge(request, SCREEN) == first


def test_M1_one_key_gives_its_first_answer_again(provider: Harness) -> None:
    request = charge_request(*saved_method(provider, "4000002760003184"))
    first = provider.gateway.charge(request, SCREEN)
    provider.authenticate(first.ref, approve=True)
    assert provider.gateway.charge(request, SCREEN) == first
    assert provider.gateway.get_charge(first.ref, SCREEN).status is ChargeStatus.SUCCEEDED


def test_M1_one_key_never_charges_another_amount(provider: Harness) -> None:
    request = charge_request(*saved_method(provider))
    provider.gateway.charge(request, SCREEN)
    with pytest.raises(GatewayRefused, match="idempotency_mismatch"):
        provider.gateway.charge(replace(request, amount=Money(791, "EUR")), SCREEN)


@pytest.mark.parametrize("after_effect", [False, True])
def test_M1_a_lost_answer_is_found_with_the_same_key(provider: Harness, after_effect: bool) -> None:
    request = charge_request(*saved_method(provider))
    provider.lose_answer(after_effect=after_effect)
    with pytest.raises(GatewayUnknown):
        provider.gateway.charge(request, SCREEN)

    found = provider.gateway.charge(request, SCREEN)

    assert found.status is ChargeStatus.SUCCEEDED
    assert provider.gateway.charge(request, SCREEN).ref == found.ref


@pytest.mark.parametrize("after_effect", [False, True])
def test_M1_a_lost_answer_is_looked_up_without_charging(
    provider: Harness, after_effect: bool
) -> None:
    request = charge_request(*saved_method(provider))
    charge_of_another_key(provider, request)
    assert provider.gateway.find_charge(request, SCREEN) is None
    provider.lose_answer(after_effect=after_effect)
    with pytest.raises(GatewayUnknown):
        provider.gateway.charge(request, SCREEN)

    found = provider.gateway.find_charge(request, SCREEN)

    if not after_effect:
        assert found is None
        return
    assert found is not None
    assert (found.status, found.amount) == (ChargeStatus.SUCCEEDED, request.amount)
    assert provider.gateway.charge(request, SCREEN).ref == found.ref


def test_what_is_looked_up_is_as_it_stands_now(provider: Harness) -> None:
    request = charge_request(*saved_method(provider, "4000002760003184"))
    made = provider.gateway.charge(request, SCREEN)
    provider.gateway.cancel_charge(made.ref, "pi:payment-1:cancel", SCREEN)
    found = provider.gateway.find_charge(request, SCREEN)
    assert found is not None
    assert (found.ref, found.status) == (made.ref, ChargeStatus.CANCELLED)


def charge_of_another_key(provider: Harness, request: ChargeRequest) -> None:
    provider.gateway.charge(replace(request, key="pi:order-2:1", reference="other"), SCREEN)


def test_M1_twenty_calls_at_once_with_one_key_charge_once(app: Flask, provider: Harness) -> None:
    request = charge_request(*saved_method(provider))
    start = threading.Barrier(20)

    def call(_: int) -> str:
        with app.app_context():
            start.wait()
            while True:  # a key that is being worked on leaves the others without an answer
                with suppress(GatewayUnknown):
                    return provider.gateway.charge(request, SCREEN).ref

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(call, range(20)))) == 1


@pytest.mark.parametrize("minor", [0, -1])
def test_nothing_and_less_cannot_be_charged(provider: Harness, minor: int) -> None:
    with pytest.raises(GatewayRefused):
        charge(provider, CARD, amount=Money(minor, "EUR"))


def test_a_refused_request_charges_nothing_and_a_new_key_does(provider: Harness) -> None:
    request = charge_request(*saved_method(provider))
    with pytest.raises(GatewayRefused):
        provider.gateway.charge(replace(request, method_ref="no_such_method"), SCREEN)
    new = replace(request, key="pi:order-1:2")
    assert provider.gateway.charge(new, SCREEN).status is ChargeStatus.SUCCEEDED


def test_a_method_of_another_customer_cannot_be_charged(provider: Harness) -> None:
    _, method = saved_method(provider)
    with pytest.raises(GatewayRefused):
        provider.gateway.charge(charge_request(customer_of(provider, "8"), method), SCREEN)


def test_a_detached_method_cannot_be_charged_and_is_detached_twice(provider: Harness) -> None:
    customer, method = saved_method(provider)
    provider.gateway.detach_method(method, SCREEN)
    provider.gateway.detach_method(method, SCREEN)
    with pytest.raises(GatewayRefused):
        provider.gateway.charge(charge_request(customer, method), SCREEN)


def test_M4_a_debit_is_pending_and_then_settled(provider: Harness) -> None:
    pending = charge(provider, DEBIT)
    assert pending.status is ChargeStatus.PROCESSING
    provider.pass_days(4)
    settled = provider.gateway.get_charge(pending.ref, SCREEN)
    assert (settled.status, settled.reversed) == (ChargeStatus.SUCCEEDED, False)


def test_M4_a_debit_may_fail_later(provider: Harness) -> None:
    pending = charge(provider, "AT861904300235473202")
    assert pending.status is ChargeStatus.PROCESSING
    provider.pass_days(4)
    failed = provider.gateway.get_charge(pending.ref, SCREEN)
    assert failed.status is ChargeStatus.DECLINED
    assert failed.decline_code


def test_M4_a_settled_debit_may_be_reversed(provider: Harness) -> None:
    pending = charge(provider, "AT591904300235473203")
    provider.pass_days(4)
    assert not provider.gateway.get_charge(pending.ref, SCREEN).reversed
    provider.pass_days(14)
    assert provider.gateway.get_charge(pending.ref, SCREEN).reversed


def test_a_debit_is_in_euro(provider: Harness) -> None:
    with pytest.raises(GatewayRefused, match="sepa_currency"):
        charge(provider, DEBIT, amount=Money(100, "CHF"))


def test_a_debit_is_ten_thousand_euro_at_most(provider: Harness) -> None:
    with pytest.raises(GatewayRefused, match="sepa_limit"):
        charge(provider, DEBIT, amount=Money(1_000_001, "EUR"))


def test_a_debit_of_ten_thousand_euro_is_taken(provider: Harness) -> None:
    assert charge(provider, DEBIT, amount=Money(1_000_000, "EUR")).status is ChargeStatus.PROCESSING


def test_a_charge_that_waits_can_be_cancelled_once_and_for_all(provider: Harness) -> None:
    waiting = charge(provider, "4000002760003184")
    for _ in range(2):
        cancelled = provider.gateway.cancel_charge(waiting.ref, "cancel:1", SCREEN)
        assert cancelled.status is ChargeStatus.CANCELLED


def test_money_that_arrived_is_not_cancelled(provider: Harness) -> None:
    paid = charge(provider, CARD)
    after = provider.gateway.cancel_charge(paid.ref, "cancel:1", SCREEN)
    assert after.status is ChargeStatus.SUCCEEDED


def test_M2_a_signed_event_is_read(provider: Harness) -> None:
    body, headers = provider.signed_event("evt_1", "charge.succeeded", "charge", "pi_1", NOW)
    notice = provider.gateway.read_event(body, headers, NOW)
    assert (notice.event_id, notice.about, notice.ref) == ("evt_1", "charge", "pi_1")


@pytest.mark.parametrize("off", [-300, 300])
def test_M2_five_minutes_are_tolerated_either_way(provider: Harness, off: int) -> None:
    body, headers = provider.signed_event("evt_1", "charge.succeeded", "charge", "pi_1", NOW + off)
    assert provider.gateway.read_event(body, headers, NOW).event_id == "evt_1"


@pytest.mark.parametrize(
    ("off", "code"), [(-301, "timestamp_too_old"), (301, "timestamp_in_future")]
)
def test_M2_a_time_further_away_is_refused(provider: Harness, off: int, code: str) -> None:
    body, headers = provider.signed_event("evt_1", "charge.succeeded", "charge", "pi_1", NOW + off)
    with pytest.raises(EventRefused, match=code):
        provider.gateway.read_event(body, headers, NOW)


def test_M2_one_changed_byte_breaks_the_signature(provider: Harness) -> None:
    body, headers = provider.signed_event("evt_1", "charge.succeeded", "charge", "pi_1", NOW)
    with pytest.raises(EventRefused, match="signature_wrong"):
        provider.gateway.read_event(body.replace(b"pi_1", b"pi_2"), headers, NOW)


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=00", "t=x,v1=00", f"t={NOW},t={NOW},v1=00", "t=" + "9" * 5000]
)
def test_M2_a_malformed_signature_is_refused(provider: Harness, header: str) -> None:
    body, headers = provider.signed_event("evt_1", "charge.succeeded", "charge", "pi_1", NOW)
    name = next(iter(headers))
    with pytest.raises(EventRefused):
        provider.gateway.read_event(body, {name: header}, NOW)
    with pytest.raises(EventRefused):
        provider.gateway.read_event(body, {}, NOW)
