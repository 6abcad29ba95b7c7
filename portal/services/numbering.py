"""Document numbers: gapless per series and year, taken in the transaction that issues (I2)."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.models import NumberSeries

__all__ = ["take_number", "take_numbers"]


def take_numbers(session: Session, series: str, year: int, count: int) -> range:
    """The next `count` sequence numbers of a series; the row stays locked until the commit.

    A transaction that rolls back gives its numbers back, so there is never a gap.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(NumberSeries)
        .values(series=series, year=year, last=0)
        .on_conflict_do_nothing(index_elements=["series", "year"])
    )
    last: int = session.execute(
        update(NumberSeries)
        .where(NumberSeries.series == series, NumberSeries.year == year)
        .values(last=NumberSeries.last + count)
        .returning(NumberSeries.last)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    return range(last - count + 1, last + 1)


def take_number(session: Session, series: str, year: int) -> int:
    """The next sequence number of a series and year."""
    return take_numbers(session, series, year, 1)[0]
