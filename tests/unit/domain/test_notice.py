"""Notice: what is asked too late for one renewal takes effect at the one after (S4)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.periods import (
    Interval,
    Term,
    end_of_day,
    in_notice_window,
    local_date,
    notice_closes_on,
    renewal_for_change,
    renewals,
)

untimed = settings(deadline=None)
DAY = timedelta(days=1)
YEARLY = Term(Interval.YEAR, 2026, 3, 16)
THIS, NEXT = date(2027, 3, 16), date(2028, 3, 16)


@pytest.mark.parametrize(
    ("asked_on", "takes_effect"),
    [
        (date(2026, 3, 16), THIS),
        (date(2027, 2, 28), THIS),
        (date(2027, 3, 1), THIS),  # exactly 15 days before
        (date(2027, 3, 2), NEXT),
        (date(2027, 3, 15), NEXT),
        (date(2027, 3, 16), NEXT),
    ],
)
def test_s4_fifteen_days_before_is_in_time_and_fourteen_is_not(
    asked_on: date, takes_effect: date
) -> None:
    assert renewal_for_change(YEARLY, 0, asked_on, 15) == takes_effect


def test_s4_the_day_notice_closes() -> None:
    assert notice_closes_on(THIS, 15) == date(2027, 3, 1)
    assert notice_closes_on(THIS, 0) == THIS
    assert notice_closes_on(date(2028, 3, 1), 1) == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("on", "late"),
    [
        (date(2027, 3, 1), False),
        (date(2027, 3, 2), True),
        (date(2027, 3, 15), True),
        (date(2027, 3, 16), False),  # renewed already
    ],
)
def test_s4_the_window_is_from_the_close_to_the_renewal(on: date, late: bool) -> None:
    assert in_notice_window(THIS, on, 15) is late


def test_s4_a_request_sent_in_the_period_before_counts_from_its_day() -> None:
    """A bank-transfer customer asked in time, and the desk answered after the renewal."""
    assert renewal_for_change(YEARLY, 1, date(2027, 2, 1), 15) == NEXT


def test_s4_a_notice_longer_than_a_period_is_still_kept() -> None:
    monthly = Term(Interval.MONTH, 2026, 1, 1)
    assert renewal_for_change(monthly, 0, date(2026, 1, 20), 45) == date(2026, 4, 1)


intervals = st.sampled_from(Interval)


@untimed
@given(intervals, st.dates(date(2024, 1, 1), date(2040, 1, 1)), st.integers(0, 400))
def test_s4_it_is_this_renewal_or_the_one_after(interval: Interval, first: date, days: int) -> None:
    term = Term.opening_at(first, interval, first.day)
    asked_on = first + days * DAY
    now = term.index_of(asked_on)
    this, following = term.start_of(now + 1), term.start_of(now + 2)
    in_time = (this - asked_on).days >= 15
    assert renewal_for_change(term, now, asked_on, 15) == (this if in_time else following)
    assert in_notice_window(this, asked_on, 15) is not in_time


@pytest.mark.parametrize(
    "time_zone",
    [
        "Pacific/Pago_Pago",  # UTC-11
        "America/Los_Angeles",
        "UTC",
        "Europe/Brussels",
        "Asia/Kolkata",
        "Pacific/Kiritimati",  # UTC+14
    ],
)
def test_s4_p3_notice_closes_with_the_customers_own_day(time_zone: str) -> None:
    closes = end_of_day(notice_closes_on(THIS, 15), time_zone)
    moment_before = local_date(closes - timedelta(microseconds=1), time_zone)
    assert renewal_for_change(YEARLY, 0, moment_before, 15) == THIS
    assert renewal_for_change(YEARLY, 0, local_date(closes, time_zone), 15) == NEXT


# --- a change of billing period that waits (C2) ---


def test_c2_renewals_without_a_waiting_term() -> None:
    monthly = Term(Interval.MONTH, 2026, 1, 31)
    assert list(islice(renewals(monthly, 0), 3)) == [
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]


def test_c2_renewals_follow_a_waiting_term_from_its_first_day() -> None:
    monthly = Term(Interval.MONTH, 2026, 1, 31)
    waiting = Term.opening_at(date(2026, 3, 31), Interval.QUARTER, 31)
    assert list(islice(renewals(monthly, 0, waiting), 4)) == [
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 6, 30),
        date(2026, 9, 30),
    ]
    assert next(renewals(monthly, 1, waiting)) == date(2026, 3, 31)


def test_c2_asked_late_while_a_monthly_term_waits_means_the_month_after() -> None:
    waiting = Term.opening_at(THIS, Interval.MONTH, 16)
    assert renewal_for_change(YEARLY, 0, date(2027, 3, 1), 15, waiting) == THIS
    assert renewal_for_change(YEARLY, 0, date(2027, 3, 2), 15, waiting) == date(2027, 4, 16)


@pytest.mark.parametrize(
    "opens",
    [
        date(2027, 4, 16),  # inside a period
        date(2026, 3, 16),  # where the present period began
    ],
)
def test_p2_a_waiting_term_opens_at_a_renewal_to_come(opens: date) -> None:
    waiting = Term.opening_at(opens, Interval.MONTH, 16)
    with pytest.raises(DomainError) as caught:
        next(renewals(YEARLY, 0, waiting))
    assert caught.value.code == "term_opens_off_renewal"
    assert caught.value.data == {"start": opens}
