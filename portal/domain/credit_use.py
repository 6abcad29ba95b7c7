"""What a wallet was used for, month by month, and how long its balance lasts at that pace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from portal.domain.periods import end_of_day

__all__ = ["MonthOfUse", "in_months", "last_months", "month_begins", "weeks_left"]

_PACE_MONTHS = 3
_WEEK = 7


@dataclass(frozen=True, slots=True)
class MonthOfUse:
    """The credits used in a local month, by kind; a kind that was not used is not there."""

    first_day: date
    by_kind: Mapping[str, int] = field(hash=False)

    @property
    def total(self) -> int:
        """All kinds together."""
        return sum(self.by_kind.values())


def last_months(today: date, count: int) -> tuple[date, ...]:
    """The first days of the last `count` months, that of `today` included, the oldest first."""
    number = today.year * 12 + today.month - 1
    return tuple(date(n // 12, n % 12 + 1, 1) for n in range(number - count + 1, number + 1))


def month_begins(first_day: date, time_zone: str) -> datetime:
    """The instant, in UTC, at which a local month begins (P3)."""
    return end_of_day(first_day - timedelta(days=1), time_zone)


def in_months(months: Sequence[date], used: Iterable[tuple[int, str, int]]) -> list[MonthOfUse]:
    """Every one of `months` with what was used in it: (place of the month, kind, credits)."""
    found: list[dict[str, int]] = [{} for _ in months]
    for place, kind, used_credits in used:
        found[place][kind] = found[place].get(kind, 0) + used_credits
    return [MonthOfUse(*pair) for pair in zip(months, found, strict=True)]


def weeks_left(
    balance: int, months: Sequence[MonthOfUse], first_entry_on: date | None, today: date
) -> int | None:
    """The whole weeks for which `balance` lasts at the pace of the last months; None without one.

    A pace is told only after a week, else one busy morning would say how long a year lasts.
    """
    recent = months[-_PACE_MONTHS:]
    used = sum(month.total for month in recent)
    if not used or first_entry_on is None:
        return None
    days = (today - max(recent[0].first_day, first_entry_on)).days + 1
    return balance * days // (used * _WEEK) if days >= _WEEK else None
