"""Two account executives, or one and the customer, act on one request at the same instant."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.requests import RequestKind
from portal.models import OutboxMessage, ScheduledChange
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.desk import GRETA
from tests.support.requests import act, asked_for, confirmed, request_of, statuses, withdrawn

pytestmark = pytest.mark.usefixtures("app_context")


def at_once(app: Flask, *works: Callable[[], object]) -> list[str]:
    """Run the works at the same instant; the codes of what was refused, failures raised."""
    refused: list[str] = []
    failed: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        with app.app_context():
            try:
                start.wait(30)
                work()
            except DomainError as error:
                refused.append(error.code)
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []
    return refused


def test_two_account_executives_decline_once(app: Flask, parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    refused = at_once(
        app,
        lambda: act(parts, number, "decline", version=1),
        lambda: act(parts, number, "decline", by=GRETA, version=1),
    )
    assert refused == ["request_overtaken"]
    assert statuses(books, number) == ["sent", "declined"]
    told = select(func.count(OutboxMessage.id)).where(
        OutboxMessage.topic == "request_step", OutboxMessage.created_at >= NOW
    )
    assert books.scalar(told) == 2, "the customer heard of it once"


def test_a_reduction_is_confirmed_or_withdrawn_never_both(
    app: Flask, parts: Parts, books: Session
) -> None:
    for kind in (RequestKind.FEWER_SEATS,) * 3:
        number = asked_for(parts, kind, 1, details=f"{kind} {len(books.identity_map)}")
        waiting = select(func.coalesce(func.sum(ScheduledChange.delta), 0)).where(
            ScheduledChange.status == "waiting", ScheduledChange.asked_at >= NOW
        )
        before = books.scalar(waiting) or 0
        books.rollback()
        refused = at_once(
            app,
            lambda number=number: confirmed(parts, number, version=1),  # type: ignore[misc]
            lambda number=number: withdrawn(parts, number, version=1),  # type: ignore[misc]
        )
        assert refused == ["request_overtaken"]
        books.rollback()
        is_confirmed = request_of(books, number).status == "confirmed"
        assert (books.scalar(waiting) or 0) == before - is_confirmed
        books.rollback()


def test_Q4_a_double_click_confirms_once(app: Flask, parts: Parts, books: Session) -> None:
    number = asked_for(parts)

    def confirm() -> None:
        confirmed(parts, number, version=1)

    refused = at_once(app, confirm, confirm)
    assert set(refused) <= {"change_differs"}
    waiting = select(ScheduledChange.delta).where(
        ScheduledChange.status == "waiting", ScheduledChange.asked_at >= NOW
    )
    assert list(books.scalars(waiting)) == [-2]
    assert statuses(books, number) == ["sent", "confirmed"]
