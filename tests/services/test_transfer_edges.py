"""What could go wrong between an order and its transfer: late, early, twice, at the same instant."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.offers import Offered, plan_offer
from portal.domain.quotes import terms_key
from portal.domain.requests import RequestKind
from portal.domain.wishes import Free
from portal.jobs.dunning import run_dunning
from portal.models import (
    Cart,
    DeskTask,
    DunningCase,
    Invoice,
    Order,
    Payment,
    Quote,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.quotes import get_account_buying
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.desk_crediting import credit_key, issue_credit, plan_desk_credit
from portal.services.desk_tasks import finish_task
from portal.services.quoting import preview_quote
from portal.services.staff_quoting import invoice_offer, prepare_quote
from portal.services.transfer_booking import Transfer, book_transfer, take_back_transfer
from portal.services.transfer_lapsing import withdraw_order
from portal.services.transfer_orders import grant_early
from tests.services.test_request_races import at_once
from tests.services.test_transfer_orders import RENEWAL_DAY, invoice_of, order_of, seats
from tests.support.buying import LUMIERE, account_named, plan_item
from tests.support.ledger import the_books_agree
from tests.support.offers import accepted, draft, executive, more_seats, offered, pay_transfer
from tests.support.requests import asked_for, request_of, statuses
from tests.support.transfers import HUGO, OPERATOR, an_open_invoice, staff

pytestmark = pytest.mark.usefixtures("app_context")


def invoiced(parts: Parts, request_id: int, *, version: int | None, actor: Actor) -> int:
    """Three licences more are invoiced for a request as its page shows them; the order's id."""
    with transaction() as session:
        account = account_named(session, LUMIERE)
        wish = more_seats(session)
        connection, today = session.connection(), clock.today(account.time_zone)
        states = list_subscription_states(connection, account.id)
        book = get_price_book(connection, account.currency)
        lines = plan_offer([Offered(wish)], states, book, parts.catalogue, today).purchase.lines
        buying = get_account_buying(connection, account.id)
        shown = terms_key(preview_quote(lines, states, buying, parts.catalogue, today))
        order = invoice_offer(
            session, account.id, [Offered(wish)], shown=shown, request_id=request_id,
            version=version, replaces=(), catalogue=parts.catalogue, actor=actor, now=clock.now(),
        )  # fmt: skip
        return int(order.id)


def granted_early(parts: Parts, order_id: int) -> None:
    with transaction() as session:
        grant_early(session, account_named(session, LUMIERE).id, order_id, reason="They pay.",
                    catalogue=parts.catalogue, actor=executive(session), now=clock.now())  # fmt: skip


def withdrawn_order(parts: Parts, order_id: int) -> None:
    with transaction() as session:
        withdraw_order(session, account_named(session, LUMIERE).id, order_id,
                       catalogue=parts.catalogue, actor=executive(session),
                       now=clock.now())  # fmt: skip


def test_Q3_the_money_of_what_was_granted_early_is_noted_on_its_request(
    parts: Parts, books: Session
) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS, 3)
    order_id = invoiced(parts, number, version=1, actor=staff())
    granted_early(parts, order_id)
    assert statuses(books, number)[-1] == "done"
    assert not pay_transfer(parts, order_id)
    assert statuses(books, number)[-2:] == ["done", "paid"]
    assert request_of(books, number).status == "done"
    the_books_agree(parts)


def test_Q3_a_credit_note_does_not_grant_what_a_renewal_has_overtaken(
    parts: Parts, books: Session
) -> None:
    before, order_id = seats(books), accepted(parts, offered(parts))
    pay_transfer(parts, order_id, 100)
    clock.fix(RENEWAL_DAY)  # and no worker has run since
    invoice, actor = invoice_of(books, order_id), staff(OPERATOR)
    with transaction() as session:
        net = invoice.net_minor - 100
        plan = plan_desk_credit(session, invoice.account_id, invoice.number, {1: net})
        assert plan.settles
        assert not plan.completes
    with pytest.raises(DomainError), transaction() as session:
        issue_credit(session, invoice.account_id, invoice.number, {1: net}, shown=credit_key(plan),
                     reason="Goodwill", catalogue=parts.catalogue, actor=actor,
                     now=RENEWAL_DAY)  # fmt: skip
    assert seats(books) == before
    assert order_of(books, order_id).status == "invoiced"


def test_M5_a_booking_that_is_taken_back_starts_its_reminders_anew(
    parts: Parts, books: Session
) -> None:
    invoice, actor = an_open_invoice(parts), staff()
    late = clock.now() + timedelta(days=31)
    clock.fix(late)
    run_dunning(parts, {}, late)
    transfer = Transfer(Money(invoice.gross_minor, "EUR"), late.date())
    with transaction() as session:
        payment_id = book_transfer(
            session, invoice.account_id, invoice.number, transfer,
            shown=f"{invoice.gross_minor}:0:0", catalogue=parts.catalogue, actor=actor, now=late,
        ).payment_id  # fmt: skip
    case = select(DunningCase).where(DunningCase.invoice_id == invoice.id)
    assert books.scalars(case).one().status == "recovered"
    later = late + timedelta(days=40)
    clock.fix(later)
    with transaction() as session:
        take_back_transfer(session, invoice.account_id, payment_id, catalogue=parts.catalogue,
                           actor=actor, now=later)  # fmt: skip
    run_dunning(parts, {}, later)
    books.expire_all()
    again = books.scalars(case).one()
    assert (again.status, again.started_on, again.told_on) == ("open", later.date(), later.date())
    assert again.suspended_at is None, "nobody is suspended on the day they hear of it"
    the_books_agree(parts)


def test_two_who_book_one_transfer_by_hand_book_it_once(
    app: Flask, parts: Parts, books: Session
) -> None:
    invoice, actors = an_open_invoice(parts), (staff(HUGO), staff(OPERATOR))

    def book(actor: Actor) -> None:
        with transaction() as session:
            book_transfer(session, invoice.account_id, invoice.number,
                          Transfer(Money(4_000, "EUR"), clock.now().date()),
                          shown=f"4000:{invoice.gross_minor - 4_000}:0", catalogue=parts.catalogue,
                          actor=actor, now=clock.now())  # fmt: skip

    assert at_once(app, lambda: book(actors[0]), lambda: book(actors[1])) == ["transfer_changed"]
    of_invoice = select(func.count(Payment.id)).where(Payment.invoice_id == invoice.id)
    assert books.scalar(of_invoice) == 1
    the_books_agree(parts)


def test_Q4_two_who_invoice_one_request_make_one_invoice(
    app: Flask, parts: Parts, books: Session
) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS, 3)
    orders = books.scalar(select(func.count(Order.id)))
    books.rollback()
    actors = (staff(HUGO), staff(OPERATOR))
    refused = at_once(
        app,
        lambda: invoiced(parts, number, version=1, actor=actors[0]),
        lambda: invoiced(parts, number, version=1, actor=actors[1]),
    )
    assert refused == ["request_overtaken"]
    assert books.scalar(select(func.count(Order.id))) == (orders or 0) + 1
    the_books_agree(parts)


def test_Q3_what_is_granted_early_as_its_money_comes_is_granted_once(
    app: Flask, parts: Parts, books: Session
) -> None:
    before, order_id = seats(books), accepted(parts, offered(parts))
    books.rollback()
    refused = at_once(
        app, lambda: pay_transfer(parts, order_id), lambda: granted_early(parts, order_id)
    )
    assert set(refused) <= {"order_not_awaited"}
    assert seats(books) == before + 3
    assert invoice_of(books, order_id).status == "paid"
    the_books_agree(parts)


def test_Q3_an_order_is_paid_or_withdrawn_never_both(
    app: Flask, parts: Parts, books: Session
) -> None:
    before, order_id = seats(books), accepted(parts, offered(parts))
    books.rollback()
    refused = at_once(
        app, lambda: pay_transfer(parts, order_id), lambda: withdrawn_order(parts, order_id)
    )
    status = order_of(books, order_id).status
    assert refused in (["order_not_awaited"], ["transfer_changed"], ["transfer_for_void"], [])
    assert seats(books) == before + (3 if status == "done" else 0)
    assert status in ("done", "abandoned")
    invoice = books.scalars(select(Invoice).where(Invoice.order_id == order_id)).one()
    assert invoice.status == ("paid" if status == "done" else "credited")
    the_books_agree(parts)


def test_I2_a_second_click_issues_no_second_credit_note(parts: Parts, books: Session) -> None:
    invoice, actor = an_open_invoice(parts), staff(OPERATOR)

    def issue(shown: str) -> None:
        with transaction() as session:
            issue_credit(session, invoice.account_id, invoice.number, {1: 2_000}, shown=shown,
                         reason="One hour fewer", catalogue=parts.catalogue, actor=actor,
                         now=clock.now())  # fmt: skip

    with transaction() as session:
        plan = plan_desk_credit(session, invoice.account_id, invoice.number, {1: 2_000})
    issue(credit_key(plan))
    with pytest.raises(DomainError, match="credit_changed"):
        issue(credit_key(plan))
    books.expire_all()
    assert books.get_one(Invoice, invoice.id).credited_minor == 2_000
    the_books_agree(parts)


def test_Q1_a_request_has_one_open_quote_whatever_is_offered(parts: Parts, books: Session) -> None:
    """Lines of free words hold no product: the request itself is what both quotes are about."""
    number = asked_for(parts, RequestKind.OTHER)

    def quoted(text: str, replaces: tuple[int, ...] = ()) -> int:
        draft([Offered(Free(text, 10_000))])
        with transaction() as session:
            return int(
                prepare_quote(
                    session, account_named(session, LUMIERE).id, valid_until=date(2026, 11, 20),
                    message="", replaces=replaces, request_id=number, catalogue=parts.catalogue,
                    actor=executive(session), now=clock.now(),
                ).id
            )  # fmt: skip

    first = quoted("Workshop")
    with pytest.raises(DomainError, match="quote_would_replace") as refused:
        quoted("Workshop, shorter")
    assert list(refused.value.data["quotes"]) == [first]
    with transaction() as session:  # the draft of the one that was refused is still there
        for cart in session.scalars(select(Cart).where(Cart.status == "open")):
            cart.status = "emptied"
    second = quoted("Workshop, shorter", (first,))
    books.expire_all()
    old = books.get_one(Quote, first)
    assert (old.status, old.superseded_by_id) == ("superseded", second)
    with pytest.raises(DomainError, match="quote_superseded"):
        accepted(parts, first)
    order_id = accepted(parts, second)
    assert statuses(books, number) == ["sent", "preparing", "invoiced"]
    assert request_of(books, number).invoice_id == invoice_of(books, order_id).id
    pay_transfer(parts, order_id)
    assert statuses(books, number)[-2:] == ["paid", "done"]


def test_Q1_two_requests_in_words_are_quoted_side_by_side(parts: Parts, books: Session) -> None:
    quotes = []
    for text in ("Workshop", "Travel"):
        number = asked_for(parts, RequestKind.OTHER, details=text)
        draft([Offered(Free(text, 10_000))])
        with transaction() as session:
            quote = prepare_quote(
                session, account_named(session, LUMIERE).id, valid_until=date(2026, 11, 20),
                message="", replaces=(), request_id=number, catalogue=parts.catalogue,
                actor=executive(session), now=clock.now(),
            )  # fmt: skip
            quotes.append(int(quote.id))
    assert [books.get_one(Quote, each).status for each in quotes] == ["open", "open"]


def test_Q6_a_line_of_a_transfer_that_was_not_granted_keeps_its_request_open(
    parts: Parts, books: Session
) -> None:
    number = asked_for(parts, RequestKind.MORE_SEATS, 3)
    order_id = invoiced(parts, number, version=1, actor=staff())
    with transaction() as session:
        item_id = plan_item(session, LUMIERE).id
        session.get_one(SubscriptionItem, item_id).removed_at = clock.now()
    assert pay_transfer(parts, order_id)
    assert order_of(books, order_id).status == "paid"
    assert statuses(books, number)[-1] == "paid"
    with transaction() as session:
        task = session.scalars(select(DeskTask).where(DeskTask.kind == "not_granted")).one()
        finish_task(session, task.id, catalogue=parts.catalogue, actor=executive(session),
                    now=clock.now())  # fmt: skip
    assert order_of(books, order_id).status == "done"
    assert statuses(books, number)[-1] == "done"
