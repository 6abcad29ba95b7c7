"""A balance pays the next invoices, to the cent as it was shown, and is never below zero (M6, W1)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import reading, transaction
from portal.documents.invoice_pdf import render_invoice
from portal.domain.money import Money
from portal.extensions import db
from portal.formats import format_money
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    AccountBalance,
    AuditEvent,
    DeskTask,
    Invoice,
    OutboxMessage,
    Payment,
)
from portal.parts import Parts
from portal.queries.invoices import get_invoice_by_id
from portal.services.balances import get_balance
from portal.services.renewals import Due, renew_batch
from tests.conftest import NOW
from tests.support.buying import ATELIER, CAMILLE, LOTTE, LUMIERE, account_named
from tests.support.client import PortalClient
from tests.support.ledger import the_books_agree

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")

THEN = NOW + timedelta(days=32)


def owe(account: str, minor: int) -> int:
    with transaction() as session:
        row = account_named(session, account)
        session.add(AccountBalance(account_id=row.id, at=NOW, amount_minor=minor,
                                   currency=row.currency, reason="correction"))  # fmt: skip
        return int(row.id)


def renewed(parts: Parts, books: Session, account: str) -> list[Invoice]:
    """The renewal invoices that are issued on THEN."""
    clock.fix(THEN)
    run_renewals(parts, {}, THEN)
    books.expire_all()
    return list(books.scalars(
        select(Invoice)
        .where(Invoice.account_id == account_named(books, account).id, Invoice.issued_at == THEN)
        .order_by(Invoice.id)
    ))  # fmt: skip


def used(books: Session) -> list[int]:
    query = select(AccountBalance.amount_minor).where(AccountBalance.reason == "used")
    return [-minor for minor in books.scalars(query.order_by(AccountBalance.id))]


def balance(account: str) -> int:
    with transaction() as session:
        return get_balance(session, account_named(session, account).id)


def test_M6_a_part_is_paid_from_the_balance_and_the_rest_is_charged(
    parts: Parts, books: Session
) -> None:
    owe(ATELIER, 5_000)
    (invoice, *_others) = renewed(parts, books, ATELIER)
    assert used(books) == [5_000]
    assert (invoice.status, invoice.paid_minor) == ("open", 5_000)
    payment = books.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
    assert payment.amount_minor == invoice.gross_minor - 5_000
    event_ = books.scalars(select(AuditEvent).where(AuditEvent.action == "balance_used")).one()
    assert (event_.subject, event_.new) == (
        invoice.number, {"amount_minor": 5_000, "currency": "EUR"},
    )  # fmt: skip
    run_due(parts, THEN)
    books.expire_all()
    assert (invoice.status, invoice.paid_minor) == ("paid", invoice.gross_minor)
    assert balance(ATELIER) == 0
    the_books_agree(parts)


def test_M6_a_balance_that_covers_it_leaves_nothing_to_charge(parts: Parts, books: Session) -> None:
    owe(ATELIER, 10_000_000)
    invoices = renewed(parts, books, ATELIER)
    assert used(books) == [invoice.gross_minor for invoice in invoices]
    assert {invoice.status for invoice in invoices} == {"paid"}
    assert books.scalars(
        select(Payment).where(Payment.invoice_id.in_([one.id for one in invoices]))
    ).all() == []  # fmt: skip
    no_method = select(DeskTask).where(DeskTask.kind == "no_payment_method")
    assert books.scalars(no_method).all() == []
    assert balance(ATELIER) == 10_000_000 - sum(invoice.gross_minor for invoice in invoices)
    the_books_agree(parts)


def test_M6_a_bank_transfer_asks_for_the_rest_on_page_pdf_and_mail(
    app: Flask, parts: Parts, books: Session, client: PortalClient
) -> None:
    owe(LUMIERE, 12_345)
    clock.fix(NOW + timedelta(days=400))  # every period of it has come
    run_renewals(parts, {}, clock.now())
    first = books.scalars(
        select(AccountBalance.invoice_id).where(AccountBalance.reason == "used")
    ).one()
    invoice = books.get_one(Invoice, first)
    rest = Money(invoice.gross_minor - 12_345, "EUR")
    mail = books.scalars(
        select(OutboxMessage).where(OutboxMessage.dedupe_key.like(f"renewal_invoice:{first}:%"))
    ).first()
    assert mail is not None
    assert mail.payload["balance_minor"] == 12_345
    client.sign_in(CAMILLE)
    client.get(f"/invoices/{invoice.number}")
    assert client.page is not None
    shown = _plain(client.page.text())
    for amount in (Money(12_345, "EUR"), rest):
        assert _plain(format_money(amount, "fr")) in shown
    with reading() as connection:
        document = get_invoice_by_id(connection, invoice.account_id, invoice.id, "Europe/Brussels")
    assert document is not None
    assert (document.balance_used_minor, document.open_minor) == (12_345, rest.minor)
    assert render_invoice(document)


def test_M6_the_next_invoice_page_shows_what_will_be_used(
    parts: Parts, books: Session, client: PortalClient
) -> None:
    owe(ATELIER, 5_000)
    client.sign_in(LOTTE)
    client.get("/billing/next-invoice")
    assert client.page is not None
    shown = _plain(client.page.text())
    invoices = renewed(parts, books, ATELIER)
    gross = sum(invoice.gross_minor for invoice in invoices)
    left = sum(invoice.gross_minor - invoice.paid_minor for invoice in invoices)
    assert left == gross - 5_000
    for minor in (5_000, gross, left):
        assert _plain(format_money(Money(minor, "EUR"), "en")) in shown


def test_M6_several_invoices_share_one_balance_in_their_order(parts: Parts, books: Session) -> None:
    from tests.support.buying import OFFICINE

    owe(OFFICINE, 40_000)
    with transaction() as session:
        account = account_named(session, OFFICINE)
        states = _states(session, account)
        due = [Due(account.id, state) for state in states]
    last = NOW + timedelta(days=400)
    clock.fix(last)
    with transaction() as session:
        renew_batch(session, due, catalogue=parts.catalogue, now=last, wait=True)
    assert sum(used(books)) == 40_000
    assert balance(OFFICINE) == 0
    the_books_agree(parts)


def test_accounts_without_a_balance_cost_one_statement_a_batch(
    parts: Parts, books: Session
) -> None:
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        renewed(parts, books, ATELIER)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    batches = [each for each in seen if 'INTO "invoice"' in each or '"invoice" (' in each]
    asked = [each for each in seen if "account_balance" in each]
    assert len(asked) <= max(len(batches), 1) + 1
    assert all("SELECT" in each for each in asked)


def test_W1_two_workers_never_use_the_same_money(app: Flask, parts: Parts, books: Session) -> None:
    owe(ATELIER, 5_000)
    clock.fix(THEN)
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def work() -> None:
        with app.app_context():
            start.wait()
            try:
                run_renewals(parts, {}, THEN)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(used(books)) == 5_000
    assert balance(ATELIER) == 0
    the_books_agree(parts)


def _states(session: Session, account: Account) -> list[int]:
    from portal.queries.subscriptions import list_subscription_states

    return [
        state.subscription_id
        for state in list_subscription_states(session.connection(), account.id)
        if state.is_running
    ]


def _plain(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").replace("\u202f", " ").split())
