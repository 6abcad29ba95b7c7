"""SIGKILL of the worker at every boundary of a renewal's charge and of its retry (M1, M5)."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.config import ROOT
from portal.db import transaction
from portal.extensions import db
from portal.models import AccountBalance, DemoObject, Invoice, Payment
from portal.parts import Parts
from tests.conftest import Database
from tests.support.buying import ATELIER, CARD, NO_MONEY, account_named, plan_item, use_method
from tests.support.charge_process import BOUNDARIES
from tests.support.dunning import (
    RENEWAL,
    attempts,
    case_of,
    charges_of,
    days_later,
    mails,
    status_of,
    switch_method,
    unpaid_renewal,
    work,
)
from tests.support.ledger import the_books_agree
from tests.support.transfers import transferred

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("app_context")]


def killed(database: Database, now: datetime, boundary: str) -> None:
    """A worker ran at `now` and died there."""
    db.session.remove()
    db.engine.dispose()
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.charge_process", database.url, str(database.folder),
         now.isoformat(), boundary],
        cwd=ROOT, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_M1_a_renewals_charge_survives_a_kill(
    app: Flask, books: Session, parts: Parts, database: Database, boundary: str
) -> None:
    with transaction() as own:
        use_method(own, ATELIER, CARD)
    account_id = account_named(books, ATELIER).id
    killed(database, RENEWAL, boundary)
    for minutes in (15, 45, 90):
        work(parts, RENEWAL + timedelta(minutes=minutes))
    invoices = books.scalars(
        select(Invoice).where(
            Invoice.account_id == account_id, Invoice.kind == "renewal",
            Invoice.issued_at >= RENEWAL - timedelta(hours=1),
        )
    ).all()  # fmt: skip
    assert invoices
    for invoice in invoices:
        assert status_of(books, invoice) == "paid"
        assert charges_of(books, invoice) == ["succeeded"]
        assert attempts(books, invoice) == [("1", "succeeded")]
        assert case_of(books, invoice) is None
    since = RENEWAL - timedelta(hours=1)
    charged = books.scalar(
        select(func.count(DemoObject.id)).where(
            DemoObject.kind == "charge", DemoObject.created_at >= since
        )
    )
    asked = books.scalar(select(func.count(Payment.id)).where(Payment.created_at >= since))
    assert charged == asked  # nothing was charged that is not in our books
    the_books_agree(parts)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("is_retry", [False, True])
def test_M5_a_transfer_that_is_booked_after_a_kill_is_charged_no_more(
    app: Flask, books: Session, parts: Parts, database: Database, boundary: str, is_retry: bool
) -> None:
    """What was charged before the process died is the truth, and owed to the customer; once."""
    if is_retry:
        invoice = unpaid_renewal(parts, books, NO_MONEY)
        switch_method(CARD)
        at = days_later(2)
    else:
        with transaction() as own:
            use_method(own, ATELIER, CARD)
        at = RENEWAL
    killed(database, at, boundary)
    clock.fix(at + timedelta(minutes=1))
    if not is_retry:
        item = plan_item(books, ATELIER)
        invoice = books.scalars(
            select(Invoice)
            .where(Invoice.subscription_id == item.subscription_id, Invoice.issued_at >= at)
        ).one()  # fmt: skip
    # The worker may have died with another customer's charge: the provider's books tell.
    was_charged = charges_of(books, invoice) == ["succeeded"]
    was_paid = status_of(books, invoice) == "paid"
    if not was_paid:
        transferred(parts, invoice)
    for minutes in (15, 45, 90):
        work(parts, at + timedelta(minutes=minutes))
    assert charges_of(books, invoice) == (
        ["succeeded"] if was_charged else ["cancelled"] if is_retry else []
    )
    ended = ["succeeded"] if was_charged else ["cancelled", "declined"]
    assert attempts(books, invoice)[-1][1] in ended  # declined: its retry was not reserved yet
    assert status_of(books, invoice) == "paid"
    owed = books.scalar(
        select(func.sum(AccountBalance.amount_minor)).where(AccountBalance.invoice_id == invoice.id)
    )
    assert (owed or 0) == (invoice.gross_minor if was_charged and not was_paid else 0)
    the_books_agree(parts)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_M5_a_retry_survives_a_kill(
    app: Flask, books: Session, parts: Parts, database: Database, boundary: str
) -> None:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(CARD)
    killed(database, days_later(2), boundary)
    for minutes in (15, 45, 90):
        work(parts, days_later(2) + timedelta(minutes=minutes))
    assert status_of(books, invoice) == "paid"
    assert charges_of(books, invoice) == ["succeeded"]
    assert attempts(books, invoice) == [("1", "declined"), ("try:2", "succeeded")]
    case = case_of(books, invoice)
    assert case is not None
    assert case.status == "recovered"
    assert [kind for kind, _ in mails(books, invoice)] == ["failed", "recovered"]
    the_books_agree(parts)
