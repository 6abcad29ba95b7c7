"""The account executive's daily digest: once a morning, of their own customers, if anything waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.requests import RequestKind
from portal.jobs.registry import JOBS
from portal.mail.messages import read_message
from portal.mail.rendering import render_mail
from portal.models import ChangeRequest, OutboxMessage, StaffMember
from portal.parts import Parts
from portal.services.desk_digest import FROM_HOUR
from tests.conftest import NOW
from tests.support.buying import ATELIER, LUMIERE
from tests.support.desk import HUGO, open_task
from tests.support.requests import asked_for
from tests.support.support import mails_of
from tests.support.transfers import OPERATOR, Line, imported

pytestmark = pytest.mark.usefixtures("app_context")


def morning(day: int, hour: int = FROM_HOUR, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo("Europe/Brussels"))


def run(parts: Parts, at: datetime) -> None:
    clock.fix(at)
    job = JOBS["desk_digests"].transactional
    assert job is not None
    with transaction() as session:
        job(session, parts, {}, clock.now())


@pytest.fixture
def nothing_waits(app_context: None) -> None:
    """The demo's own open request is finished."""
    with transaction() as session:
        session.execute(update(ChangeRequest).values(closed_at=NOW))


def digests(session: Session) -> list[OutboxMessage]:
    return mails_of(session, "desk_digest")


def test_it_comes_once_a_morning(parts: Parts, books: Session) -> None:
    asked_for(parts)
    for at in (morning(2, 6, 59), morning(2), morning(2, 8), morning(2, 23)):
        run(parts, at)
    assert len(digests(books)) == 1
    run(parts, morning(3, 9))
    assert [mail.payload["on"] for mail in digests(books)] == ["2026-11-02", "2026-11-03"]


@pytest.mark.usefixtures("nothing_waits")
def test_it_tells_of_the_own_customers_the_oldest_request_first(
    parts: Parts, books: Session
) -> None:
    asked_for(parts)
    clock.fix(clock.now() + timedelta(days=1))
    asked_for(parts, RequestKind.MORE_SEATS, 3)
    open_task(LUMIERE)
    open_task(ATELIER)  # nobody's customer
    run(parts, morning(2))
    [mail] = digests(books)
    assert mail.recipient == HUGO
    told = mail.payload
    assert (told["requests"], told["tasks"], told["overdue"]) == (2, 1, 0)
    assert [(line["kind"], line["quantity"], line["days"]) for line in told["lines"]] == [
        ("fewer_seats", 2, 3), ("more_seats", 3, 2),
    ]  # fmt: skip
    assert {line["account_name"] for line in told["lines"]} == {LUMIERE}


@pytest.mark.usefixtures("nothing_waits")
def test_it_counts_the_bank_entries_that_wait_and_comes_for_them_alone(
    parts: Parts, books: Session
) -> None:
    imported(parts, Line(1_200, text="Acompte"), Line(800, text="Solde"))
    imported(parts, Line(700), email=OPERATOR, number="213")  # nobody's yet: the operator's
    run(parts, morning(2))
    [mail] = digests(books)
    assert (mail.payload["entries"], mail.payload["requests"], mail.payload["tasks"]) == (2, 0, 0)
    message = read_message(mail.topic, mail.payload, "https://portal.example")
    told = render_mail(message, recipient=HUGO, locale="en", vendor=parts.catalogue.vendor,
                       message_id="<1@x.example>")  # fmt: skip
    assert "Bank entries: 2" in told.text


@pytest.mark.usefixtures("nothing_waits")
def test_who_has_nothing_waiting_or_left_gets_none(parts: Parts, books: Session) -> None:
    run(parts, morning(2))
    assert digests(books) == []
    asked_for(parts)
    with transaction() as session:
        session.execute(update(StaffMember).values(active=False))
    run(parts, morning(2))
    assert digests(books) == []


@pytest.mark.parametrize(
    ("locale", "words"),
    [("en", "What waits at your customers on 2 November 2026"), ("nl", None), ("de", None),
     ("fr", None), ("it", None)],
)  # fmt: skip
def test_it_reads_in_every_language(
    parts: Parts, books: Session, locale: str, words: str | None
) -> None:
    asked_for(parts)
    run(parts, morning(2))
    [row] = digests(books)
    message = read_message(row.topic, row.payload, "https://portal.example")
    mail = render_mail(message, recipient=HUGO, locale=locale, vendor=parts.catalogue.vendor,
                       message_id="<1@x.example>")  # fmt: skip
    assert words is None or mail.subject == words
    assert LUMIERE in mail.text
    assert LUMIERE in mail.html
    assert "https://portal.example/desk" in mail.text
