"""The worker, two tabs and a new method at the same instant: one charge, one case (Q4, M1, M5)."""

from __future__ import annotations

import contextlib

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.jobs.collection import StillUnknown
from portal.jobs.dunning import run_dunning
from portal.jobs.worker import run_due
from portal.models import Invoice
from portal.parts import Parts
from portal.services.invoice_charges import pay_invoice
from tests.services.test_member_races import at_once
from tests.support.buying import CARD, LOTTE, NO_MONEY, actor_of, collected
from tests.support.dunning import (
    attempts,
    case_of,
    charges_of,
    days_later,
    mails,
    new_method,
    payments,
    status_of,
    switch_method,
    unpaid_renewal,
    work,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")


@pytest.fixture
def unpaid(books: Session, parts: Parts) -> Invoice:
    invoice = unpaid_renewal(parts, books, NO_MONEY)
    switch_method(CARD)
    clock.fix(days_later(2))
    return invoice


def pay(parts: Parts, invoice: Invoice) -> None:
    """One tab: press the button, and call the provider."""
    with transaction() as session:
        attempt_id = pay_invoice(
            session, invoice.account_id, invoice.number,
            shown=Money(invoice.gross_minor, invoice.currency),
            actor=actor_of(session, LOTTE), now=clock.now(),
        )  # fmt: skip
    collected(parts, attempt_id)


def test_Q4_two_tabs_pay_an_invoice_once(
    app: Flask, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    refused = at_once(app, *[lambda: pay(parts, unpaid)] * 3)
    assert set(refused) <= {"invoice_not_owed"}
    work(parts, days_later(2))
    assert charges_of(books, unpaid) == ["succeeded"]
    assert payments(books, unpaid) == ["succeeded"]
    assert len(attempts(books, unpaid)) == 2
    assert status_of(books, unpaid) == "paid"


def test_M5_the_worker_retries_while_the_person_pays(
    app: Flask, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    def worker() -> None:
        with contextlib.suppress(StillUnknown):
            run_dunning(parts, {}, days_later(2))
            run_due(parts, days_later(2), periodic=False)

    refused = at_once(app, worker, lambda: pay(parts, unpaid), worker)
    assert set(refused) <= {"invoice_not_owed"}
    work(parts, days_later(2))
    assert charges_of(books, unpaid) == ["succeeded"]
    assert payments(books, unpaid) == ["succeeded"]
    assert len(attempts(books, unpaid)) == 2
    case = case_of(books, unpaid)
    assert case is not None
    assert case.status == "recovered"
    assert [kind for kind, _ in mails(books, unpaid)] == ["failed", "recovered"]


def test_M5_two_workers_do_a_step_once(
    app: Flask, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    switch_method(NO_MONEY)
    at_once(app, *[lambda: run_dunning(parts, {}, days_later(2))] * 3)
    work(parts, days_later(2))
    assert attempts(books, unpaid) == [("1", "declined"), ("try:2", "declined")]
    assert [kind for kind, _ in mails(books, unpaid)] == ["failed", "failed"]


def test_M5_a_new_method_while_the_worker_retries(
    app: Flask, books: Session, parts: Parts, unpaid: Invoice
) -> None:
    switch_method(NO_MONEY)
    at_once(app, lambda: run_dunning(parts, {}, days_later(2)), lambda: new_method(CARD))
    for _ in range(2):
        work(parts, days_later(2))
    assert status_of(books, unpaid) == "paid"
    assert charges_of(books, unpaid) == ["succeeded"]
