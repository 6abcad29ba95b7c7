"""What a debit does to a wallet, when a pack is bought by itself, and what a decline changes (W1, W3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.errors import DomainError, Rejected
from portal.domain.money import Money
from portal.domain.wallet import (
    MOST_CREDITS,
    TopUpDecision,
    TopUpSettings,
    TopUpState,
    WalletState,
    check_top_up_settings,
    first_of_month,
    first_of_next_month,
    low_below,
    plan_debit,
    plan_top_up,
    plan_top_up_failure,
)

NOW = datetime(2026, 10, 29, 9, 0, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


READY = TopUpState(
    balance=10, on=True, threshold=50, price=eur(6_050), cap=eur(20_000), spent=eur(0)
)


def debit(wallet: WalletState, cost: int) -> tuple[int, int, bool, bool]:
    plan = plan_debit(wallet, cost, usual_threshold=100, now=NOW)
    assert plan.is_accepted is (plan.missing == 0)
    return plan.balance_after, plan.missing, plan.turns_low, plan.asks_top_up


@given(st.integers(0, 1_000), st.integers(1, 1_000), st.integers(0, 500), st.booleans())
def test_W1_a_debit_is_all_or_nothing_and_never_below_zero(
    balance: int, cost: int, threshold: int, on: bool
) -> None:
    after, missing, _low, _asks = debit(WalletState(balance, on, threshold), cost)
    assert after >= 0
    assert (after, missing) == (
        (balance - cost, 0) if cost <= balance else (balance, cost - balance)
    )


@pytest.mark.parametrize("cost", [0, -1, MOST_CREDITS + 1])
def test_W1_a_debit_of_nothing_or_of_too_much_is_a_mistake(cost: int) -> None:
    with pytest.raises(DomainError, match="debit_amount"):
        debit(WalletState(10**9), cost)


def test_a_wallet_turns_low_once_and_only_where_nothing_fills_it_up() -> None:
    assert debit(WalletState(100), 1) == (99, 0, True, False)
    assert debit(WalletState(99), 1) == (98, 0, False, False)
    assert debit(WalletState(101), 1) == (100, 0, False, False)
    assert debit(WalletState(51, threshold=50), 2) == (49, 0, True, False)
    assert debit(WalletState(51, True, 50), 2) == (49, 0, False, True)
    assert debit(WalletState(100), 101) == (100, 1, False, False)
    assert (low_below(None, 100), low_below(0, 100), low_below(7, 100)) == (100, 0, 7)


def test_W3_a_top_up_is_asked_for_once_and_not_before_its_time() -> None:
    low = WalletState(50, True, 50)
    assert debit(low, 1)[3]
    assert not debit(WalletState(51, True, 50), 1)[3]
    assert debit(WalletState(60, True, 50), 61) == (60, 1, False, True)  # refused asks as well
    assert not debit(replace(low, asked=True), 1)[3]
    assert not debit(replace(low, next_try_at=LATER), 1)[3]
    assert debit(replace(low, next_try_at=NOW), 1)[3]
    assert not debit(replace(low, auto_top_up=False), 51)[3]


@pytest.mark.parametrize(
    ("change", "decision"),
    [
        ({}, TopUpDecision.CHARGE),
        ({"on": False}, TopUpDecision.OFF),
        ({"threshold": None}, TopUpDecision.OFF),
        ({"cap": None}, TopUpDecision.OFF),
        ({"is_open": True}, TopUpDecision.OPEN),
        ({"balance": 50}, TopUpDecision.ENOUGH),
        ({"balance": 49}, TopUpDecision.CHARGE),
        ({"next_try_at": LATER}, TopUpDecision.WAITS),
        ({"next_try_at": NOW}, TopUpDecision.CHARGE),
        ({"next_try_at": EARLIER}, TopUpDecision.CHARGE),
        ({"is_suspended": True}, TopUpDecision.SUSPENDED),
        ({"is_owed": True}, TopUpDecision.OWED),
        ({"price": None}, TopUpDecision.NOT_SOLD),
        ({"has_method": False}, TopUpDecision.NO_METHOD),
        ({"spent": eur(13_950)}, TopUpDecision.CHARGE),  # to the cent
        ({"spent": eur(13_951)}, TopUpDecision.CAP),
        ({"cap": eur(6_049)}, TopUpDecision.CAP),
        # The first reason counts: what is under way or waits is no matter of the cap.
        ({"spent": eur(20_000), "is_open": True}, TopUpDecision.OPEN),
        ({"spent": eur(20_000), "next_try_at": LATER}, TopUpDecision.WAITS),
        ({"spent": eur(20_000), "has_method": False}, TopUpDecision.NO_METHOD),
    ],
)
def test_W3_one_pack_is_bought_below_the_threshold_within_the_cap(
    change: dict[str, object], decision: TopUpDecision
) -> None:
    assert plan_top_up(replace(READY, **change), NOW) is decision  # type: ignore[arg-type]


def test_W3_credits_that_were_asked_for_and_are_not_there_are_wanted() -> None:
    plenty = replace(READY, balance=500)
    assert plan_top_up(plenty, NOW, needed=500) is TopUpDecision.ENOUGH
    assert plan_top_up(plenty, NOW, needed=501) is TopUpDecision.CHARGE


def test_W3_the_third_decline_in_a_row_ends_it() -> None:
    first = plan_top_up_failure(0, hard=False, now=NOW)
    second = plan_top_up_failure(first.declines, hard=False, now=NOW)
    third = plan_top_up_failure(second.declines, hard=False, now=NOW)
    assert (first.declines, first.next_try_at) == (1, NOW + timedelta(days=1))
    assert (second.declines, second.next_try_at) == (2, NOW + timedelta(days=3))
    assert [plan.is_off for plan in (first, second, third)] == [False, False, True]


def test_W3_a_hard_decline_ends_it_at_once_and_our_own_fault_never() -> None:
    assert plan_top_up_failure(0, hard=True, now=NOW).is_off
    ours = plan_top_up_failure(2, hard=True, is_ours=True, now=NOW)
    assert (ours.declines, ours.is_off) == (2, False)


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_W3_the_cap_is_of_a_local_month(on: date) -> None:
    first, following = first_of_month(on), first_of_next_month(on)
    assert first <= on < following
    assert first.day == following.day == 1
    assert first_of_month(following - timedelta(days=1)) == first


def problems(threshold: int, cap: int, price: Money | None) -> list[tuple[str, str]]:
    try:
        check_top_up_settings(TopUpSettings(threshold, "small", eur(cap)), price)
    except Rejected as refused:
        return [(each.field, each.code) for each in refused.problems]
    return []


def test_W3_the_cap_allows_one_pack_at_least() -> None:
    assert problems(1, 6_050, eur(6_050)) == []
    assert problems(MOST_CREDITS, 6_051, eur(6_050)) == []
    assert problems(0, 6_049, eur(6_050)) == [
        ("threshold", "threshold_range"), ("cap", "cap_below_pack"),
    ]  # fmt: skip
    assert problems(MOST_CREDITS + 1, 0, None) == [
        ("threshold", "threshold_range"), ("pack", "pack_unknown"),
    ]  # fmt: skip
