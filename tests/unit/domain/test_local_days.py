"""Local days: an instant belongs to one date of the account's time zone, DST or not (P3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.domain.errors import DomainError
from portal.domain.periods import end_of_day, local_date

untimed = settings(deadline=None)
DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)

TIME_ZONES = [
    "Pacific/Pago_Pago",  # UTC-11
    "America/Los_Angeles",
    "America/Santiago",  # skips and repeats midnight
    "America/Havana",  # midnight comes twice
    "America/St_Johns",  # half an hour off
    "America/Nuuk",  # changes on Saturday evening
    "UTC",
    "Europe/Brussels",
    "Africa/Cairo",  # skips midnight
    "Asia/Beirut",  # skips midnight
    "Asia/Kathmandu",  # UTC+5:45
    "Australia/Lord_Howe",  # half an hour of DST
    "Pacific/Kiritimati",  # UTC+14
]


@pytest.mark.parametrize(
    ("time_zone", "expected"),
    [
        ("Pacific/Pago_Pago", date(2025, 12, 31)),
        ("America/New_York", date(2026, 1, 1)),
        ("UTC", date(2026, 1, 1)),
        ("Europe/Brussels", date(2026, 1, 1)),
        ("Pacific/Kiritimati", date(2026, 1, 2)),
    ],
)
def test_p3_one_instant_has_three_dates_in_the_world(time_zone: str, expected: date) -> None:
    assert local_date(datetime(2026, 1, 1, 10, 30, tzinfo=UTC), time_zone) == expected


def test_p3_the_offset_the_instant_is_written_in_does_not_matter() -> None:
    written_in_tokyo = datetime(2026, 1, 2, 1, 0, tzinfo=timezone(9 * timedelta(hours=1)))
    assert local_date(written_in_tokyo, "Europe/Brussels") == date(2026, 1, 1)


def test_p3_an_instant_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        local_date(datetime(2026, 1, 1), "UTC")


@pytest.mark.parametrize(
    ("on", "time_zone", "end"),
    [
        (date(2026, 1, 1), "UTC", "2026-01-02T00:00Z"),
        (date(2026, 1, 1), "Pacific/Pago_Pago", "2026-01-02T11:00Z"),
        (date(2026, 1, 1), "Pacific/Kiritimati", "2026-01-01T10:00Z"),
        (date(2026, 3, 28), "Europe/Brussels", "2026-03-28T23:00Z"),
        (date(2026, 3, 29), "Europe/Brussels", "2026-03-29T22:00Z"),  # a day of 23 hours
        (date(2026, 10, 24), "Europe/Brussels", "2026-10-24T22:00Z"),
        (date(2026, 10, 25), "Europe/Brussels", "2026-10-25T23:00Z"),  # and of 25
        (date(2026, 4, 23), "Africa/Cairo", "2026-04-23T22:00Z"),  # 24:00 is 01:00
        (date(2025, 11, 1), "America/Havana", "2025-11-02T04:00Z"),  # the first midnight
        (date(2011, 12, 29), "Pacific/Apia", "2011-12-30T10:00Z"),  # the 30th never was
    ],
)
def test_p3_the_local_day_ends_at(on: date, time_zone: str, end: str) -> None:
    ends = end_of_day(on, time_zone)
    assert ends == datetime.fromisoformat(end)
    assert ends.tzinfo is UTC


@pytest.mark.parametrize("time_zone", TIME_ZONES)
def test_p3_every_day_of_four_years_ends_where_the_next_begins(time_zone: str) -> None:
    day = date(2024, 12, 31)
    while day < date(2029, 1, 2):
        end = end_of_day(day, time_zone)
        assert local_date(end - MOMENT, time_zone) == day
        assert local_date(end, time_zone) == day + DAY
        day += DAY


@untimed
@given(
    st.sampled_from(TIME_ZONES),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_p3_an_instant_lies_between_the_ends_of_yesterday_and_today(
    time_zone: str, now: datetime
) -> None:
    today = local_date(now, time_zone)
    assert end_of_day(today - DAY, time_zone) <= now < end_of_day(today, time_zone)


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "Europe", "", "../UTC", "/etc/passwd", "U\0TC", "Europe/Zürich"]
)
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(DomainError) as caught:
        local_date(datetime(2026, 1, 1, tzinfo=UTC), name)
    assert caught.value.code == "time_zone_unknown"
    assert caught.value.data == {"time_zone": name}
    with pytest.raises(DomainError, match="time_zone_unknown"):
        end_of_day(date(2026, 1, 1), name)
