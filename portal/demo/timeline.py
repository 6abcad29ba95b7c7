"""The demo's past is lived through: what happened is done in order, each thing at its own time.

So numbers of invoices follow their dates, ledgers add up, and the rows are those that the
portal's own services write.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from portal.domain.periods import Interval, Term

__all__ = ["Event", "Timeline", "term_renewing_in"]

Event = Callable[[datetime], None]


class Timeline:
    """Things to do, by instant; nothing lies after `now`."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._events: list[tuple[datetime, int, Event]] = []

    def at(self, instant: datetime, event: Event) -> None:
        """Do `event` at `instant`, or now where that has not come yet."""
        moment = min(instant, self.now)
        self._events.append((moment, len(self._events), event))

    def on(self, day: date, event: Event, *, hour: int, minute: int, time_zone: str) -> None:
        """Do `event` on a local day."""
        local = datetime.combine(day, time(hour, minute), tzinfo=ZoneInfo(time_zone))
        self.at(local.astimezone(UTC), event)

    def ago(self, days: int, event: Event, *, minutes: int = 0) -> None:
        """Do `event` so many days (and minutes) before now."""
        self.at(self.now - timedelta(days=days, minutes=minutes), event)

    def live(self) -> None:
        """Do everything in order."""
        for moment, _, event in sorted(self._events, key=lambda entry: entry[:2]):
            event(moment)


def term_renewing_in(today: date, days: int, interval: Interval, periods: int) -> Term:
    """The term whose period number `periods` (from 1) is the present one and ends in `days` days."""
    ends = today + timedelta(days=days)
    month_ends = (ends + timedelta(days=1)).day == 1
    months = 12 * ends.year + ends.month - 1 - periods * interval.months
    return Term(interval, months // 12, months % 12 + 1, 31 if month_ends else ends.day)
