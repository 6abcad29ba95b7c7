"""The tree's only reading of the system clock; everything else takes `now` or `on` as an argument.

The demo moves time forward: the seconds it is ahead stand in a small file that every process of
the demo (web, worker, command line) reads, so they all live on the same day.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from portal.domain.periods import local_date

__all__ = ["Clock", "clock"]


class Clock:
    """Gives the present; `shift_file` is set in demo mode only."""

    def __init__(self) -> None:
        self.shift_file: Path | None = None
        self._fixed: datetime | None = None
        self._read: tuple[int, timedelta] | None = None

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        if self._fixed is not None:
            return self._fixed
        return datetime.now(UTC) + self.shift()

    def today(self, time_zone: str) -> date:
        """The local date of the present instant (P3: an account's, or the vendor's)."""
        return local_date(self.now(), time_zone)

    def fix(self, instant: datetime | None) -> None:
        """Stand still at `instant` (tests); None lets time run again."""
        self._fixed = instant

    def shift(self) -> timedelta:
        """How far the demo's present is ahead of the machine's."""
        if self.shift_file is None:
            return timedelta()
        try:
            changed = os.stat(self.shift_file).st_mtime_ns
        except FileNotFoundError:
            return timedelta()
        if self._read is None or self._read[0] != changed:
            text = self.shift_file.read_text(encoding="ascii").strip()
            self._read = (changed, timedelta(seconds=int(text or 0)))
        return self._read[1]

    def move(self, ahead: timedelta) -> None:
        """Move the demo's present forward by `ahead` (never back: ledgers only grow)."""
        if self.shift_file is None or ahead < timedelta():
            raise ValueError("only the demo's clock moves, and only forward")
        seconds = int((self.shift() + ahead).total_seconds())
        self.shift_file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.shift_file.with_suffix(".new")
        scratch.write_text(f"{seconds}\n", encoding="ascii")
        scratch.replace(self.shift_file)


clock = Clock()
