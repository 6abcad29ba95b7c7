"""Billing periods: half-open runs of local dates, computed from an anchor and never chained.

P1: period k of a term starts k intervals after the term's first month, on the anchor day,
clamped to the month's last day. P2: periods follow one another without gap or overlap.
P3: they are the account's local dates. The S4 notice arithmetic stands here too.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from portal.domain.errors import DomainError

__all__ = [
    "Interval",
    "Period",
    "Term",
    "due_periods",
    "end_of_day",
    "in_notice_window",
    "local_date",
    "local_date_if_known",
    "notice_closes_on",
    "renewal_for_change",
    "renewals",
]


class Interval(StrEnum):
    """How long one billing period is; the value is what the database and catalogue hold."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        """Whole calendar months in the interval."""
        return _MONTHS[self]


_MONTHS = {Interval.MONTH: 1, Interval.QUARTER: 3, Interval.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Period:
    """The local dates from `start` up to, and not including, `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if isinstance(self.start, datetime) or isinstance(self.end, datetime):
            raise TypeError("a period is made of dates, not instants")
        if self.end <= self.start:
            raise ValueError(f"a period has at least one day: {self.start} to {self.end}")

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        """The last date inside."""
        return self.end - timedelta(days=1)

    def contains(self, on: date) -> bool:
        """Whether `on` is one of the period's dates."""
        return self.start <= on < self.end

    def days_left(self, on: date) -> int:
        """Days from `on` to the end, `on` itself counted (S2). `date_outside_period` else."""
        if not self.contains(on):
            raise DomainError("date_outside_period", on=on, start=self.start, end=self.end)
        return (self.end - on).days


@dataclass(frozen=True, slots=True)
class Term:
    """A run of periods of one interval (P1).

    Period 0 starts in `first_month` of `first_year`. `anchor_day` (1 to 31) belongs to the
    subscription and never changes: a new term takes it over from the one before.
    """

    interval: Interval
    first_year: int
    first_month: int
    anchor_day: int

    def __post_init__(self) -> None:
        if not (1 <= self.first_month <= 12 and 1 <= self.anchor_day <= 31):
            raise ValueError(f"no such month or day: {self.first_month}, {self.anchor_day}")

    @classmethod
    def opening_at(cls, start: date, interval: Interval, anchor_day: int) -> Term:
        """The term whose period 0 starts at `start`: a first day, or a renewal (P1).

        DomainError `start_not_on_anchor` where the anchor day of that month is another date.
        """
        term = cls(interval, start.year, start.month, anchor_day)
        if term.start_of(0) != start:
            raise DomainError("start_not_on_anchor", start=start, anchor_day=anchor_day)
        return term

    def start_of(self, k: int) -> date:
        """First day of period `k`; ValueError if `k` is negative."""
        if k < 0:
            raise ValueError(f"periods of a term count from 0, not {k}")
        months = self.first_month - 1 + k * self.interval.months
        return _day_of(self.first_year, months, self.anchor_day)

    def period(self, k: int) -> Period:
        """Period `k`, up to the start of the next (P2)."""
        return Period(self.start_of(k), self.start_of(k + 1))

    def index_of(self, on: date) -> int:
        """The k whose period contains `on`; DomainError `date_before_term` if there is none."""
        first = self.start_of(0)
        if on < first:
            raise DomainError("date_before_term", on=on, start=first)
        months = 12 * (on.year - self.first_year) + on.month - self.first_month
        k = months // self.interval.months
        # `on` may stand in the month where period k starts, but before the anchor day.
        return k if self.start_of(k) <= on else k - 1


@lru_cache(maxsize=4096)
def _day_of(year: int, months: int, anchor_day: int) -> date:
    """The anchor day, or the last before it, of the month so many after January of `year`."""
    years, month = divmod(months, 12)
    last = monthrange(year + years, month + 1)[1]
    return date(year + years, month + 1, min(anchor_day, last))


def due_periods(term: Term, last_index: int, on: date) -> Iterator[tuple[int, Period]]:
    """The periods after `last_index` that have started by `on`, oldest first (P3).

    A worker that was down for n days thus catches up each period exactly once. `last_index` is
    that of the last period that exists, -1 for none. Take one at a time and ask again with the
    new term where a change of billing period applies at one of these renewals.
    """
    for k in count(last_index + 1):
        if term.start_of(k) > on:
            return
        yield k, term.period(k)


def local_date(now: datetime, time_zone: str) -> date:
    """The date that the instant `now` (aware, else ValueError) has in `time_zone` (P3).

    DomainError `time_zone_unknown` for a name that is not in the IANA database.
    """
    if now.utcoffset() is None:
        raise ValueError("an instant is aware of its offset")
    return now.astimezone(_zone(time_zone)).date()


def local_date_if_known(now: datetime, time_zone: str) -> date | None:
    """As `local_date`; None in a time zone that is none, so that a batch goes on with the others."""
    try:
        return local_date(now, time_zone)
    except DomainError:
        return None


def end_of_day(on: date, time_zone: str) -> datetime:
    """The instant, in UTC, at which the local day `on` is over and the next begins (P3).

    Where the clock skips midnight this is the moment it skips; where midnight comes twice, the
    first. DomainError `time_zone_unknown`.
    """
    midnight = datetime.combine(on + timedelta(days=1), time(), tzinfo=_zone(time_zone))
    return midnight.astimezone(UTC)


def notice_closes_on(renewal: date, notice_days: int) -> date:
    """The last local day on which a change for `renewal` may be asked: that many before (S4)."""
    return renewal - timedelta(days=notice_days)


def in_notice_window(renewal: date, on: date, notice_days: int) -> bool:
    """Whether `on` is too late for `renewal`, which is still to come (S4)."""
    return notice_closes_on(renewal, notice_days) < on < renewal


def renewals(term: Term, current_index: int, waiting: Term | None = None) -> Iterator[date]:
    """The renewal dates after period `current_index`, without end.

    `waiting` is the term that a scheduled change of billing period opens: from its first day
    the dates are its own (C2). It opens at one of these renewals, else DomainError
    `term_opens_off_renewal`, as a period would be cut in two (P2).
    """
    if waiting is None:
        yield from map(term.start_of, count(current_index + 1))
        return
    opens = waiting.start_of(0)
    opens_at = term.index_of(opens)
    if opens_at <= current_index or term.start_of(opens_at) != opens:
        raise DomainError("term_opens_off_renewal", start=opens)
    yield from map(term.start_of, range(current_index + 1, opens_at))
    yield from map(waiting.start_of, count())


def renewal_for_change(
    term: Term,
    current_index: int,
    asked_on: date,
    notice_days: int,
    waiting: Term | None = None,
) -> date:
    """The renewal at which a change asked on `asked_on` takes effect (S4).

    The first after period `current_index` that is at least `notice_days` away: the coming one,
    or else the one after, which is `waiting`'s where a change of billing period waits.
    """
    coming = renewals(term, current_index, waiting)
    return next(day for day in coming if asked_on <= notice_closes_on(day, notice_days))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown, not a key, or a folder of zones
        raise DomainError("time_zone_unknown", time_zone=name) from None
