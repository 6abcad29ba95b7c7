"""Booking transfers: once, for the right invoice, and what follows from it (M6, Q3, M5, M7)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.payment_references import display_reference, is_structured
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    AccountBalance,
    AuditEvent,
    DunningCase,
    Invoice,
    Order,
    OutboxMessage,
    Payment,
)
from portal.parts import Parts
from portal.services.balance_payout import pay_back_balance
from portal.services.balances import get_balance
from portal.services.desk_crediting import credit_key, issue_credit, plan_desk_credit
from portal.services.dunning import attend_invoice
from portal.services.transfer_booking import (
    Booked,
    Transfer,
    book_deposit,
    book_transfer,
    preview_transfer,
    take_back_transfer,
)
from tests.conftest import NOW
from tests.support.buying import ATELIER, LUMIERE, account_named, plan_item
from tests.support.ledger import the_books_agree
from tests.support.offers import accepted, offered
from tests.support.transfers import OPERATOR, an_open_invoice, eur, staff

pytestmark = pytest.mark.usefixtures("app_context")

TODAY = NOW.date()


def transferred(minor: int, on: date = TODAY, currency: str = "EUR") -> Transfer:
    return Transfer(Money(minor, currency), on, "as written")


def booked(parts: Parts, invoice: Invoice, transfer: Transfer, *, shown: str | None = None,
           account: int | None = None) -> Booked:  # fmt: skip
    actor, owner = staff(), account or invoice.account_id
    with transaction() as session:
        if shown is None:
            shown = preview_transfer(session, owner, invoice.number, transfer, today=TODAY).key
        return book_transfer(session, owner, invoice.number, transfer, shown=shown,
                             catalogue=parts.catalogue, actor=actor, now=clock.now())  # fmt: skip


def refused(call: object, *args: object, **more: object) -> str:
    assert callable(call)
    with pytest.raises(DomainError) as caught:
        call(*args, **more)
    return caught.value.code


def now_of(books: Session, invoice: Invoice) -> tuple[str, int]:
    books.expire_all()
    row = books.get_one(Invoice, invoice.id)
    return row.status, row.paid_minor


def owed_to(books: Session, account_id: int) -> int:
    books.expire_all()
    return get_balance(books, account_id)


def topics(books: Session) -> list[str]:
    query = select(OutboxMessage.topic).order_by(OutboxMessage.id)
    return [topic for topic in books.scalars(query) if topic.startswith(("transfer_", "balance_"))]


def test_an_invoice_of_a_transfer_customer_has_a_reference_of_its_own(
    parts: Parts, books: Session
) -> None:
    one, other = an_open_invoice(parts), an_open_invoice(parts)
    assert is_structured(one.payment_reference)
    assert is_structured(other.payment_reference)
    assert one.payment_reference != other.payment_reference
    assert one.payment_reference.startswith("RF")
    by_card = select(Invoice.payment_reference).where(Invoice.payment_terms == "automatic")
    assert set(books.scalars(by_card)) == {""}


def test_a_belgian_customer_gets_the_belgian_form(parts: Parts) -> None:
    with transaction() as session:
        account_named(session, ATELIER).payment_terms = "bank_transfer"
    invoice = an_open_invoice(parts, account=ATELIER)
    assert display_reference(invoice.payment_reference).startswith("+++26")


def test_M6_in_full_a_part_and_too_much(parts: Parts, books: Session) -> None:
    full, part, more = (an_open_invoice(parts) for _ in range(3))
    assert booked(parts, full, transferred(10_000)).plan.settles
    booked(parts, part, transferred(4_000))
    booked(parts, more, transferred(12_500))
    assert now_of(books, full) == ("paid", 10_000)
    assert now_of(books, part) == ("open", 4_000)
    assert now_of(books, more) == ("paid", 10_000)
    assert owed_to(books, more.account_id) == 2_500
    booked(parts, part, transferred(6_000))
    assert now_of(books, part) == ("paid", 10_000)
    assert topics(books) == ["transfer_received"] * 4, "the account executive booked them alone"
    the_books_agree(parts)


def test_a_second_click_books_nothing(parts: Parts, books: Session) -> None:
    invoice, transfer = an_open_invoice(parts), transferred(4_000)
    with transaction() as session:
        shown = preview_transfer(
            session, invoice.account_id, invoice.number, transfer, today=TODAY
        ).key
    booked(parts, invoice, transfer, shown=shown)
    assert refused(booked, parts, invoice, transfer, shown=shown) == "transfer_changed"
    assert now_of(books, invoice) == ("open", 4_000)


@pytest.mark.parametrize(
    ("status", "transfer", "code"),
    [
        ("paid", transferred(1), "transfer_for_paid"),
        ("written_off", transferred(1), "transfer_for_void"),
        ("open", transferred(1, currency="USD"), "transfer_other_currency"),
        ("open", transferred(1, TODAY + timedelta(days=1)), "transfer_in_future"),
        ("open", transferred(0), "transfer_nothing"),
    ],
)
def test_what_cannot_be_booked_changes_nothing(
    parts: Parts, books: Session, status: str, transfer: Transfer, code: str
) -> None:
    invoice = an_open_invoice(parts)
    with transaction() as session:
        paid = invoice.gross_minor if status == "paid" else 0
        session.execute(update(Invoice).where(Invoice.id == invoice.id)
                        .values(status=status, paid_minor=paid))  # fmt: skip
    before = books.scalar(select(func.count(Payment.id)))
    assert refused(booked, parts, invoice, transfer, shown="0:0:0") == code
    assert books.scalar(select(func.count(Payment.id))) == before


def test_an_invoice_of_another_customer_is_unknown(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    other = account_named(books, ATELIER).id
    assert refused(booked, parts, invoice, transferred(1), account=other) == "invoice_unknown"


def test_M6_money_without_an_invoice_stands_on_the_balance(parts: Parts, books: Session) -> None:
    account_id, actor = account_named(books, LUMIERE).id, staff(OPERATOR)
    with transaction() as session:
        book_deposit(session, account_id, transferred(7_000), shown=eur(0),
                     catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    assert owed_to(books, account_id) == 7_000
    assert topics(books) == ["transfer_received", "transfer_booked"], "both sides hear of it"
    with pytest.raises(DomainError, match="balance_changed"), transaction() as session:
        book_deposit(session, account_id, transferred(7_000), shown=eur(0),
                     catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    the_books_agree(parts)


def test_Q3_the_order_is_granted_when_all_of_it_has_arrived(parts: Parts, books: Session) -> None:
    order_id = accepted(parts, offered(parts))
    before = plan_item(books, LUMIERE).quantity
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    assert not booked(parts, invoice, transferred(1)).granted
    books.expire_all()
    assert plan_item(books, LUMIERE).quantity == before
    assert booked(parts, invoice, transferred(invoice.gross_minor - 1)).granted
    books.expire_all()
    assert plan_item(books, LUMIERE).quantity == before + 3
    assert books.get_one(Order, order_id).status in ("paid", "done")
    the_books_agree(parts)


def test_M5_reminders_end_and_access_is_back_when_it_is_booked(
    parts: Parts, books: Session
) -> None:
    invoice = an_open_invoice(parts)
    late = NOW + timedelta(days=31)
    clock.fix(late)
    with transaction() as session:
        row = session.get_one(Invoice, invoice.id)
        account = session.get_one(Account, invoice.account_id)
        attend_invoice(session, account, row, catalogue=parts.catalogue, now=late)
    case = books.scalars(select(DunningCase).where(DunningCase.invoice_id == invoice.id)).one()
    assert case.status == "open"
    booked(parts, invoice, transferred(4_000))
    books.expire_all()
    assert books.get_one(DunningCase, case.id).status == "open", "a part does not end it"
    booked(parts, invoice, transferred(6_000))
    books.expire_all()
    assert books.get_one(DunningCase, case.id).status == "recovered"


def test_a_booking_by_mistake_can_be_taken_back(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    payment_id = booked(parts, invoice, transferred(12_500)).payment_id
    actor = staff()
    with transaction() as session:
        take_back_transfer(session, invoice.account_id, payment_id,
                           catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    assert now_of(books, invoice) == ("open", 0)
    assert owed_to(books, invoice.account_id) == 0
    with pytest.raises(DomainError, match="booking_over"), transaction() as session:
        take_back_transfer(session, invoice.account_id, payment_id,
                           catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    booked(parts, invoice, transferred(10_000))
    assert now_of(books, invoice) == ("paid", 10_000)
    the_books_agree(parts)


def test_a_booking_whose_rest_was_paid_back_stays(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    payment_id = booked(parts, invoice, transferred(12_500)).payment_id
    actor = staff(OPERATOR)
    with transaction() as session:
        pay_back_balance(session, invoice.account_id, eur(2_500), shown=eur(2_500),
                         note="our transfer of today", actor=actor, now=NOW)  # fmt: skip
    with pytest.raises(DomainError, match="booking_used"), transaction() as session:
        take_back_transfer(session, invoice.account_id, payment_id,
                           catalogue=parts.catalogue, actor=actor, now=NOW)  # fmt: skip
    assert now_of(books, invoice) == ("paid", 10_000)


def test_M6_a_balance_is_paid_back_once_and_never_beyond(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    booked(parts, invoice, transferred(12_500))
    account_id, actor = invoice.account_id, staff(OPERATOR)

    def pay(minor: int, shown: int) -> Money:
        with transaction() as session:
            return pay_back_balance(session, account_id, eur(minor), shown=eur(shown), note="n",
                                    actor=actor, now=NOW)  # fmt: skip

    assert refused(pay, 2_501, 2_500) == "payout_beyond_balance"
    assert pay(2_000, 2_500) == eur(500)
    assert refused(pay, 500, 2_500) == "balance_changed"
    assert owed_to(books, account_id) == 500
    entry = books.scalars(select(AccountBalance).order_by(AccountBalance.id.desc())).first()
    assert entry is not None
    assert (entry.reason, entry.note) == ("paid_back", "n")
    the_books_agree(parts)


def test_the_customer_reads_in_the_activity_who_booked_what(parts: Parts, books: Session) -> None:
    invoice = an_open_invoice(parts)
    booked(parts, invoice, transferred(12_500))
    rows = books.execute(
        select(AuditEvent.action, AuditEvent.actor_name, AuditEvent.account_id)
        .where(AuditEvent.action.in_(("transfer_booked", "invoice_paid", "overpayment_kept")))
        .order_by(AuditEvent.id.desc()).limit(3)
    ).all()  # fmt: skip
    assert {row.action for row in rows} == {"transfer_booked", "invoice_paid", "overpayment_kept"}
    assert {row.actor_name for row in rows} == {staff().name}


# --- credit notes at the desk -------------------------------------------------------------------


def test_I2_a_credit_note_is_issued_as_it_was_shown(parts: Parts, books: Session) -> None:
    invoice, actor = an_open_invoice(parts), staff(OPERATOR)

    def issue(shown: str, amounts: dict[int, int] | None) -> str:
        with transaction() as session:
            return issue_credit(session, invoice.account_id, invoice.number, amounts, shown=shown,
                                reason="One hour fewer", catalogue=parts.catalogue, actor=actor,
                                now=NOW).number  # fmt: skip

    with transaction() as session:
        shown = credit_key(
            plan_desk_credit(session, invoice.account_id, invoice.number, {1: 2_000})
        )
    issue(shown, {1: 2_000})
    booked(parts, invoice, transferred(8_000))
    assert now_of(books, invoice) == ("paid", 8_000)
    assert refused(issue, shown, {1: 2_000}) == "credit_changed", "it would give money back now"
    the_books_agree(parts)


def test_an_order_that_waits_for_its_transfer_is_withdrawn_and_not_credited(
    parts: Parts, books: Session
) -> None:
    order_id = accepted(parts, offered(parts))
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    with pytest.raises(DomainError, match="credit_of_order"), transaction() as session:
        plan_desk_credit(session, invoice.account_id, invoice.number, None)


def test_I3_a_renewal_invoice_asks_for_the_transfer_with_its_reference(
    parts: Parts, books: Session
) -> None:
    ahead = NOW.replace(year=2027, month=1, day=20)
    clock.fix(ahead)
    run_due(parts, ahead)
    account = account_named(books, LUMIERE)
    renewals = books.scalars(
        select(Invoice).where(Invoice.account_id == account.id, Invoice.issued_at == ahead)
    ).all()
    assert renewals
    assert all(is_structured(one.payment_reference) for one in renewals)
    mails = books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "renewal_invoice",
                                                      OutboxMessage.account_id == account.id)).all()  # fmt: skip
    told = {mail.payload["reference"] for mail in mails}
    assert told == {display_reference(one.payment_reference) for one in renewals}
