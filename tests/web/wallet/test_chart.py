"""The chart: columns of equal width, parts that meet and add up to the month."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portal.domain.credit_use import MonthOfUse, last_months
from portal.web.wallet.chart import COLUMN, HEIGHT, draw_chart
from tests.conftest import NOW

KINDS = ("sms", "letter", "data-lookup")
USE = st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS, st.integers(1, 2_000_000)))


def test_no_use_no_chart() -> None:
    months = [MonthOfUse(day, {}) for day in last_months(NOW.date(), 12)]
    assert draw_chart(months, []) is None


@given(st.lists(USE, min_size=12, max_size=12).filter(any))
def test_the_parts_of_a_column_meet_and_the_tallest_fills_the_chart(
    used: list[dict[str, int]],
) -> None:
    months = [MonthOfUse(*x) for x in zip(last_months(NOW.date(), 12), used, strict=True)]
    chart = draw_chart(months, KINDS)
    assert chart is not None
    assert chart.width == COLUMN * 12
    assert chart.most == max(sum(use.values()) for use in used)
    for place, (column, use) in enumerate(zip(chart.columns, used, strict=True)):
        assert column.figures == tuple(use.get(kind, 0) for kind in KINDS)
        assert column.total == sum(use.values())
        below = HEIGHT
        for bar in column.bars:
            assert place * COLUMN < bar.x < bar.x + bar.width < (place + 1) * COLUMN
            assert bar.height >= 1
            assert 0 <= bar.y <= below <= bar.y + bar.height  # meets the one below, or hides in it
            below = bar.y
        if column.total == chart.most:
            assert below == 0
