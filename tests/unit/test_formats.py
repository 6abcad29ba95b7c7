"""Dates as each language writes them."""

from __future__ import annotations

from datetime import date

import pytest

from portal.formats import format_day_range

YEAR = (date(2026, 3, 1), date(2027, 2, 28))
MONTH = (date(2026, 3, 1), date(2026, 3, 31))
ACROSS = (date(2026, 3, 15), date(2026, 4, 1))


@pytest.mark.parametrize(
    ("locale", "days", "words"),
    [
        ("fr", YEAR, "1er mars 2026 – 28 févr. 2027"),
        ("fr", MONTH, "1–31 mars 2026"),  # the first alone is an ordinal
        ("fr", ACROSS, "15 mars – 1er avr. 2026"),
        ("fr", (date(2026, 5, 1), date(2026, 5, 1)), "1er mai 2026"),
        ("it", YEAR, "1 mar 2026 – 28 feb 2027"),
        ("it", MONTH, "1–31 mar 2026"),
        ("it", (date(2026, 10, 10), date(2027, 1, 9)), "10 ott 2026 – 9 gen 2027"),
        ("de", YEAR, "1. März 2026 – 28. Feb. 2027"),
        ("en", MONTH, "1–31 Mar 2026"),
    ],
)
def test_a_range_writes_its_days_as_they_are_written_alone(
    locale: str, days: tuple[date, date], words: str
) -> None:
    text = format_day_range(*days, locale)
    assert " ".join(text.replace("\u2009", " ").split()) == words
