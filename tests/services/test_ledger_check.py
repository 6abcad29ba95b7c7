"""`flask ledger check`: silent on books that agree, and sees each thing that is broken (I1, I2, M1, M6, W1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, select, text

from portal.bank.camt053 import read_statements
from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.extensions import db
from portal.jobs.worker import run_due
from portal.models import AccountBalance, BankEntry, Payment
from portal.models.columns import APPEND_ONLY_TABLES
from portal.parts import Parts
from portal.payments.demo_gateway import DemoGateway, Fault
from portal.services.credit_grants import give_credits
from portal.services.statement_import import import_statements
from portal.services.transfer_booking import Transfer, book_transfer
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    account_named,
    collected,
    order_ready_to_pay,
)
from tests.support.crediting import credited
from tests.support.ledger import differences, the_books_agree
from tests.support.transfers import Line, an_open_invoice, camt, staff

pytestmark = pytest.mark.usefixtures("app_context")


def a_busy_desk(parts: Parts) -> None:
    """A transfer of a bank statement is booked, and credits are given by hand."""
    invoice, actor = an_open_invoice(parts), staff()
    with transaction() as session:
        import_statements(session, read_statements(camt(Line(10_000), Line(-5))), file_name="a",
                          catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
        entry = session.scalars(select(BankEntry).where(BankEntry.status == "waiting")).one()
        transfer = Transfer(Money(10_000, "EUR"), entry.booked_on, "x", entry.id)
        book_transfer(session, invoice.account_id, invoice.number, transfer, shown="10000:0:0",
                      catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
        give_credits(session, invoice.account_id, 10, "Goodwill", last=0,
                     catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip


def busy(parts: Parts) -> None:
    """A transfer and credits of the desk, an order, a refund, a balance and a renewal that uses it."""
    a_busy_desk(parts)
    collected(parts, order_ready_to_pay(parts).attempt_id)
    credited(parts, amounts={1: 1_000})
    with transaction() as session:
        account = account_named(session, ATELIER)
        session.add(AccountBalance(account_id=account.id, at=NOW, amount_minor=5_000,
                                   currency="EUR", reason="correction"))  # fmt: skip
    run_due(parts, clock.now())
    clock.fix(NOW + timedelta(days=32))
    run_due(parts, clock.now())


@contextmanager
def unlocked() -> Iterator[Connection]:
    """A connection on which the append-only tables can be changed."""
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            yield connection
            return
        triggers = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).all()
        assert len(triggers) == 2 * len(APPEND_ONLY_TABLES)
        for name, _sql in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        yield connection
        for _name, sql in triggers:
            connection.exec_driver_sql(sql)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")


def codes(parts: Parts) -> set[str]:
    return {one.code for one in differences(parts)}


def test_the_demos_books_agree(parts: Parts) -> None:
    the_books_agree(parts)


def test_the_books_agree_after_an_order_a_refund_and_a_renewal(parts: Parts) -> None:
    busy(parts)
    the_books_agree(parts)


LATEST = "(SELECT max(id) FROM {})"
BROKEN = {
    "invoice_lines": "UPDATE invoice_line SET net_minor = net_minor + 1 WHERE id = (SELECT max(id) FROM invoice_line)",
    "invoice_numbers": "UPDATE number_series SET last = last + 1 WHERE series = 'invoice' AND year = 2026",
    "credit_note_numbers": "UPDATE credit_note SET sequence = sequence + 1",
    "invoice_credited": "UPDATE invoice SET credited_minor = credited_minor + 1 WHERE credited_minor > 0",
    "invoice_paid": "UPDATE payment SET amount_minor = amount_minor + 1 WHERE id = (SELECT max(id) FROM payment)",
    "invoice_status": "UPDATE invoice SET status = 'open' WHERE id = (SELECT max(id) FROM invoice)",
    "invoice_given_back": "UPDATE refund SET status = 'failed'",
    "payment_refunded": "UPDATE refund SET amount_minor = amount_minor - 1",
    "payment_without_invoice": "UPDATE payment SET invoice_id = NULL WHERE id = (SELECT max(id) FROM payment)",
    "payment_attempts": "UPDATE payment_attempt SET status = 'declined' WHERE id = (SELECT max(id) FROM payment_attempt)",
    "transfer_booked": "UPDATE payment SET received_on = NULL WHERE kind = 'bank_transfer'",
    "entry_booked": "UPDATE bank_entry SET amount_minor = amount_minor + 1 WHERE status = 'booked'",
    "statement_entries": "UPDATE bank_statement SET entries = entries + 1",
    "granted_credits": "UPDATE credit_grant SET credits = credits + 1",
    "payment_disputed": "INSERT INTO payment_dispute (payment_id, gateway_ref, amount_minor, currency, state, reason, created_at) SELECT id, 'dp_1', amount_minor, currency, 'lost', '', created_at FROM payment WHERE id = (SELECT max(id) FROM payment)",
    "currency": "UPDATE refund SET currency = 'USD'",
    "order_invoiced": "UPDATE customer_order SET status = 'failed' WHERE id = (SELECT max(id) FROM customer_order)",
    "order_lines": "UPDATE order_line SET net_minor = net_minor + 1 WHERE id = (SELECT max(id) FROM order_line)",
    "order_seats": "UPDATE seat_entry SET order_line_id = NULL WHERE order_line_id IS NOT NULL",
    "item_seats": "UPDATE subscription_item SET quantity = quantity + 1 WHERE id = (SELECT max(id) FROM subscription_item)",
    "seat_entry_after": "UPDATE seat_entry SET quantity_after = quantity_after + 1 WHERE id = (SELECT max(id) FROM seat_entry)",
    "licences_held": "UPDATE subscription_item SET quantity = 0",
    "trial_free": "UPDATE subscription_item SET price_id = (SELECT min(id) FROM price) WHERE price_id IS NULL",
    "balance_negative": "UPDATE account_balance SET amount_minor = amount_minor - 1 WHERE reason = 'used'",
    "wallet_balance": "UPDATE wallet SET balance = balance + 1",
    "credit_entry_after": "UPDATE credit_entry SET balance_after = balance_after + 1 WHERE id = (SELECT max(id) FROM credit_entry)",
    "order_credits": "UPDATE credit_entry SET order_line_id = NULL WHERE order_line_id IS NOT NULL",
    "top_up_credits": "UPDATE credit_entry SET top_up_id = NULL WHERE top_up_id IS NOT NULL",
    "top_up_invoiced": "UPDATE top_up SET net_minor = net_minor + 1, tax_minor = tax_minor - 1",
    "top_up_charged": "UPDATE top_up SET status = 'failed', invoice_id = NULL",
    "tax_total": "UPDATE invoice SET tax_minor = tax_minor + 1, net_minor = net_minor - 1 WHERE id = (SELECT max(id) FROM invoice)",
    "tax_group_net": "UPDATE invoice_line SET tax_rate = '6' WHERE id = (SELECT max(id) FROM invoice_line)",
    "credit_note_lines": "UPDATE credit_note SET net_minor = net_minor + 1, tax_minor = tax_minor - 1",
    "charge_unknown": "UPDATE payment_attempt SET gateway_ref = 'pi_of_others' WHERE gateway_ref IS NOT NULL AND id = (SELECT max(id) FROM payment_attempt)",
    "charge_missing": "UPDATE payment_attempt SET gateway_ref = 'pi_of_others' WHERE gateway_ref IS NOT NULL AND id = (SELECT max(id) FROM payment_attempt)",
    "charge_amount": "UPDATE payment SET amount_minor = amount_minor + 1 WHERE id = (SELECT max(id) FROM payment)",
    "charge_not_settled": "UPDATE payment_attempt SET status = 'unknown' WHERE id = (SELECT max(id) FROM payment_attempt)",
    "charge_state": "UPDATE payment SET status = 'cancelled' WHERE id = (SELECT max(id) FROM payment)",
    "charge_refunded": "UPDATE refund SET amount_minor = amount_minor + 1",
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(BROKEN))
def test_each_broken_thing_is_found(parts: Parts, code: str) -> None:
    busy(parts)
    with unlocked() as connection:
        connection.execute(text(BROKEN[code]))
        if code == "charge_not_settled":
            connection.execute(text(
                "UPDATE payment SET status = 'unresolved' WHERE id = (SELECT max(id) FROM payment)"
            ))  # fmt: skip
    assert code in codes(parts)


def test_a_tax_that_is_not_its_rates_is_found(parts: Parts) -> None:
    from portal.models import Invoice

    with transaction() as session:
        invoice = session.scalars(select(Invoice).order_by(Invoice.id.desc())).first()
        assert invoice is not None
        (group,) = invoice.tax["groups"]
        moved = {**group, "tax_minor": group["tax_minor"] + 1}
        invoice.tax = {**invoice.tax, "groups": [moved]}
    assert {"tax_group", "tax_total"} <= codes(parts)


def test_every_check_of_the_tables_has_its_breach_here() -> None:
    from portal.queries.ledger import CHECKS

    assert set(CHECKS) <= set(BROKEN)


def test_M1_a_call_whose_answer_was_lost_differs_until_the_worker_has_asked(parts: Parts) -> None:
    assert isinstance(parts.gateway, DemoGateway)
    parts.gateway.faults.append(Fault.AFTER)
    assert not collected(parts, order_ready_to_pay(parts).attempt_id)
    (found,) = differences(parts)
    assert (found.code, found.expected) == ("charge_not_settled", 0)
    clock.fix(NOW + timedelta(minutes=5))
    run_due(parts, clock.now())
    the_books_agree(parts)


def test_the_command_prints_a_line_each_and_exits_with_one(app: Flask, parts: Parts) -> None:
    from portal.commands_ledger import ledger

    runner = app.test_cli_runner()
    good = runner.invoke(ledger, ["check"])
    assert (good.exit_code, good.output.strip()) == (
        0, "The books agree, with the provider's charges of 35 days.",
    )  # fmt: skip
    with transaction() as session:
        payment = session.scalars(
            select(Payment).where(Payment.kind == "automatic").order_by(Payment.id.desc())
        ).first()
        assert payment is not None
        payment.amount_minor += 100
    bad = runner.invoke(ledger, ["check", "--provider-days", "0"])
    assert bad.exit_code == 1
    (line,) = [each for each in bad.output.splitlines() if each.startswith("invoice_paid")]
    assert "expected" in line
    assert line.endswith("EUR")
