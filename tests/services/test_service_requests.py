"""Service packages: asked for once, bought by paying, and carried on by the vendor's word."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.wishes import Credits, Seats, Service
from portal.models import (
    AuditEvent,
    DeskTask,
    DunningCase,
    Invoice,
    Order,
    OrderLine,
    Payment,
    PaymentAttempt,
    Price,
    Quote,
    ServiceRequest,
)
from portal.parts import Parts
from portal.services.carts import save_cart
from portal.services.quoting import quote_cart
from portal.services.service_requests import answer_request, order_package, withdraw_request
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CARD,
    LOTTE,
    LUMIERE,
    account_named,
    actor_of,
    collected,
    placed,
    plan_item,
    ready,
    use_method,
)
from tests.support.purchases import quoted_wishes
from tests.support.support import HUGO, asked, mails_of, sent, staff

pytestmark = pytest.mark.usefixtures("app_context")

CAMILLE = "camille.roussel@lumiere-conseil.example"


def word(parts: Parts, number: int, said: str, answer: str = "") -> None:
    with transaction() as session:
        answer_request(session, number, said, answer, catalogue=parts.catalogue,
                       actor=staff(session), now=clock.now())  # fmt: skip


def taken_back(
    parts: Parts, number: int, account: str = ATELIER, email: str = LOTTE
) -> ServiceRequest:
    with transaction() as session:
        return withdraw_request(
            session, account_named(session, account).id, number, catalogue=parts.catalogue,
            actor=actor_of(session, email), now=clock.now(),
        )  # fmt: skip


def quoted(parts: Parts, package: str) -> int:
    """Lotte had a quote made of a package; its id."""
    with transaction() as session:
        account, actor = account_named(session, ATELIER), actor_of(session, LOTTE)
        assert actor.person_id is not None
        cart = save_cart(session, account.id, actor.person_id, [Service(package)], clock.now())
        return quote_cart(
            session, cart, catalogue=parts.catalogue, actor=actor, replaces=[], now=clock.now()
        ).id


def bought(parts: Parts, package: str = "together", *, pay: bool = True) -> int:
    """Lotte ordered a package, and paid it where `pay`; the order's id."""
    quote_id = quoted(parts, package)
    ready(parts, quote_id)
    order = placed(parts, quote_id)
    if pay:
        collected(parts, order.attempt_id)
    return order.order_id


def placed_attempt(session: Session, order_id: int) -> int:
    found = session.scalar(
        select(PaymentAttempt.id)
        .join(Payment, Payment.id == PaymentAttempt.payment_id)
        .where(Payment.order_id == order_id)
    )
    assert found is not None
    return int(found)


def requests_of(session: Session, account: str = ATELIER) -> list[ServiceRequest]:
    session.expire_all()
    return list(
        session.scalars(
            select(ServiceRequest)
            .where(ServiceRequest.account_id == account_named(session, account).id)
            .order_by(ServiceRequest.id)
        )
    )


def open_tasks(session: Session) -> list[tuple[str, str]]:
    session.expire_all()
    rows = session.scalars(
        select(DeskTask).where(DeskTask.done_at.is_(None), DeskTask.kind.like("service%"))
    )
    return [(task.kind, task.details["package"]) for task in rows]


def test_Q7_asking_for_what_a_partner_does_makes_a_request_to_the_vendor(
    parts: Parts, books: Session
) -> None:
    number = asked(parts, "done-for-you", "In Ghent, from May on.")
    request = books.get_one(ServiceRequest, number)
    assert (request.status, request.wishes, request.order_line_id) == (
        "asked", "In Ghent, from May on.", None,
    )  # fmt: skip
    assert open_tasks(books) == [("service_asked", "done-for-you")]
    [mail] = mails_of(books, "service_asked")
    assert mail.recipient == "support@kanto.example"
    assert mail.payload["author_email"] == LOTTE
    assert mail.payload["wishes"] == "In Ghent, from May on."
    assert mail.payload["order_number"] == ""
    events = books.scalars(
        select(AuditEvent.action).where(AuditEvent.action == "service_asked", AuditEvent.at == NOW)
    )
    assert len(events.all()) == 1
    assert books.scalar(select(func.count(Order.id)).where(Order.placed_at >= NOW)) == 0


def test_Q4_asked_twice_is_one_request(parts: Parts, books: Session) -> None:
    first = asked(parts)
    assert asked(parts, wishes="In Bruges.") == first
    assert len(requests_of(books)) == 1
    assert len(mails_of(books, "service_asked")) == 1


def test_Q4_eight_clicks_at_once_are_one_request_and_one_message(
    app: Flask, parts: Parts, books: Session
) -> None:
    def click(work: Callable[[Parts], int]) -> int:
        with app.app_context():
            return work(parts)

    with ThreadPoolExecutor(8) as pool:
        requests = set(pool.map(click, [asked] * 8))
        messages = set(pool.map(click, [sent] * 8))
    assert (len(requests), len(messages)) == (1, 1)
    assert len(mails_of(books, "service_asked")) == len(mails_of(books, "support_asked")) == 1
    assert open_tasks(books) == [("service_asked", "done-for-you")]


def test_Q7_a_bank_transfer_customer_asks_for_what_others_buy(parts: Parts, books: Session) -> None:
    asked(parts, "together", account=LUMIERE, email=CAMILLE)
    assert [r.package_key for r in requests_of(books, LUMIERE)] == ["together"]
    assert {mail.recipient for mail in mails_of(books, "service_asked")} == {
        "support@kanto.example", HUGO,
    }  # fmt: skip


@pytest.mark.parametrize("package", ["together", "do-it-yourself", "nothing"])
def test_Q7_what_is_bought_included_or_absent_is_not_asked_for(
    parts: Parts, books: Session, package: str
) -> None:
    with pytest.raises(DomainError, match="not_offered"):
        asked(parts, package)
    assert requests_of(books) == []
    assert mails_of(books, "service_asked") == []


def test_Q7_a_package_without_a_price_is_asked_for(parts: Parts, books: Session) -> None:
    with transaction() as session:
        session.execute(
            update(Price).where(Price.service_package_key == "together").values(retired_at=NOW)
        )
    asked(parts, "together")
    assert [r.status for r in requests_of(books)] == ["asked"]


def test_who_asked_hears_that_it_can_be_bought_and_the_task_is_done(
    parts: Parts, books: Session
) -> None:
    number = asked(parts)
    word(parts, number, "confirmed", " Our partner Delta begins in May. ")
    [request] = requests_of(books)
    assert (request.status, request.answer, request.closed_at) == (
        "confirmed", "Our partner Delta begins in May.", None,
    )  # fmt: skip
    assert open_tasks(books) == []
    [mail] = mails_of(books, "service_answered")
    assert (mail.recipient, mail.payload["status"], mail.payload["can_be_bought"]) == (
        LOTTE, "confirmed", 1,
    )  # fmt: skip


def test_who_pays_by_transfer_is_not_told_to_buy(parts: Parts, books: Session) -> None:
    word(parts, asked(parts, account=LUMIERE, email=CAMILLE), "confirmed")
    [mail] = mails_of(books, "service_answered")
    assert mail.payload["can_be_bought"] == 0
    assert mail.payload["package"] == "Clé en main"


def test_declined_it_can_be_asked_for_anew(parts: Parts, books: Session) -> None:
    first = asked(parts)
    word(parts, first, "declined", "No partner is free.")
    assert requests_of(books)[0].closed_at == NOW
    assert asked(parts) != first
    with pytest.raises(DomainError, match="request_moved_on"):
        word(parts, first, "confirmed")


def test_Q7_what_the_vendor_declines_after_all_cannot_be_paid_any_more(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    number = asked(parts)
    word(parts, number, "confirmed")
    quote_id, other = quoted(parts, "done-for-you"), quoted(parts, "together")
    ready(parts, quote_id)
    word(parts, number, "declined", "The partner is ill.")
    assert books.get_one(Quote, quote_id).status == "expired"
    assert books.get_one(Quote, other).status == "open"
    with pytest.raises(DomainError, match="quote_expired"):
        placed(parts, quote_id)
    assert asked(parts) != number


def test_Q7_declined_it_cannot_be_paid_with_whatever_else_was_quoted(
    parts: Parts, books: Session
) -> None:
    """Such a quote holds the subscription or the wallet, not the package (Q1)."""
    number = asked(parts)
    word(parts, number, "confirmed")
    with transaction() as session:
        item = plan_item(session, ATELIER)
        seats = Seats(item.id, item.quantity + 2)
    mixed = quoted_wishes(parts, seats, Service("done-for-you"))
    other = quoted_wishes(parts, Credits("medium"))
    word(parts, number, "declined", "No partner has time.")
    books.expire_all()
    assert books.get_one(Quote, mixed).status == "expired"
    assert books.get_one(Quote, other).status == "open"


@pytest.mark.parametrize("confirmed", [False, True])
def test_Q7_what_is_asked_for_first_is_not_bought_before_below_the_page_either(
    parts: Parts, books: Session, confirmed: bool
) -> None:
    with pytest.raises(DomainError, match="service_asked_first"):
        quoted(parts, "done-for-you")
    number = asked(parts)
    with pytest.raises(DomainError, match="service_asked_first"):
        quoted(parts, "done-for-you")
    word(parts, number, "confirmed" if confirmed else "declined")
    if confirmed:
        assert books.get_one(Quote, quoted(parts, "done-for-you")).status == "open"
    else:
        with pytest.raises(DomainError, match="service_asked_first"):
            quoted(parts, "done-for-you")


def test_Q7_what_was_asked_for_is_taken_back_once_and_can_be_asked_for_anew(
    parts: Parts, books: Session
) -> None:
    number = asked(parts)
    for _ in range(2):
        assert taken_back(parts, number).status == "withdrawn"
    [request] = requests_of(books)
    assert (request.status, request.closed_at) == ("withdrawn", NOW)
    assert open_tasks(books) == []
    [mail] = mails_of(books, "service_withdrawn")
    assert (mail.recipient, mail.payload["author_email"], mail.payload["request_number"]) == (
        "support@kanto.example", LOTTE, number,
    )  # fmt: skip
    with pytest.raises(DomainError, match="request_moved_on"):
        word(parts, number, "confirmed")
    assert asked(parts) != number


def test_Q7_what_is_arranged_bought_or_anothers_is_not_taken_back(
    parts: Parts, books: Session
) -> None:
    number = asked(parts)
    with pytest.raises(DomainError, match="request_unknown"):
        taken_back(parts, number, LUMIERE, CAMILLE)
    word(parts, number, "confirmed")
    with pytest.raises(DomainError, match="request_moved_on"):
        taken_back(parts, number)
    assert [r.status for r in requests_of(books)] == ["confirmed"]
    assert mails_of(books, "service_withdrawn") == []


def test_the_vendor_says_its_word_once_and_withdraws_nothing_of_the_customers(
    parts: Parts, books: Session
) -> None:
    number = asked(parts)
    with pytest.raises(DomainError, match="request_moved_on"):
        word(parts, number, "withdrawn")
    for _ in range(2):
        word(parts, number, "confirmed", "In May.")
    assert len(mails_of(books, "service_answered")) == 1


def test_an_unknown_request_is_said_to_be_one(parts: Parts) -> None:
    with pytest.raises(DomainError, match="request_unknown"):
        word(parts, 987_654_321, "confirmed")


def test_Q3_a_bought_package_is_on_order_once_it_is_paid_and_not_before(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    order_id = bought(parts, pay=False)
    assert requests_of(books) == []
    assert open_tasks(books) == []
    attempt = placed_attempt(books, order_id)
    collected(parts, attempt)
    collected(parts, attempt)
    [request] = requests_of(books)
    assert (request.package_key, request.status) == ("together", "ordered")
    line = books.get_one(OrderLine, request.order_line_id or 0)
    assert (line.order_id, line.kind, line.net_minor) == (order_id, "service", 49_000)
    assert open_tasks(books) == [("service_ordered", "together")]
    [mail] = mails_of(books, "service_asked")
    assert mail.payload["order_number"] == books.get_one(Order, order_id).number
    assert books.get_one(Order, order_id, populate_existing=True).status == "done"


def test_Q4_granting_a_line_twice_orders_the_package_once(parts: Parts, books: Session) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    order_id = bought(parts)
    with transaction() as session:
        order = session.get_one(Order, order_id)
        line = session.scalars(select(OrderLine).where(OrderLine.order_id == order_id)).one()
        order_package(session, order, line, "together", catalogue=parts.catalogue, now=NOW)
    assert len(requests_of(books)) == 1
    assert len(mails_of(books, "service_asked")) == 1


def test_Q7_what_was_asked_for_and_confirmed_becomes_what_was_bought(
    parts: Parts, books: Session
) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    number = asked(parts, "done-for-you", "In Ghent.")
    word(parts, number, "confirmed", "Delta begins in May.")
    bought(parts, "done-for-you")
    [request] = requests_of(books)
    assert (request.id, request.status, request.wishes) == (number, "ordered", "In Ghent.")
    assert request.order_line_id is not None
    word(parts, number, "done")
    [request] = requests_of(books)
    assert (request.status, request.closed_at) == ("done", NOW)
    assert open_tasks(books) == []


def test_what_is_paid_twice_is_on_order_twice(parts: Parts, books: Session) -> None:
    with transaction() as session:
        use_method(session, ATELIER, CARD)
    bought(parts)
    bought(parts)
    found = requests_of(books)
    assert [r.status for r in found] == ["ordered", "ordered"]
    assert len({r.order_line_id for r in found}) == 2


def test_M5_while_access_is_suspended_nothing_is_asked_for(parts: Parts, books: Session) -> None:
    with transaction() as session:
        account_id = account_named(session, ATELIER).id
        invoice = select(func.max(Invoice.id)).where(Invoice.account_id == account_id)
        session.add(
            DunningCase(account_id=account_id, invoice_id=session.scalar(invoice), step=4,
                        started_on=NOW.date(), suspends_on=NOW.date(), suspended_at=NOW,
                        status="open", opened_at=NOW)
        )  # fmt: skip
    with pytest.raises(DomainError, match="account_suspended"):
        asked(parts)
