"""Credit notes: gapless numbers, never above the invoice, append-only (I2, M6)."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import AccountBalance, AuditEvent, CreditNote, InvoiceLine, Payment, Refund
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.crediting import credit_invoice
from tests.support.buying import LUMIERE
from tests.support.crediting import an_invoice, credited

pytestmark = pytest.mark.usefixtures("app_context")


def credited_twice(parts: Parts, *amounts: int) -> None:
    """Two notes in one transaction."""
    with transaction() as session:
        for amount in amounts:
            credit_invoice(
                session, an_invoice(session), reason="x", amounts={1: amount},
                catalogue=parts.catalogue, actor=SYSTEM, now=clock.now(),
            )  # fmt: skip


def test_I2_the_note_is_the_invoice_line_by_line(parts: Parts, books: Session) -> None:
    note = books.get_one(CreditNote, credited(parts, paid=0))
    invoice = an_invoice(books)
    assert (note.net_minor, note.tax_minor, note.gross_minor) == (
        invoice.net_minor, invoice.tax_minor, invoice.gross_minor,
    )  # fmt: skip
    assert note.tax == invoice.tax
    lines = books.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).order_by(InvoiceLine.id)
    ).all()
    assert [(x["description"], x["quantity"], x["net_minor"]) for x in note.lines] == [
        (x.description, x.quantity, x.net_minor) for x in lines
    ]
    assert (invoice.status, invoice.credited_minor) == ("credited", invoice.gross_minor)
    assert books.scalars(select(AccountBalance)).all() == []
    event = books.scalars(select(AuditEvent).where(AuditEvent.subject == note.number)).one()
    assert (event.action, event.new["invoice"]) == ("credit_note_issued", invoice.number)


def test_I2_numbers_are_a_series_of_their_own_without_gaps(parts: Parts, books: Session) -> None:
    first = credited(parts, amounts={1: 100})
    with pytest.raises(DomainError):  # takes a number, and gives it back with the rest
        credited_twice(parts, 100, 99_999_999)
    second = credited(parts, LUMIERE)
    numbers = [books.get_one(CreditNote, each).number for each in (first, second)]
    assert numbers == ["KAN-CN-2026-00001", "KAN-CN-2026-00002"]


def test_M6_a_paid_invoice_stays_paid_and_the_money_goes_back(parts: Parts, books: Session) -> None:
    note = books.get_one(CreditNote, credited(parts, amounts={1: 10_000}))
    invoice = an_invoice(books)
    assert note.gross_minor == 12_100
    assert (invoice.status, invoice.credited_minor) == ("paid", 12_100)
    refund = books.scalars(select(Refund)).one()
    assert (refund.amount_minor, refund.credit_note_id) == (12_100, note.id)
    assert refund.status == "reserved"  # stored before any call (M1)
    credited(parts)  # the rest
    books.expire_all()
    back = books.scalar(select(func.sum(Refund.amount_minor)))
    assert back == an_invoice(books).gross_minor
    assert books.scalars(select(AccountBalance)).all() == []
    with pytest.raises(DomainError, match="nothing_to_credit"):
        credited(parts)


def test_M6_a_part_that_covers_what_was_open_settles_the_invoice(
    parts: Parts, books: Session
) -> None:
    gross = an_invoice(books).gross_minor
    credited(parts, paid=gross - 100, amounts={1: 1_000})
    books.expire_all()
    assert an_invoice(books).status == "paid"
    assert books.scalars(select(Refund.amount_minor)).one() == 1_110


def test_I2_a_partly_credited_line_does_not_pretend_a_formula(parts: Parts, books: Session) -> None:
    note = books.get_one(CreditNote, credited(parts, amounts={1: 1_234}))
    [line] = note.lines
    assert (line["quantity"], line["unit_minor"], line["net_minor"]) == (1, 1_234, 1_234)
    assert line["days"] is None


def test_I2_while_a_payment_is_on_its_way_nothing_is_credited(parts: Parts) -> None:
    with transaction() as session:
        invoice = an_invoice(session, paid=0)
        session.execute(
            update(Payment).where(Payment.invoice_id == invoice.id).values(status="unresolved")
        )
    with pytest.raises(DomainError, match="invoice_being_collected"):
        credited(parts)


def test_I2_a_credit_note_is_never_changed(parts: Parts) -> None:
    note_id = credited(parts)
    with pytest.raises(DatabaseError, match="append-only"), transaction() as session:
        session.execute(update(CreditNote).where(CreditNote.id == note_id).values(reason="x"))
