"""Reminders of an order that waits for its transfer: before it is due or lapses, and after (Q3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.domain.offers import Offered
from portal.domain.wishes import Free
from portal.jobs.reminders import remind_of_awaited
from portal.models import OutboxMessage
from portal.parts import Parts
from tests.conftest import NOW
from tests.services.test_transfer_edges import granted_early, withdrawn_order
from tests.services.test_transfer_orders import RENEWAL, invoice_of
from tests.support.offers import accepted, offered, pay_transfer
from tests.support.support import mails_of

pytestmark = pytest.mark.usefixtures("app_context")


def on_day(parts: Parts, days: int) -> None:
    """The job runs so many days after the order, twice."""
    clock.fix(NOW + timedelta(days=days))
    for _ in range(2):
        remind_of_awaited(parts, {}, clock.now())


def told(books: Session) -> list[OutboxMessage]:
    books.expire_all()
    return mails_of(books, "order_unpaid")


def test_Q3_one_mail_before_it_is_due_and_one_after(parts: Parts, books: Session) -> None:
    order_id = accepted(parts, offered(parts))
    invoice = invoice_of(books, order_id)
    for days in range(24):
        on_day(parts, days)
    assert told(books) == []
    on_day(parts, 25)
    first = told(books)
    readers = {mail.recipient for mail in first}
    assert len(first) == len(readers)
    assert "compta@lumiere-conseil.example" in readers
    payload = first[0].payload
    assert (payload["kind"], payload["owed_minor"]) == ("due", invoice.gross_minor)
    assert payload["lapses_on"] == RENEWAL.isoformat()
    assert payload["goods"] == "3 × Kanto CRM Enterprise"
    assert payload["reference"].startswith("RF")
    for days in (26, 29, 30, 31, 35, 44, 60):
        on_day(parts, days)
    assert [mail.payload["kind"] for mail in told(books)] == ["due"] * len(readers) + [
        "overdue"
    ] * len(readers)


def test_Q3_what_lapses_sooner_is_spoken_of_before_the_renewal(
    parts: Parts, books: Session
) -> None:
    clock.fix(datetime(2027, 1, 12, 9, tzinfo=UTC))  # due on 11 February, after the renewal
    accepted(parts, offered(parts, valid_until=clock.now().date()))
    clock.fix(datetime(2027, 1, 28, 9, tzinfo=UTC))
    remind_of_awaited(parts, {}, clock.now())
    assert {mail.payload["kind"] for mail in told(books)} == {"due"}


@pytest.mark.parametrize("end", ["paid", "granted", "withdrawn"])
def test_Q3_what_waits_no_more_is_not_spoken_of(parts: Parts, books: Session, end: str) -> None:
    order_id = accepted(parts, offered(parts))
    if end == "paid":
        pay_transfer(parts, order_id)
    elif end == "granted":
        granted_early(parts, order_id)  # from here on the reminders of what is owed are sent (M5)
    else:
        withdrawn_order(parts, order_id)
    for days in (26, 32):
        on_day(parts, days)
    assert told(books) == []


def test_what_has_no_renewal_names_none(parts: Parts, books: Session) -> None:
    accepted(parts, offered(parts, [Offered(Free("Atelier à Lyon", 45_000))]))
    on_day(parts, 26)
    assert {mail.payload["lapses_on"] for mail in told(books)} == {""}
    assert {mail.payload["goods"] for mail in told(books)} == {"Atelier à Lyon"}


def test_M6_a_part_that_came_is_not_asked_for_again(parts: Parts, books: Session) -> None:
    order_id = accepted(parts, offered(parts))
    pay_transfer(parts, order_id, 1_000)
    on_day(parts, 26)
    left = invoice_of(books, order_id).gross_minor - 1_000
    assert {mail.payload["owed_minor"] for mail in told(books)} == {left}
