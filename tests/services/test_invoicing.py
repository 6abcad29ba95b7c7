"""Invoices: gapless numbers, frozen addresses, the same sums everywhere (I1, I2, I3, P3)."""

from __future__ import annotations

import random
import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, Invoice, InvoiceLine, NumberSeries, Order
from portal.parts import Parts
from portal.services.invoicing import invoice_number, issue_invoice
from portal.services.locks import lock_account
from portal.services.numbering import take_number, take_numbers
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    account_named,
    collected,
    order_ready_to_pay,
)

pytestmark = pytest.mark.usefixtures("app_context")


class _ChangedItsMindError(Exception):
    pass


def test_how_a_number_reads() -> None:
    assert invoice_number("", 2026, 412) == "2026-00412"
    assert invoice_number("KAN", 2026, 412) == "KAN-2026-00412"
    assert invoice_number("KAN", 2026, 123_456) == "KAN-2026-123456"


def test_I2_numbers_are_gapless_under_16_threads_and_rollbacks(
    app: Flask, books: Session, parts: Parts
) -> None:
    accounts = list(books.scalars(select(Account.id)))
    series = select(NumberSeries.last).where(
        NumberSeries.series == "invoice", NumberSeries.year == 2026
    )
    before = books.scalar(series) or 0
    kept: list[int] = []
    errors: list[BaseException] = []
    start = threading.Barrier(16)

    def issue(seed: int) -> None:
        chance = random.Random(seed)
        start.wait()
        for _ in range(5):
            try:
                with app.app_context(), transaction() as own:
                    account = lock_account(own, chance.choice(accounts))
                    invoice = issue_invoice(
                        own, account=account, catalogue=parts.catalogue, kind="service", lines=[],
                        net_minor=100, tax_minor=21, tax={}, buyer={}, status="open", now=NOW,
                    )  # fmt: skip
                    sequence = invoice.sequence
                    if chance.random() < 0.4:
                        raise _ChangedItsMindError
                kept.append(sequence)
            except _ChangedItsMindError:
                pass
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=issue, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(kept) == list(range(before + 1, before + 1 + len(kept)))
    assert 0 < len(kept) < 80
    stored = books.scalars(
        select(Invoice.sequence).where(Invoice.year == 2026).order_by(Invoice.sequence)
    ).all()
    assert list(stored) == list(range(1, len(stored) + 1))


def test_I2_each_series_and_year_counts_for_itself(books: Session) -> None:
    with transaction() as own:
        assert take_number(own, "test", 2026) == 1
        assert take_number(own, "test", 2027) == 1
        assert take_numbers(own, "test", 2026, 3) == range(2, 5)
        assert take_number(own, "other", 2026) == 1
        assert take_number(own, "test", 2026) == 5


def test_P3_an_invoice_has_the_vendors_date(books: Session, parts: Parts) -> None:
    clock.fix(datetime(2026, 12, 31, 23, 30, tzinfo=UTC))  # 2027 in Brussels, 2026 in New York
    with transaction() as own:
        account = account_named(own, ATELIER)
        account.time_zone = "America/New_York"
        invoice = issue_invoice(
            own, account=account, catalogue=parts.catalogue, kind="service", lines=[], net_minor=1,
            tax_minor=0, tax={}, buyer={}, status="open", now=clock.now(), due_days=30,
        )  # fmt: skip
        assert (invoice.issued_on, invoice.due_on) == (date(2027, 1, 1), date(2027, 1, 31))
        assert invoice.number == "KAN-2027-00001"


def test_I1_I2_an_invoice_is_its_order_frozen(books: Session, parts: Parts) -> None:
    order = order_ready_to_pay(parts)
    with transaction() as own:  # the customer moves between the order and the payment
        account = account_named(own, ATELIER)
        account.company_name, account.city, account.locale = "Moved BV", "Gent", "fr"
    collected(parts, order.attempt_id)
    row = books.get_one(Order, order.order_id)
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == row.id)).one()
    lines = books.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)).all()
    assert invoice.buyer == row.buyer
    assert invoice.buyer["company_name"] == ATELIER
    assert invoice.seller["vat_number"] == "BE0950143209"
    assert (invoice.net_minor, invoice.tax_minor, invoice.gross_minor) == (
        row.net_minor, row.tax_minor, row.gross_minor,
    )  # fmt: skip
    assert sum(line.net_minor for line in lines) == invoice.net_minor
    (line,) = lines
    assert (line.description, line.quantity, line.days_left, line.days) == (
        "Kanto CRM Pro",
        3,
        32,
        91,
    )
    assert Decimal(line.tax_rate) == 21
    assert invoice.locale == "fr"  # the language is the account's when it is issued
