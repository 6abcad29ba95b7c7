"""Statements are kept entry by entry, once; an entry is booked once, whoever else looks at it."""

from __future__ import annotations

from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from flask import Flask
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from portal.bank.camt053 import read_statements
from portal.db import reading, transaction
from portal.domain.bank_statements import MatchKind, TypedTransfer, plan_matching
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.models import BankEntry, BankStatement, Invoice, Payment
from portal.parts import Parts
from portal.queries.bank_statements import (
    Reader,
    count_waiting,
    get_entry,
    get_statement,
    list_entries,
    list_statements,
    list_waiting,
)
from portal.queries.transfers_to_match import find_candidate, list_candidates
from portal.services import statement_import
from portal.services.statement_import import Imported, import_statements, put_back, set_aside
from portal.services.transfer_booking import (
    Transfer,
    book_deposit,
    book_transfer,
    take_back_transfer,
)
from tests.conftest import NOW
from tests.support.buying import LUMIERE, account_named
from tests.support.desk import staff_id
from tests.support.ledger import the_books_agree
from tests.support.transfers import HUGO, OPERATOR, Line, an_open_invoice, camt, imported, staff

pytestmark = pytest.mark.usefixtures("app_context")


def entries(books: Session) -> list[BankEntry]:
    books.expire_all()
    return list(books.scalars(select(BankEntry).order_by(BankEntry.id)))


def test_the_same_statement_twice_has_no_effect(parts: Parts, books: Session) -> None:
    lines = (Line(100, text="a"), Line(-50), Line(100, text="a"))
    (first,) = imported(parts, *lines)
    assert (first.entries, first.known) == (3, 0)
    assert [entry.status for entry in entries(books)] == ["waiting", "outgoing", "waiting"]
    assert imported(parts, *lines) == (Imported(None, 0, 3),)
    assert books.scalar(select(func.count(BankStatement.id))) == 1
    (more,) = imported(parts, *lines, Line(7, text="new"), number="213")
    assert (more.entries, more.known) == (1, 3)
    assert len(entries(books)) == 4
    the_books_agree(parts)


def test_two_statements_of_a_file_lose_nothing_and_the_file_again_has_no_effect(
    parts: Parts, books: Session
) -> None:
    one, other = (camt(Line(100, text="a"), number=number) for number in ("1", "2"))
    end = b"</BkToCstmrStmt></Document>"
    whole = one.split(end)[0] + b"<Stmt>" + other.split(b"<Stmt>")[1]
    actor = staff()

    def bring() -> list[tuple[int, int]]:
        with transaction() as session:
            found = import_statements(session, read_statements(whole), file_name="a.xml",
                                      catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
        return [(each.entries, each.known) for each in found]

    assert bring() == [(1, 0), (1, 0)]
    assert len(entries(books)) == 2
    assert bring() == [(0, 1), (0, 1)]
    whole = one.split(end)[0] + b"<Stmt>" + one.split(b"<Stmt>")[1]  # one of them, twice
    assert bring() == [(0, 1), (0, 1)]
    assert len(entries(books)) == 2


def test_of_two_imports_at_once_the_second_leaves_no_trace(
    parts: Parts, books: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(parts, Line(100))
    # The first was not committed yet when the second looked.
    monkeypatch.setattr(statement_import, "_known", lambda session, keys: set())
    assert imported(parts, Line(100)) == (Imported(None, 0, 1),)
    assert books.scalar(select(func.count(BankStatement.id))) == 1


def test_a_statement_of_another_bank_account_is_refused(parts: Parts, books: Session) -> None:
    with pytest.raises(DomainError, match="statement_other_account"):
        imported(parts, Line(100), iban="BE71096123456769")
    assert entries(books) == []


def test_an_entry_is_booked_once(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    imported(parts, Line(10_000, invoice.payment_reference))
    (entry,) = entries(books)
    actor = staff()
    transfer = Transfer(Money(10_000, "EUR"), entry.booked_on, "x", entry.id)

    def book() -> None:
        with transaction() as session:
            book_transfer(session, invoice.account_id, invoice.number, transfer,
                          shown="10000:0:0", catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip

    book()
    (entry,) = entries(books)
    assert entry.status == "booked"
    assert entry.decided_by_id == actor.person_id
    payment = books.get_one(Payment, entry.payment_id)
    assert (payment.invoice_id, payment.received_on) == (invoice.id, entry.booked_on)
    for again in (book, lambda: deposit(parts, invoice.account_id, transfer)):
        with pytest.raises(DomainError, match="entry_decided"):
            again()
    the_books_agree(parts)
    with transaction() as session:
        take_back_transfer(session, invoice.account_id, payment.id,
                           catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    assert [one.status for one in entries(books)] == ["waiting"]
    book()
    the_books_agree(parts)


def deposit(parts: Parts, account_id: int, transfer: Transfer) -> None:
    actor = staff()
    with transaction() as session:
        book_deposit(session, account_id, transfer, catalogue=parts.catalogue, actor=actor, now=NOW)


def test_two_who_book_one_entry_at_once_book_it_once(
    parts: Parts, portal_app: Flask, books: Session
) -> None:
    invoice = an_open_invoice(parts, 50_000)
    imported(parts, Line(10_000, invoice.payment_reference))
    (entry,) = entries(books)
    actors, gate, refusals = (staff(HUGO), staff(OPERATOR)), Barrier(2), []
    transfer = Transfer(Money(10_000, "EUR"), entry.booked_on, "x", entry.id)

    def book(place: int) -> None:
        with portal_app.app_context():
            gate.wait()
            try:
                with transaction() as session:
                    book_transfer(session, invoice.account_id, invoice.number, transfer,
                                  shown="10000:40000:0", catalogue=parts.catalogue,
                                  actor=actors[place], now=NOW)  # fmt: skip
            except DomainError as error:
                refusals.append(error.code)

    threads = [Thread(target=book, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refusals == ["entry_decided"]
    books.expire_all()
    assert books.get_one(Invoice, invoice.id).paid_minor == 10_000
    the_books_agree(parts)


def test_an_entry_is_set_aside_and_back(parts: Parts, books: Session) -> None:
    imported(parts, Line(100))
    (entry,) = entries(books)
    actor = staff()
    with transaction() as session:
        set_aside(session, entry.id, actor=actor, now=NOW)
    with pytest.raises(DomainError, match="entry_decided"), transaction() as session:
        set_aside(session, entry.id, actor=actor, now=NOW)
    with transaction() as session:
        put_back(session, entry.id)
    (entry,) = entries(books)
    assert (entry.status, entry.decided_by_id) == ("waiting", None)


def reader(email: str = HUGO) -> Reader:
    person_id = staff(email).person_id
    assert person_id is not None
    with reading() as connection:
        served = None if email == OPERATOR else staff_id(Session(connection), email)
    return Reader(person_id, served)


def test_an_account_executive_sees_what_they_imported_and_an_operator_all(
    parts: Parts, books: Session
) -> None:
    (theirs,) = imported(parts, Line(100), email=OPERATOR)
    (own,) = imported(parts, Line(200), number="213")
    hugo, greta = reader(), reader(OPERATOR)
    assert theirs.statement_id
    assert own.statement_id
    with reading() as connection:
        assert [row.id for row in list_statements(connection, hugo, before=2**62, limit=9)] == [
            own.statement_id
        ]
        assert len(list_statements(connection, greta, before=2**62, limit=9)) == 2
        assert get_statement(connection, theirs.statement_id, hugo) is None
        assert list_entries(connection, theirs.statement_id, hugo, which="all", after=0,
                            limit=9) == []  # fmt: skip
        (row,) = list_entries(connection, theirs.statement_id, greta, which="waiting", after=0,
                              limit=9)  # fmt: skip
        assert row.entry.amount == Money(100, "EUR")
        waiting = [
            each.entry.amount.minor for each in list_waiting(connection, hugo, after=0, limit=9)
        ]
        assert (waiting, count_waiting(connection, hugo)) == ([200], 1)
        assert count_waiting(connection, greta) == 2


def test_an_entry_is_of_the_customer_whom_reference_number_or_payer_name(
    parts: Parts, books: Session
) -> None:
    one, other = an_open_invoice(parts, 12_345), an_open_invoice(parts, 777)
    slip = one.payment_reference[:-1] + str((int(one.payment_reference[-1]) + 1) % 10)
    imported(parts, Line(1, one.payment_reference), Line(2, slip, payer="X"),
             Line(3, text=other.number, payer="X"), Line(777, payer="Lumière Conseil SAS"),
             Line(778, payer="Lumière Conseil SAS"), Line(777, payer="X"))  # fmt: skip
    lumiere = one.account_id
    assert [entry.account_id for entry in entries(books)] == [lumiere] * 4 + [None] * 2
    with reading() as connection:
        assert count_waiting(connection, reader()) == 6
    with transaction() as session:
        account_named(session, LUMIERE).account_executive_id = None
    with reading() as connection:
        rows = list_waiting(connection, reader(), after=0, limit=9)
        assert [row.entry.amount.minor for row in rows] == [778, 777]
        (statement,) = list_statements(connection, reader(), before=2**62, limit=9)
        assert statement.waiting == 2
        found = get_statement(connection, statement.id, reader())
        assert found is not None
        assert (found.entries, found.waiting, found.elsewhere) == (6, 2, 4)
        assert get_entry(connection, entries(books)[0].id, reader()) is None
        assert get_entry(connection, entries(books)[0].id, reader(OPERATOR)) is not None


def test_a_booked_entry_is_of_whom_it_was_booked_for_until_that_is_taken_back(
    parts: Parts, books: Session
) -> None:
    account = account_named(books, LUMIERE).id
    imported(parts, Line(4_711, payer="Nobody"))
    (entry,) = entries(books)
    assert entry.account_id is None
    deposit(parts, account, Transfer(Money(4_711, "EUR"), entry.booked_on, "x", entry.id))
    (entry,) = entries(books)
    assert (entry.status, entry.account_id) == ("booked", account)
    assert entry.payment_id is not None
    the_books_agree(parts)
    with transaction() as session:
        session.get_one(BankEntry, entry.id).account_id = None
    with pytest.raises(AssertionError, match="bank entry"):
        the_books_agree(parts)
    actor = staff()
    with transaction() as session:
        take_back_transfer(session, account, entry.payment_id, catalogue=parts.catalogue,
                           actor=actor, now=NOW)  # fmt: skip
    (entry,) = entries(books)
    assert (entry.status, entry.account_id) == ("waiting", None)


def test_candidates_are_found_by_reference_slip_number_and_amount(
    parts: Parts, books: Session
) -> None:
    one, other = an_open_invoice(parts, 12_345), an_open_invoice(parts, 777)
    slip = one.payment_reference[:-1] + str((int(one.payment_reference[-1]) + 1) % 10)
    own = account_named(books, LUMIERE).account_executive_id
    for line, wanted in (
        (Line(1, one.payment_reference), one),
        (Line(1, slip), one),
        (Line(1, text=f"facture {one.number.lower()}"), one),
        (Line(777), other),
    ):
        (statement,) = read_statements(camt(line))
        with reading() as connection:
            found = list_candidates(connection, statement.entries, own)
            assert wanted.id in [each.invoice.invoice_id for each in found], line
            assert len(found) <= 2, "and next to nothing else"
            assert list_candidates(connection, statement.entries, 987654) == []
    with reading() as connection:
        for typed in (one.number.lower(), one.payment_reference):
            named = find_candidate(connection, typed, own)
            assert named is not None
            assert named.invoice.invoice_id == one.id
            assert find_candidate(connection, typed, 987654) is None


HEARD = date(2026, 10, 27)


def by_hand(parts: Parts, invoice: Invoice, minor: int, on: date, shown: str) -> int:
    """A transfer that a person types; its payment's id."""
    actor = staff()
    with transaction() as session:
        return book_transfer(
            session, invoice.account_id, invoice.number, Transfer(Money(minor, "EUR"), on),
            shown=shown, catalogue=parts.catalogue, actor=actor, now=NOW,
        ).payment_id  # fmt: skip


def seen(line: Line) -> tuple[MatchKind, tuple[TypedTransfer, ...]]:
    """What is proposed for the entry, and which typed transfers its one candidate knows of."""
    (statement,) = read_statements(camt(line))
    asked: list[str] = []
    with reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2]))
        (found,) = list_candidates(connection, statement.entries, None)
    assert len(asked) == 1, "one statement, whatever was typed"
    (match,) = plan_matching(statement.entries, [found.invoice])
    return match.kind, found.invoice.typed


def test_a_transfer_that_was_typed_is_known_when_its_entry_comes(
    parts: Parts, books: Session
) -> None:
    invoice = an_open_invoice(parts, 10_000)
    line = Line(5_000, invoice.payment_reference)
    by_hand(parts, invoice, 1_000, HEARD, "1000:9000:0")
    assert seen(line) == (MatchKind.PARTIAL, ()), "of another amount"
    first = by_hand(parts, invoice, 4_000, HEARD, "4000:5000:0")
    assert seen(line) == (MatchKind.EXACT, ()), "of another amount"
    take_back(parts, invoice, first)
    first = by_hand(parts, invoice, 5_000, HEARD, "5000:4000:0")
    typed = TypedTransfer(Money(5_000, "EUR"), HEARD)
    assert seen(line) == (MatchKind.REPEATED, (typed,))
    later = Line(5_000, invoice.payment_reference, on=HEARD + timedelta(days=8))
    assert seen(later)[1] == ()
    take_back(parts, invoice, first)
    assert seen(line) == (MatchKind.PARTIAL, ()), "what was taken back is not booked"


def take_back(parts: Parts, invoice: Invoice, payment_id: int) -> None:
    actor = staff()
    with transaction() as session:
        take_back_transfer(session, invoice.account_id, payment_id, catalogue=parts.catalogue,
                           actor=actor, now=NOW)  # fmt: skip


@pytest.mark.parametrize("day", [date.min, date.max])
def test_an_entry_of_any_day_of_the_calendar_is_looked_for(
    parts: Parts, books: Session, day: date
) -> None:
    invoice = an_open_invoice(parts, 10_000)
    line = Line(10_000, invoice.payment_reference, on=day)
    assert seen(line) == (MatchKind.EXACT, ())
    assert imported(parts, line)[0].entries == 1


def test_two_typed_transfers_are_both_known_and_what_the_bank_told_is_none(
    parts: Parts, books: Session
) -> None:
    invoice = an_open_invoice(parts, 15_000)
    imported(parts, Line(5_000, invoice.payment_reference, text="first"))
    (entry,) = entries(books)
    transfer = Transfer(Money(5_000, "EUR"), entry.booked_on, "x", entry.id)
    actor = staff()
    with transaction() as session:
        book_transfer(session, invoice.account_id, invoice.number, transfer, shown="5000:10000:0",
                      catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    line = Line(5_000, invoice.payment_reference, text="second")
    assert seen(line) == (MatchKind.PARTIAL, ())
    by_hand(parts, invoice, 5_000, HEARD, "5000:5000:0")
    by_hand(parts, invoice, 5_000, HEARD - timedelta(days=1), "5000:0:0")
    kind, typed = seen(line)
    assert kind is MatchKind.PAID
    assert [each.received_on.day for each in typed] == [27, 26]
