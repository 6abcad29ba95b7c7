"""An open quote is spoken of three days before its last, once, where its customer is (Q1)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.jobs.reminders import remind_of_quotes
from portal.models import OutboxMessage
from portal.parts import Parts
from tests.support.buying import CAMILLE
from tests.support.offers import accepted, offered

pytestmark = pytest.mark.usefixtures("app_context")


def reminded(books: Session, parts: Parts, at: datetime, quote_id: int) -> list[str]:
    """Who was told of the quote so far, once the job ran at `at`."""
    clock.fix(at)
    remind_of_quotes(parts, {}, at)
    rows = books.execute(
        select(OutboxMessage.recipient, OutboxMessage.payload).where(
            OutboxMessage.topic == "quote_expiring"
        )
    )
    return [row.recipient for row in rows if row.payload["quote_id"] == quote_id]


def test_Q1_three_days_before_on_the_customers_calendar(books: Session, parts: Parts) -> None:
    quote_id = offered(parts, valid_until=date(2026, 11, 10))
    assert reminded(books, parts, datetime(2026, 11, 6, 22, 59, tzinfo=UTC), quote_id) == []
    told = reminded(
        books, parts, datetime(2026, 11, 6, 23, 1, tzinfo=UTC), quote_id
    )  # the 7th there
    assert CAMILLE in told
    later = reminded(books, parts, datetime(2026, 11, 9, 9, tzinfo=UTC), quote_id)
    assert later == told  # once


def test_Q1_what_was_answered_or_only_just_made_is_not_spoken_of(
    books: Session, parts: Parts
) -> None:
    short = offered(parts, valid_until=date(2026, 11, 1))
    assert reminded(books, parts, datetime(2026, 10, 30, 9, tzinfo=UTC), short) == []
    answered = offered(parts, valid_until=date(2026, 11, 10), replaces=[short])
    accepted(parts, answered)
    assert reminded(books, parts, datetime(2026, 11, 8, 9, tzinfo=UTC), answered) == []
