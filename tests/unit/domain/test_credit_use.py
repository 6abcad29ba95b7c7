"""Use by local month, and how long a balance lasts at the pace of the last months."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from portal.domain.credit_use import (
    MonthOfUse,
    in_months,
    last_months,
    month_begins,
    weeks_left,
)

TODAY = date(2026, 10, 29)
LONG_AGO = date(2024, 1, 1)


def months_with(*totals: int) -> list[MonthOfUse]:
    firsts = last_months(TODAY, len(totals))
    return [MonthOfUse(day, {"sms": total}) for day, total in zip(firsts, totals, strict=True)]


def test_the_last_months_end_with_today_and_cross_the_year() -> None:
    assert last_months(date(2027, 2, 28), 4) == (
        date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1),
    )  # fmt: skip
    assert last_months(date(2026, 1, 31), 1) == (date(2026, 1, 1),)


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("Europe/Brussels", datetime(2026, 10, 31, 23, tzinfo=UTC)),  # winter time
        ("Pacific/Auckland", datetime(2026, 10, 31, 11, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 11, 1, 7, tzinfo=UTC)),  # still summer time
    ],
)
def test_P3_a_month_begins_at_the_accounts_midnight(zone: str, begins: datetime) -> None:
    assert month_begins(date(2026, 11, 1), zone) == begins


def test_use_is_laid_into_its_months_and_the_others_are_empty() -> None:
    firsts = last_months(TODAY, 3)
    found = in_months(firsts, [(2, "sms", 10), (0, "letter", 4), (2, "letter", 8), (2, "sms", 1)])
    assert [month.first_day for month in found] == list(firsts)
    assert [dict(month.by_kind) for month in found] == [
        {"letter": 4}, {}, {"sms": 11, "letter": 8},
    ]  # fmt: skip
    assert [month.total for month in found] == [4, 0, 19]


def test_the_pace_is_that_of_the_last_three_months() -> None:
    # 1 August to 29 October: 90 days, 900 credits, 70 a week.
    assert weeks_left(700, months_with(9_999, 300, 300, 300), LONG_AGO, TODAY) == 10
    assert weeks_left(69, months_with(0, 300, 300, 300), LONG_AGO, TODAY) == 0
    assert weeks_left(0, months_with(0, 300, 300, 300), LONG_AGO, TODAY) == 0


def test_a_young_wallet_counts_from_its_first_entry() -> None:
    # 14 days, 28 credits: 14 a week.
    assert weeks_left(140, months_with(0, 0, 28), date(2026, 10, 16), TODAY) == 10


@pytest.mark.parametrize(
    ("months", "first"),
    [
        (months_with(500, 0, 0, 0), LONG_AGO),  # nothing was used of late
        (months_with(0, 0, 30), date(2026, 10, 24)),  # six days say nothing yet
        (months_with(0, 0, 0), None),
    ],
)
def test_there_may_be_no_pace_to_tell(months: list[MonthOfUse], first: date | None) -> None:
    assert weeks_left(1_000, months, first, TODAY) is None


def test_seven_days_are_enough_for_a_pace() -> None:
    assert weeks_left(100, months_with(0, 0, 10), date(2026, 10, 23), TODAY) == 10
