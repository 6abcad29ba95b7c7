"""The chart of use by month: bars stacked by kind, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.domain.credit_use import MonthOfUse

__all__ = ["Bar", "Chart", "Column", "draw_chart"]

HEIGHT = 100
COLUMN = 40
_GAP = 7
_COLOURS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column, in the chart's own units; `colour` is a class of the style sheet."""

    kind: str
    credits: int
    colour: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """A month with its bars, and its figures in the order of the chart's kinds."""

    first_day: date
    bars: tuple[Bar, ...]
    figures: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws; `most` is the total of the tallest column."""

    kinds: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    most: int
    width: int
    height: int = HEIGHT


def draw_chart(months: Sequence[MonthOfUse], kinds: Sequence[str]) -> Chart | None:
    """Columns of the months, the oldest first; None where nothing was used."""
    most = max((month.total for month in months), default=0)
    if not most:
        return None
    colours = {kind: f"use-{place % _COLOURS}" for place, kind in enumerate(kinds)}
    return Chart(
        kinds=tuple(colours.items()),
        columns=tuple(_column(m, place, colours, most) for place, m in enumerate(months)),
        most=most,
        width=COLUMN * len(months),
    )


def _column(month: MonthOfUse, place: int, colours: dict[str, str], most: int) -> Column:
    bars: list[Bar] = []
    below = 0
    for kind, colour in colours.items():
        credits_used = month.by_kind.get(kind, 0)
        if not credits_used:
            continue
        # Both ends are scaled, not the height, so that the parts meet and the sum stays true.
        bottom = _scaled(below, most)
        below += credits_used
        top = _scaled(below, most)
        bars.append(
            Bar(
                kind=kind,
                credits=credits_used,
                colour=colour,
                x=place * COLUMN + _GAP,
                y=HEIGHT - top,
                width=COLUMN - 2 * _GAP,
                height=max(top - bottom, 1),
            )
        )
    return Column(
        first_day=month.first_day,
        bars=tuple(bars),
        figures=tuple(month.by_kind.get(kind, 0) for kind in colours),
        total=month.total,
    )


def _scaled(value: int, most: int) -> int:
    return (value * HEIGHT * 2 + most) // (2 * most)
