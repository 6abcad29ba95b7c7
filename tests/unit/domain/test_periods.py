"""Periods: anchors never drift (P1), nothing is skipped or billed twice (P2, P3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.periods import Interval, Period, Term, due_periods

untimed = settings(deadline=None)
DAY = timedelta(days=1)

terms = st.builds(
    Term,
    st.sampled_from(Interval),
    st.integers(2020, 2100),
    st.integers(1, 12),
    st.integers(1, 31),
)


def walked_anchors(year: int, month: int, anchor_day: int) -> Iterator[date]:
    """The anchor of each month in turn, found by walking back from the next month's first."""
    while True:
        following = date(year + month // 12, month % 12 + 1, 1)
        last = following - DAY
        yield min(last, last.replace(day=1) + (anchor_day - 1) * DAY)
        year, month = following.year, following.month


def starts(term: Term, how_many: int) -> list[date]:
    return [term.start_of(k) for k in range(how_many)]


def test_an_interval_is_its_catalogue_word_and_its_months() -> None:
    assert [(str(i), i.months) for i in Interval] == [("month", 1), ("quarter", 3), ("year", 12)]


# --- P1: the anchor ---


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("anchor_day", range(1, 32))
def test_p1_every_anchor_day_over_sixty_months(interval: Interval, anchor_day: int) -> None:
    """From each month of a year, across the leap day of 2028."""
    for month in range(1, 13):
        walked = list(islice(walked_anchors(2026, month, anchor_day), 61))
        term = Term(interval, 2026, month, anchor_day)
        expected = walked[:: interval.months]
        assert starts(term, len(expected)) == expected


def test_p1_monthly_on_31_clamps_and_returns() -> None:
    term = Term(Interval.MONTH, 2027, 12, 31)
    assert starts(term, 6) == [
        date(2027, 12, 31),
        date(2028, 1, 31),
        date(2028, 2, 29),
        date(2028, 3, 31),
        date(2028, 4, 30),
        date(2028, 5, 31),
    ]
    assert term.start_of(14) == date(2029, 2, 28)
    assert term.start_of(15) == date(2029, 3, 31)


def test_p1_quarterly_on_31_clamps_and_returns() -> None:
    term = Term(Interval.QUARTER, 2026, 8, 31)
    assert starts(term, 5) == [
        date(2026, 8, 31),
        date(2026, 11, 30),
        date(2027, 2, 28),
        date(2027, 5, 31),
        date(2027, 8, 31),
    ]


def test_p1_yearly_on_29_february_returns_to_it() -> None:
    term = Term.opening_at(date(2096, 2, 29), Interval.YEAR, 29)
    assert starts(term, 9) == [
        date(2096, 2, 29),
        date(2097, 2, 28),
        date(2098, 2, 28),
        date(2099, 2, 28),
        date(2100, 2, 28),  # not a leap year
        date(2101, 2, 28),
        date(2102, 2, 28),
        date(2103, 2, 28),
        date(2104, 2, 29),
    ]


def test_p1_monthly_on_31_then_yearly_then_monthly_lands_on_31() -> None:
    monthly = Term.opening_at(date(2026, 1, 31), Interval.MONTH, 31)
    yearly = Term.opening_at(monthly.start_of(1), Interval.YEAR, 31)
    assert starts(yearly, 3) == [date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29)]
    again = Term.opening_at(yearly.start_of(1), Interval.MONTH, 31)
    assert starts(again, 4) == [
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
        date(2027, 5, 31),
    ]


@untimed
@given(
    st.dates(date(2020, 1, 1), date(2060, 12, 31)),
    st.lists(st.tuples(st.sampled_from(Interval), st.integers(1, 9)), min_size=1, max_size=8),
)
def test_p1_p2_chains_of_terms_neither_drift_nor_leave_a_gap(
    first: date, chain: list[tuple[Interval, int]]
) -> None:
    """Any run of changes of billing period keeps the anchor and joins day to day."""
    opening, periods = first, list[Period]()
    for interval, length in chain:
        term = Term.opening_at(opening, interval, first.day)
        periods += [term.period(k) for k in range(length)]
        opening = periods[-1].end
    assert periods[0].start == first
    assert all(before.end == after.start for before, after in pairwise(periods))
    for period in periods:
        anchor = next(walked_anchors(period.start.year, period.start.month, first.day))
        assert period.start == anchor


@pytest.mark.parametrize(
    ("start", "anchor_day"),
    [
        (date(2027, 2, 27), 28),
        (date(2027, 2, 27), 31),
        (date(2027, 3, 30), 31),
        (date(2027, 3, 2), 1),
    ],
)
def test_p1_a_term_opens_on_its_anchor_only(start: date, anchor_day: int) -> None:
    with pytest.raises(DomainError) as caught:
        Term.opening_at(start, Interval.MONTH, anchor_day)
    assert caught.value.code == "start_not_on_anchor"
    assert caught.value.data == {"start": start, "anchor_day": anchor_day}


@pytest.mark.parametrize(("month", "anchor_day"), [(0, 1), (13, 1), (1, 0), (1, 32)])
def test_p1_no_such_anchor(month: int, anchor_day: int) -> None:
    with pytest.raises(ValueError, match="month or day"):
        Term(Interval.MONTH, 2026, month, anchor_day)


def test_periods_of_a_term_count_from_zero() -> None:
    with pytest.raises(ValueError, match="-1"):
        Term(Interval.MONTH, 2026, 1, 1).start_of(-1)


# --- P2: no gap, no overlap ---


@untimed
@given(terms, st.integers(0, 200))
def test_p2_each_period_ends_where_the_next_starts(term: Term, k: int) -> None:
    assert term.period(k).start == term.start_of(k)
    assert term.period(k).end == term.period(k + 1).start
    assert term.period(k).days >= 28 * term.interval.months


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("anchor_day", [1, 15, 28, 29, 30, 31])
def test_p2_every_day_of_five_years_is_in_exactly_one_period(
    interval: Interval, anchor_day: int
) -> None:
    term = Term(interval, 2026, 11, anchor_day)
    periods = [term.period(k) for k in range(61)]
    day = term.start_of(0)
    while day < date(2031, 11, 1):
        assert [k for k, period in enumerate(periods) if period.contains(day)] == [
            term.index_of(day)
        ]
        day += DAY


@untimed
@given(terms, st.integers(0, 40_000))
def test_p2_index_of_finds_the_period_of_any_date(term: Term, days: int) -> None:
    on = term.start_of(0) + days * DAY
    assert term.period(term.index_of(on)).contains(on)


def test_there_is_no_period_before_the_term() -> None:
    term = Term(Interval.MONTH, 2026, 1, 31)
    assert term.index_of(date(2026, 1, 31)) == 0
    with pytest.raises(DomainError) as caught:
        term.index_of(date(2026, 1, 30))
    assert caught.value.code == "date_before_term"
    assert caught.value.data == {"on": date(2026, 1, 30), "start": date(2026, 1, 31)}


def test_a_period_is_half_open() -> None:
    period = Period(date(2026, 8, 31), date(2026, 11, 30))
    assert period.days == 91
    assert period.last_day == date(2026, 11, 29)
    assert period.contains(date(2026, 8, 31))
    assert period.contains(date(2026, 11, 29))
    assert not period.contains(date(2026, 8, 30))
    assert not period.contains(date(2026, 11, 30))


def test_s2_the_day_of_change_counts_as_left() -> None:
    period = Period(date(2026, 8, 31), date(2026, 11, 30))
    assert period.days_left(date(2026, 8, 31)) == 91
    assert period.days_left(date(2026, 10, 29)) == 32
    assert period.days_left(date(2026, 11, 29)) == 1


@pytest.mark.parametrize("on", [date(2026, 8, 30), date(2026, 11, 30)])
def test_s2_no_days_are_left_outside_the_period(on: date) -> None:
    period = Period(date(2026, 8, 31), date(2026, 11, 30))
    with pytest.raises(DomainError) as caught:
        period.days_left(on)
    assert caught.value.code == "date_outside_period"
    assert caught.value.data == {"on": on, "start": period.start, "end": period.end}


def test_a_period_has_at_least_one_day() -> None:
    assert Period(date(2026, 1, 1), date(2026, 1, 2)).days == 1
    for end in (date(2026, 1, 1), date(2025, 12, 31)):
        with pytest.raises(ValueError, match="at least one day"):
            Period(date(2026, 1, 1), end)


def test_p3_a_period_is_made_of_dates_not_instants() -> None:
    day, instant = date(2026, 1, 1), datetime(2026, 1, 2)
    for start, end in ((day, instant), (instant, day), (datetime(2026, 1, 1), instant)):
        with pytest.raises(TypeError, match="not instants"):
            Period(start, end)


# --- P3: a late worker ---


def test_p3_a_late_worker_catches_up_each_period_once() -> None:
    term = Term(Interval.MONTH, 2026, 1, 31)
    assert list(due_periods(term, 0, date(2026, 4, 29))) == [
        (1, Period(date(2026, 2, 28), date(2026, 3, 31))),
        (2, Period(date(2026, 3, 31), date(2026, 4, 30))),
    ]
    assert [k for k, _ in due_periods(term, 0, date(2026, 4, 30))] == [1, 2, 3]


def test_p3_nothing_is_due_before_the_renewal_or_twice_after_it() -> None:
    term = Term(Interval.YEAR, 2026, 3, 1)
    assert list(due_periods(term, -1, date(2026, 2, 28))) == []
    assert [k for k, _ in due_periods(term, -1, date(2026, 3, 1))] == [0]
    assert list(due_periods(term, 0, date(2027, 2, 28))) == []
    assert [k for k, _ in due_periods(term, 0, date(2027, 3, 1))] == [1]
    assert list(due_periods(term, 1, date(2027, 3, 1))) == []


@untimed
@given(terms, st.lists(st.integers(-40, 200), max_size=20))
def test_p3_whatever_days_the_worker_runs_each_period_comes_once(
    term: Term, sleeps: list[int]
) -> None:
    """Also when the clock jumps back (a negative sleep)."""
    today, latest, last_index, billed = term.start_of(0), term.start_of(0), -1, list[Period]()
    for sleep in [0, *sleeps]:
        today += sleep * DAY
        latest = max(latest, today)
        for k, period in due_periods(term, last_index, today):
            assert k == last_index + 1
            last_index = k
            billed.append(period)
    assert billed == [term.period(k) for k in range(term.index_of(latest) + 1)]
