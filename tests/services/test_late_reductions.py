"""A reduction asked in time and confirmed late: told before the renewal, credited after it (S4, I2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import reading, transaction
from portal.domain.errors import DomainError
from portal.domain.requests import RequestKind
from portal.jobs.renewals import run_renewals
from portal.mail.messages import read_message
from portal.mail.rendering import render_mail
from portal.models import (
    AccountBalance,
    Assignment,
    CreditNote,
    Invoice,
    InvoiceLine,
    ScheduledChange,
)
from portal.parts import Parts
from portal.queries.desk_queue import list_waiting_requests
from portal.queries.holders import list_subscription_held
from portal.services.scheduling import undo_change
from portal.services.seat_removal import choose_who_loses
from portal.services.transfer_booking import Transfer, book_transfer, preview_transfer
from tests.services.test_desk_digest import digests, run
from tests.support.buying import CAMILLE, LUMIERE, account_named, actor_of, plan_item
from tests.support.ledger import the_books_agree
from tests.support.requests import asked_for, confirmed, request_of, shown_key
from tests.support.support import mails_of
from tests.support.transfers import HUGO, eur, staff

pytestmark = pytest.mark.usefixtures("app_context")
RENEWAL = date(2027, 2, 2)
NEXT_RENEWAL = date(2028, 2, 2)
NOTICE = 15


def at(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 9, tzinfo=UTC)


def renewed(parts: Parts) -> None:
    """The notice window closed, the coming period was invoiced, and then it began."""
    for day in (RENEWAL - timedelta(days=NOTICE - 1), RENEWAL, RENEWAL + timedelta(days=3)):
        clock.fix(at(day))
        run_renewals(parts, {}, at(day))


def renewal_invoice(books: Session) -> tuple[Invoice, InvoiceLine]:
    """That of the period which began on the renewal day, and its line for the CRM's licences."""
    books.expire_all()
    row = books.execute(
        select(Invoice, InvoiceLine)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(
            Invoice.kind == "renewal",
            InvoiceLine.item_id == plan_item(books, LUMIERE).id,
            InvoiceLine.period_starts_on == RENEWAL,
        )
    ).one()
    return row[0], row[1]


def late(parts: Parts, quantity: int = 2) -> int:
    """A reduction that was sent in time, and that nobody saw to before the renewal."""
    number = asked_for(parts, quantity=quantity)
    renewed(parts)
    return number


def test_S4_what_was_asked_in_time_and_is_confirmed_late_is_credited(
    parts: Parts, books: Session
) -> None:
    before = plan_item(books, LUMIERE).quantity
    number = late(parts)
    confirmed(parts, number)
    invoice, line = renewal_invoice(books)
    note = books.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).one()
    assert note.net_minor == 2 * line.unit_minor
    assert (note.reason, invoice.status) == ("asked_in_time", "open")
    assert invoice.credited_minor == note.gross_minor  # so much less is to be transferred
    assert plan_item(books, LUMIERE).quantity == before  # S1: seats never fall inside a period
    assert request_of(books, number).effective_on == NEXT_RENEWAL
    the_books_agree(parts)
    told = mails_of(books, "request_step")[-1]
    assert (told.recipient, told.payload["credited_minor"]) == (CAMILLE, note.net_minor)
    mail = render_mail(read_message(told.topic, told.payload, "https://portal.example"),
                       recipient=CAMILLE, locale="en", vendor=parts.catalogue.vendor,
                       message_id="<1@x.example>")  # fmt: skip
    assert "in time for a renewal that has passed" in mail.text
    assert "in time for a renewal that has passed" in mail.html


def test_M6_what_was_paid_of_it_goes_to_the_balance(parts: Parts, books: Session) -> None:
    number = late(parts)
    invoice, line = renewal_invoice(books)
    actor = staff()
    with transaction() as session:
        transfer = Transfer(eur(invoice.gross_minor), clock.now().date())
        plan = preview_transfer(session, invoice.account_id, invoice.number, transfer,
                                today=clock.now().date())  # fmt: skip
        book_transfer(session, invoice.account_id, invoice.number, transfer, shown=plan.key,
                      catalogue=parts.catalogue, actor=actor, now=clock.now())  # fmt: skip
    confirmed(parts, number)
    entry = books.scalars(select(AccountBalance).order_by(AccountBalance.id.desc())).first()
    assert entry is not None
    assert entry.amount_minor >= 2 * line.unit_minor
    the_books_agree(parts)


def test_S4_what_was_asked_too_late_is_not_credited(parts: Parts, books: Session) -> None:
    clock.fix(at(RENEWAL - timedelta(days=NOTICE - 1)))
    number = late(parts)
    confirmed(parts, number)
    assert request_of(books, number).effective_on == NEXT_RENEWAL
    invoice, _line = renewal_invoice(books)
    assert invoice.credited_minor == 0


def test_Q4_another_amount_than_was_shown_is_not_credited(parts: Parts, books: Session) -> None:
    number = asked_for(parts)
    with transaction() as session:
        version = request_of(session, number).version
    renewed(parts)
    with transaction() as session:
        shown = shown_key(session, parts, request_of(session, number))
    key, _plus, net = shown.partition("+")
    for other in (key, f"{key}+{int(net) + 1}", f"{key}+"):
        with pytest.raises(DomainError, match="change_differs"):
            confirmed(parts, number, version=version, shown=other)
    assert renewal_invoice(books)[0].credited_minor == 0
    confirmed(parts, number, version=version, shown=shown)
    confirmed(parts, number, version=version, shown=shown)  # the second of two clicks
    notes = books.scalars(select(CreditNote).where(CreditNote.reason == "asked_in_time")).all()
    assert len(notes) == 1


def test_I2_two_late_reductions_credit_no_more_than_the_line(parts: Parts, books: Session) -> None:
    most = plan_item(books, LUMIERE).quantity - 1
    first = asked_for(parts, quantity=most)
    second = asked_for(parts, quantity=1)
    renewed(parts)
    confirmed(parts, second)
    with pytest.raises(DomainError, match="too_many_removed"):
        confirmed(parts, first)
    invoice, line = renewal_invoice(books)
    assert invoice.credited_minor == line.unit_minor


def test_S4_two_requests_for_the_very_same_are_two(parts: Parts, books: Session) -> None:
    """Both pages show the same numbers; the second click is of another request, not the same."""
    before = plan_item(books, LUMIERE).quantity
    first = asked_for(parts, details="We close a shop.")
    second = asked_for(parts, details="Two of us leave.")
    renewed(parts)
    with transaction() as session:
        shown = shown_key(session, parts, request_of(session, second))
    confirmed(parts, first, shown=shown)
    with pytest.raises(DomainError, match="change_differs"):
        confirmed(parts, second, shown=shown)
    invoice, line = renewal_invoice(books)
    assert invoice.credited_minor == 2 * line.unit_minor
    confirmed(parts, second)  # with what it comes to by now
    invoice, line = renewal_invoice(books)
    assert invoice.credited_minor == 4 * line.unit_minor
    waiting = books.scalars(
        select(ScheduledChange).where(ScheduledChange.status == "waiting")
    ).one()
    assert waiting.delta == -4
    assert waiting.target == {"credited": 4 * line.unit_minor}
    assert plan_item(books, LUMIERE).quantity == before
    the_books_agree(parts)


def test_S5_what_was_credited_is_not_undone(parts: Parts, books: Session) -> None:
    """Who keeps the licences after all adds some again; the money has been given back."""
    confirmed(parts, late(parts))
    change = books.scalars(select(ScheduledChange).where(ScheduledChange.status == "waiting")).one()
    account = account_named(books, LUMIERE)
    with pytest.raises(DomainError, match="reduction_credited"), transaction() as session:
        undo_change(session, account.id, change.id, catalogue=parts.catalogue,
                    actor=actor_of(session, CAMILLE), now=clock.now())  # fmt: skip
    books.refresh(change)
    assert change.status == "waiting"
    assert renewal_invoice(books)[0].credited_minor == change.target["credited"]  # type: ignore[index]


def test_S6_choosing_who_loses_keeps_what_was_credited(parts: Parts, books: Session) -> None:
    item = plan_item(books, LUMIERE)
    held_now = select(func.count()).where(
        Assignment.item_id == item.id, Assignment.freed_at.is_(None)
    )
    one_more_than_free = item.quantity - int(books.scalar(held_now) or 0) + 1
    confirmed(parts, late(parts, one_more_than_free))
    change = books.scalars(select(ScheduledChange).where(ScheduledChange.status == "waiting")).one()
    with transaction() as session:
        account = account_named(session, LUMIERE)
        held = [
            one.held.member_id
            for one in list_subscription_held(
                session.connection(), account.id, change.subscription_id
            )
            if one.held.item_id == change.item_id and not one.held.is_admin
        ]
    credited = renewal_invoice(books)[1].unit_minor * one_more_than_free
    kept = []
    for member in held[:2]:  # the last assigned would lose it anyway: nobody is chosen then
        with transaction() as session:
            choose_who_loses(session, account.id, change.id, [member], catalogue=parts.catalogue,
                             actor=actor_of(session, CAMILLE), now=clock.now())  # fmt: skip
        books.refresh(change)
        kept.append(change.target)
    assert kept == [{"credited": credited}, {"credited": credited, "free": held[1:2]}]


def test_S4_what_a_near_renewal_needs_stands_first_on_the_desk_and_in_the_digest(
    parts: Parts, books: Session
) -> None:
    asked_for(parts, RequestKind.MORE_SEATS, 3)
    clock.fix(clock.now() + timedelta(days=1))
    number = asked_for(parts)

    def first(on: date) -> tuple[int, date | None, bool]:
        with reading() as connection:
            row = list_waiting_requests(connection, None, on, NOTICE, limit=1)[0]
        stake = row.at_stake
        return row.id, stake.on if stake else None, bool(stake and stake.missed)

    assert first(RENEWAL - timedelta(days=8))[1] is None
    assert first(RENEWAL - timedelta(days=7)) == (number, RENEWAL, False)
    run(parts, at(RENEWAL - timedelta(days=7)))
    lines = digests(books)[-1].payload["lines"]
    assert (lines[0]["kind"], lines[0]["renewal_on"]) == ("fewer_seats", RENEWAL.isoformat())
    assert "renewal_on" not in lines[1]
    renewed(parts)
    assert first(RENEWAL + timedelta(days=3)) == (number, RENEWAL, True)
    confirmed(parts, number)
    assert first(RENEWAL + timedelta(days=3))[0] != number


@pytest.mark.parametrize(("missed", "words"), [
    (False, "It counts for the renewal of 2 February 2027: confirm it before."),
    (True, "It counts for the renewal of 2 February 2027, which has passed."),
])  # fmt: skip
def test_S4_the_digest_says_what_is_at_stake(parts: Parts, missed: bool, words: str) -> None:
    payload = {"name": "Hugo", "on": "2027-01-26", "requests": 1, "overdue": 0, "tasks": 0,
               "lines": [{"account_name": LUMIERE, "kind": "fewer_seats", "quantity": 2, "days": 9,
                          "renewal_on": "2027-02-02", "missed": missed}]}  # fmt: skip
    mail = render_mail(read_message("desk_digest", payload, "https://portal.example"),
                       recipient=HUGO, locale="en", vendor=parts.catalogue.vendor,
                       message_id="<1@x.example>")  # fmt: skip
    assert words in mail.text
    assert words in mail.html
