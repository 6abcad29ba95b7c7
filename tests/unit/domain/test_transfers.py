"""Booking a transfer splits it: what the invoice needs, the rest to the balance; never a cent lost (M6)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.transfers import plan_deposit, plan_payout, plan_transfer
from tests.support.transfers import eur

TODAY = date(2026, 10, 29)
cents = st.integers(1, 10**9)


@given(cents, cents)
def test_M6_every_cent_pays_or_is_owed(still_open: int, amount: int) -> None:
    plan = plan_transfer("open", "N", eur(still_open), eur(amount), TODAY, TODAY)
    assert plan.paid + plan.to_balance == eur(amount)
    assert plan.paid + plan.left == eur(still_open)
    assert plan.settles == (amount >= still_open)
    assert plan.left.is_zero or plan.to_balance.is_zero


@pytest.mark.parametrize(
    ("status", "amount", "day", "code"),
    [
        ("paid", eur(1), TODAY, "transfer_for_paid"),
        ("credited", eur(1), TODAY, "transfer_for_void"),
        ("written_off", eur(1), TODAY, "transfer_for_void"),
        ("pending", eur(1), TODAY, "transfer_while_collected"),
        ("open", eur(0), TODAY, "transfer_nothing"),
        ("open", Money(1, "USD"), TODAY, "transfer_other_currency"),
        ("open", eur(1), date(2026, 10, 30), "transfer_in_future"),
    ],
)
def test_what_cannot_be_booked_says_why(status: str, amount: Money, day: date, code: str) -> None:
    with pytest.raises(DomainError) as caught:
        plan_transfer(status, "N", eur(100), amount, day, TODAY)
    assert caught.value.code == code


def test_a_deposit_is_all_owed() -> None:
    plan = plan_deposit(eur(500), "EUR", TODAY, TODAY)
    assert (plan.paid, plan.to_balance) == (eur(0), eur(500))


def test_a_payout_is_never_more_than_the_balance() -> None:
    assert plan_payout(eur(500), eur(500)) == eur(0)
    for amount, code in ((eur(501), "payout_beyond_balance"), (eur(0), "payout_nothing")):
        with pytest.raises(DomainError) as caught:
            plan_payout(eur(500), amount)
        assert caught.value.code == code
