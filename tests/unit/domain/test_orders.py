"""What the provider says of a charge never takes it backwards (M2)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.domain.orders import (
    UNRESOLVED,
    AttemptStatus,
    OrderStatus,
    next_attempt_status,
    transfer_reminder,
)

TOLD = ["requires_action", "processing", "succeeded", "declined", "cancelled"]
RANK = {
    "reserved": 0, "unknown": 0, "requires_action": 1, "processing": 2,
    "declined": 3, "cancelled": 3, "succeeded": 4,
}  # fmt: skip


def after(news: tuple[str, ...], present: str = "reserved") -> str:
    for told in news:
        present = next_attempt_status(present, told) or present
    return present


@pytest.mark.parametrize("status", AttemptStatus)
def test_M2_the_same_news_twice_change_nothing(status: AttemptStatus) -> None:
    assert next_attempt_status(status, status) is None


@pytest.mark.parametrize("present", AttemptStatus)
@pytest.mark.parametrize("told", TOLD)
def test_M2_an_earlier_state_never_replaces_a_later_one(present: str, told: str) -> None:
    moved = next_attempt_status(present, told)
    assert (moved == told) if RANK[told] > RANK[present] else (moved is None)


@given(st.lists(st.sampled_from(TOLD), min_size=1, max_size=8))
def test_M2_success_is_the_end_in_any_order(news: list[str]) -> None:
    assert after((*news, "succeeded")) == "succeeded"
    assert after(("succeeded", *news)) == "succeeded"


@pytest.mark.parametrize(
    "news",
    [
        ("requires_action", "succeeded"),
        ("processing", "succeeded"),
        ("processing", "declined"),
        ("requires_action", "declined"),
        ("requires_action", "processing", "declined", "succeeded"),
    ],
)
def test_M2_shuffled_news_end_the_same(news: tuple[str, ...]) -> None:
    assert {after(order) for order in permutations(news)} == {after(news)}


def test_M1_an_attempt_whose_answer_was_lost_learns_everything() -> None:
    for told in TOLD:
        assert next_attempt_status("unknown", told) == told


def test_Q1_an_order_is_unresolved_until_its_payment_is_known() -> None:
    assert set(UNRESOLVED) == {OrderStatus.PLACED, OrderStatus.REQUIRES_ACTION}


ISSUED, DUE = date(2026, 11, 2), date(2026, 12, 2)


@pytest.mark.parametrize(
    ("lapses_on", "said"),
    [
        # due first: five days before, and from the day after for two weeks
        (date(2027, 2, 2), {**dict.fromkeys(range(25, 31), "due"),
                            **dict.fromkeys(range(31, 45), "overdue")}),
        (None, {**dict.fromkeys(range(25, 31), "due"), **dict.fromkeys(range(31, 45), "overdue")}),
        # the renewal of 12 November comes first: the 11th is the last day
        (date(2026, 11, 12), {**dict.fromkeys(range(4, 10), "due"),
                              **dict.fromkeys(range(31, 45), "overdue")}),
        # nobody is reminded of what they got just now
        (date(2026, 11, 7), {**dict.fromkeys(range(3, 5), "due"),
                             **dict.fromkeys(range(31, 45), "overdue")}),
    ],
)  # fmt: skip
def test_Q3_a_transfer_is_spoken_of_before_its_last_day_and_once_it_is_overdue(
    lapses_on: date | None, said: dict[int, str]
) -> None:
    found = {}
    for day in range(60):
        reminder = transfer_reminder(ISSUED, DUE, lapses_on, ISSUED + timedelta(days=day))
        if reminder is not None:
            found[day] = reminder.value
    assert found == said
