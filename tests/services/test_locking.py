"""The one lock: services wait for each other in one order, and jobs stand in it too."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import transaction
from portal.domain.quotes import QuoteStatus
from portal.models import AuditEvent, Quote
from portal.services.audit import SYSTEM, record
from portal.services.locks import lock_account
from portal.services.quoting import decline_quote, expire_quotes, load_quote
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("app_context")


def _open_quote() -> tuple[int, int]:
    with transaction() as session:
        quote = session.scalars(select(Quote).where(Quote.status == "open")).first()
        assert quote is not None
        return quote.id, quote.account_id


def _both(app: Flask, *works: object) -> list[BaseException]:
    """Run the works at once; what they raised."""
    raised: list[BaseException] = []

    def run(work: object) -> None:
        assert callable(work)
        with app.app_context():
            try:
                work()
            except BaseException as error:
                raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    return raised


def test_Q1_expiring_a_quote_never_deadlocks_with_declining_it(app: Flask) -> None:
    quote_id, account_id = _open_quote()
    holds_account = threading.Event()
    later = NOW + timedelta(days=60)

    def decline() -> None:
        with transaction() as session:
            lock_account(session, account_id)
            holds_account.set()
            threading.Event().wait(0.5)  # the job has begun meanwhile
            load_quote(session, account_id, quote_id)
            decline_quote(session, account_id, quote_id, reason="", actor=SYSTEM, now=NOW)

    def expire() -> None:
        holds_account.wait(10)
        with transaction() as session:
            expire_quotes(session, now=later)

    assert _both(app, decline, expire) == []
    with transaction() as session:
        assert session.get_one(Quote, quote_id).status == QuoteStatus.DECLINED


def test_an_audit_event_does_not_wait_for_the_accounts_lock(app: Flask) -> None:
    _quote_id, account_id = _open_quote()
    if transaction_is_sqlite():
        pytest.skip("SQLite has one writer at a time: there is no row lock to wait for")
    written = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with transaction() as session:
            lock_account(session, account_id)
            assert written.wait(10), "the audit event waited for the lock"
        done.set()

    def write() -> None:
        with transaction() as session:
            record(session, "signed_in", actor=SYSTEM, now=NOW, account_id=account_id)
        written.set()

    assert _both(app, hold, write) == []
    assert done.is_set()
    with transaction() as session:
        assert session.scalars(
            select(AuditEvent.id).where(AuditEvent.account_id == account_id)
        ).first()


def transaction_is_sqlite() -> bool:
    """Whether the database at hand is SQLite."""
    with transaction() as session:
        return session.get_bind().dialect.name == "sqlite"
