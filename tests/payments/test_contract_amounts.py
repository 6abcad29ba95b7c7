"""The contract of the gateway port about amounts: what is too small, and too much for a debit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.domain.money import Money
from portal.payments.gateway import ChargeStatus, GatewayRefused
from portal.payments.smallest_charge import is_too_small, smallest_charge
from tests.payments.harness import Harness
from tests.payments.test_contract import CARD, DEBIT, SCREEN, charge, charge_request, saved_method
from tests.payments.test_contract_after import NO_MONEY, retry


@pytest.mark.parametrize(
    "amount",
    [Money(49, "EUR"), Money(29, "GBP"), Money(49, "JPY"), Money(249, "DKK"), Money(1, "USD")],
)
def test_less_than_the_smallest_charge_is_refused(provider: Harness, amount: Money) -> None:
    with pytest.raises(GatewayRefused, match="amount_too_small"):
        charge(provider, CARD, amount=amount)


@pytest.mark.parametrize("amount", [Money(50, "EUR"), Money(30, "GBP"), Money(50, "JPY")])
def test_the_smallest_charge_is_taken(provider: Harness, amount: Money) -> None:
    assert amount == smallest_charge(amount.currency)
    paid = charge(provider, CARD, amount=amount)
    assert (paid.status, paid.amount) == (ChargeStatus.SUCCEEDED, amount)


def test_a_currency_without_a_known_minimum_has_none() -> None:
    assert smallest_charge("KWD") == Money(0, "KWD")
    assert not is_too_small(Money(1, "KWD"))
    assert not is_too_small(Money(0, "EUR"))


@pytest.mark.parametrize(
    ("amount", "code"),
    [(Money(1_200_000, "EUR"), "sepa_limit"), (Money(7912, "CHF"), "sepa_currency")],
)
def test_a_retry_by_a_debit_that_cannot_be_of_this_amount_says_so(
    provider: Harness, amount: Money, code: str
) -> None:
    customer, bad = saved_method(provider, NO_MONEY)
    _, debit = saved_method(provider, DEBIT, "setup:2")
    request = replace(
        charge_request(customer, bad), amount=amount, off_session=True, return_url=""
    )  # fmt: skip
    first = provider.gateway.charge(request, SCREEN)
    assert first.status is ChargeStatus.DECLINED
    with pytest.raises(GatewayRefused, match=code):
        provider.gateway.retry_charge(retry(first.ref, debit, amount=amount), SCREEN)
    assert provider.gateway.get_charge(first.ref, SCREEN).status is ChargeStatus.DECLINED
