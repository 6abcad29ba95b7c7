"""Stripe counts some currencies in other units than ISO 4217: nothing is charged a hundredth (I1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.clock import clock
from portal.domain.money import Money
from portal.payments.gateway import GatewayRefused, Patience, RefundRequest
from portal.payments.stripe_gateway.amounts import from_stripe, to_stripe
from portal.payments.stripe_gateway.reading import dispute_of
from tests.conftest import NOW
from tests.fake_stripe.driver import FakeStripe
from tests.payments.harness import StripeHarness
from tests.payments.test_contract import charge_request, saved_method

SCREEN, BACKGROUND = Patience.ON_SCREEN, Patience.BACKGROUND
AMOUNTS = [
    (Money(7912, "EUR"), 7912),
    (Money(500, "JPY"), 500),
    (Money(5000, "ISK"), 500_000),
    (Money(5000, "UGX"), 500_000),
    (Money(120_000, "MGA"), 1200),
    (Money(5120, "KWD"), 5120),
    (Money(1, "ISK"), 100),
]


@pytest.fixture
def stripe(fake_stripe: FakeStripe, app_context: None) -> Iterator[StripeHarness]:
    clock.fix(NOW)
    yield StripeHarness(fake_stripe)
    clock.fix(None)
    fake_stripe.check()


@pytest.mark.parametrize(("ours", "theirs"), AMOUNTS)
def test_I1_an_amount_is_sent_in_stripes_units_and_read_again(ours: Money, theirs: int) -> None:
    assert to_stripe(ours) == theirs
    assert from_stripe(theirs, ours.currency.lower()) == ours


@given(st.integers(0, 10**9), st.sampled_from(["EUR", "JPY", "ISK", "UGX", "MGA", "KWD", "TND"]))
def test_I1_what_is_sent_comes_back_the_same_or_is_not_sent(minor: int, currency: str) -> None:
    try:
        sent = to_stripe(Money(minor, currency))
    except GatewayRefused:
        assert minor % {"MGA": 100, "KWD": 10, "TND": 10}[currency]
        return
    assert from_stripe(sent, currency) == Money(minor, currency)
    if currency in ("ISK", "UGX"):
        assert sent == minor * 100
    if currency in ("KWD", "TND"):
        assert sent % 10 == 0


@pytest.mark.parametrize("currency", ["BHD", "JOD", "KWD", "OMR", "TND"])
def test_I1_a_third_decimal_that_is_not_nought_is_refused_and_never_rounded(currency: str) -> None:
    with pytest.raises(GatewayRefused, match="amount_not_exact"):
        to_stripe(Money(5124, currency))
    assert from_stripe(5124, currency) == Money(5124, currency)  # what others may have charged


def test_I1_a_fraction_of_a_krona_is_not_understood() -> None:
    with pytest.raises(ValueError, match="ISK"):
        from_stripe(150, "isk")
    with pytest.raises(TypeError):
        from_stripe(True, "eur")


def test_I1_kronur_are_charged_refunded_and_listed_as_they_stand_on_the_invoice(
    stripe: StripeHarness,
) -> None:
    customer, card = saved_method(stripe)
    amount = Money(5000, "ISK")
    paid = stripe.gateway.charge(replace(charge_request(customer, card), amount=amount), SCREEN)
    assert paid.amount == amount
    assert stripe.gateway.get_charge(paid.ref, SCREEN).amount == amount
    (intent,) = stripe.stripe.things("payment_intent")
    assert intent["amount"] == 500_000, "Stripe reads 5000 as 50 kronur"
    asked = RefundRequest("refund:1", paid.ref, Money(1500, "ISK"), "refund:1")
    assert stripe.gateway.refund(asked, BACKGROUND).amount == Money(1500, "ISK")
    assert stripe.gateway.refund(asked, BACKGROUND).amount == Money(1500, "ISK")  # found again
    (refund,) = stripe.stripe.things("refund")
    assert refund["amount"] == 150_000
    (record,) = stripe.gateway.list_charges(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert (record.amount, record.refunded) == (amount, Money(1500, "ISK"))


def test_M4_a_dispute_in_kronur_is_of_what_was_charged() -> None:
    told = dispute_of({
        "id": "dp_1", "payment_intent": "pi_1", "status": "needs_response", "reason": "fraudulent",
        "balance_transactions": [{"amount": -500_000}], "amount": 500_000, "currency": "isk",
    })  # fmt: skip
    assert told.amount == Money(5000, "ISK")


def test_I1_dinars_are_charged_exactly_or_not_at_all(stripe: StripeHarness) -> None:
    customer, card = saved_method(stripe)
    request = replace(charge_request(customer, card), amount=Money(5124, "KWD"))
    with pytest.raises(GatewayRefused, match="amount_not_exact"):
        stripe.gateway.charge(request, SCREEN)
    assert stripe.stripe.things("payment_intent") == []
    exact = replace(request, amount=Money(5120, "KWD"))
    assert stripe.gateway.charge(exact, SCREEN).amount == Money(5120, "KWD")
