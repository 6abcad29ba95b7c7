"""Where money goes back to, and what a balance pays: never more than there is (M6, W1, M2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.money import Money, total
from portal.domain.refunds import (
    PaidPart,
    RefundState,
    next_refund_state,
    plan_balance_use,
    plan_refunds,
)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def test_M6_the_latest_payment_first_and_the_rest_to_the_balance() -> None:
    parts = [
        PaidPart(1, eur(500), refundable=True),
        PaidPart(2, eur(300), refundable=False),  # by transfer
        PaidPart(3, eur(400), refundable=True),
    ]
    plan = plan_refunds(eur(1_000), parts)
    assert [(step.payment_id, step.amount) for step in plan.refunds] == [
        (3, eur(400)),
        (1, eur(500)),
    ]
    assert plan.to_balance == eur(100)
    assert plan_refunds(eur(0), parts).refunds == ()


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=6),
)
def test_M6_nothing_is_lost_and_no_payment_gives_more_than_is_left(
    owed: int, payments: list[tuple[int, bool]]
) -> None:
    parts = [
        PaidPart(key, eur(left), refundable) for key, (left, refundable) in enumerate(payments)
    ]
    plan = plan_refunds(eur(owed), parts)
    assert total((step.amount for step in plan.refunds), "EUR") + plan.to_balance == eur(owed)
    for step in plan.refunds:
        part = parts[step.payment_id]
        assert part.refundable
        assert eur(0) < step.amount <= part.left
    assert len({step.payment_id for step in plan.refunds}) == len(plan.refunds)


@given(st.integers(-500, 10_000), st.lists(st.integers(0, 3_000), max_size=8))
def test_W1_a_balance_is_used_in_order_and_never_beyond_what_it_is(
    balance: int, amounts: list[int]
) -> None:
    used = plan_balance_use(eur(balance), [eur(amount) for amount in amounts], eur(0))
    assert [each <= eur(amount) for each, amount in zip(used, amounts, strict=True)] == (
        [True] * len(amounts)
    )
    assert total(used, "EUR") == eur(min(max(balance, 0), sum(amounts)))
    for place, each in enumerate(used):
        if each < eur(amounts[place]):  # what is short takes the last of it
            assert all(later.is_zero for later in used[place + 1 :])


@pytest.mark.parametrize(
    ("balance", "amounts", "used"),
    [
        (134_280, [134_310], [134_260]),  # 0.50 is left, and not 0.30
        (134_310, [134_310], [134_310]),
        (134_260, [134_310], [134_260]),
        (100, [134_310], [100]),
        (60, [70], [20]),
        (20, [40], [0]),  # smaller itself: a part of it would help nobody
        (40, [40], [40]),
        (50, [40, 30], [40, 0]),
        (134_280, [134_310, 500], [134_260, 20]),
    ],
)
def test_M6_the_rest_of_an_invoice_can_be_charged(
    balance: int, amounts: list[int], used: list[int]
) -> None:
    plan = plan_balance_use(eur(balance), [eur(amount) for amount in amounts], eur(50))
    assert plan == tuple(eur(each) for each in used)


@given(
    st.integers(-500, 10_000),
    st.lists(st.integers(0, 3_000), max_size=8),
    st.sampled_from([0, 1, 50, 300, 4_000]),
)
def test_M6_W1_what_is_left_is_nothing_or_the_smallest_charge(
    balance: int, amounts: list[int], smallest: int
) -> None:
    used = plan_balance_use(eur(balance), [eur(amount) for amount in amounts], eur(smallest))
    assert total(used, "EUR") <= eur(max(balance, 0))
    for each, amount in zip(used, amounts, strict=True):
        assert eur(0) <= each <= eur(amount)
        rest = amount - each.minor
        assert rest in (0, amount) or rest >= smallest


@pytest.mark.parametrize(
    ("now", "news", "then"),
    [
        ("reserved", "pending", RefundState.PENDING),
        ("unknown", "succeeded", RefundState.SUCCEEDED),
        ("pending", "failed", RefundState.FAILED),
        ("succeeded", "failed", RefundState.FAILED),
        ("succeeded", "pending", None),
        ("failed", "succeeded", None),
        ("pending", "pending", None),
    ],
)
def test_M2_a_refund_never_goes_backwards(now: str, news: str, then: RefundState | None) -> None:
    assert next_refund_state(now, news) is then
