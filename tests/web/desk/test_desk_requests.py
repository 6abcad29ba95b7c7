"""/desk/requests: the queue, and seeing to one; each account executive their own customers'."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.money import Money
from portal.domain.requests import RequestKind
from portal.formats import format_money
from portal.models import Account, ScheduledChange
from portal.parts import Parts
from tests.conftest import NOW
from tests.services.test_late_reductions import RENEWAL, at, renewal_invoice, renewed
from tests.support.buying import CAMILLE, LUMIERE, member_of, row_counts, speak
from tests.support.client import PortalClient
from tests.support.desk import GRETA, HUGO, account_id
from tests.support.requests import act, asked_for, request_of, say


@pytest.fixture
def hugo(app: Flask, client: PortalClient) -> PortalClient:
    speak(client, HUGO, "en")
    client.sign_in(HUGO)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def path_of(client: PortalClient, number: int) -> str:
    with client.app.app_context(), transaction() as session:
        return f"/desk/accounts/{account_id(session, LUMIERE)}/requests/{number}"


def asked(client: PortalClient, parts: Parts, *args: object, **more: object) -> int:
    with client.app.app_context():
        return asked_for(parts, *args, **more)  # type: ignore[arg-type]


def test_the_queue_is_by_age_and_state(hugo: PortalClient, parts: Parts) -> None:
    with hugo.app.app_context():
        first = asked_for(parts, RequestKind.OTHER, details="The first")
        clock.fix(NOW + timedelta(days=2))
        second = asked_for(parts, RequestKind.OTHER, details="The second")
        third = asked_for(parts, RequestKind.OTHER, details="The third")
        act(parts, second, "take")
        act(parts, third, "decline")
    hugo.sign_in(HUGO)
    hugo.get("/desk/requests")
    shown = text(hugo)
    assert shown.index("The first") < shown.index("The second")
    assert "for 2 days" in shown
    assert "The third" not in shown
    hugo.get("/desk/requests?state=preparing")
    assert "The second" in text(hugo)
    assert "The first" not in text(hugo)
    hugo.get("/desk/requests?state=closed")
    assert "The third" in text(hugo)
    for state in ("lost", "done"):
        hugo.get(f"/desk/requests?state={state}", 404)
    assert first


def test_the_queue_is_paged_and_loses_nothing(hugo: PortalClient, parts: Parts) -> None:
    with hugo.app.app_context():
        for at in range(30):
            clock.fix(NOW + timedelta(hours=at // 2))
            asked_for(parts, RequestKind.OTHER, details=f"Wish no {at}.")
    hugo.sign_in(HUGO)
    hugo.get("/desk/requests")
    first = text(hugo)
    assert hugo.page is not None
    following = next(link for link in hugo.page.links() if "after=" in link)
    hugo.get(following)
    second = text(hugo)
    for at in range(30):
        assert (f"Wish no {at}." in first) != (f"Wish no {at}." in second)


def test_seeing_to_it_and_answering(hugo: PortalClient, parts: Parts, books: Session) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    hugo.get(path)
    assert "We close a shop." in text(hugo)
    assert "Takes effect on 2 February 2027" in text(hugo)
    assert "€3,612.00 instead of €4,644.00" in text(hugo)
    hugo.follow(hugo.post(f"{path}/take", {"version": "1"}))
    assert "You see to this request now." in text(hugo)
    hugo.follow(hugo.post(f"{path}/messages", {"text": "Which shop is it?"}))
    assert "Which shop is it?" in text(hugo)
    with hugo.app.app_context():
        request = request_of(books, number)
        assert (request.status, request.version) == ("preparing", 2)


def test_S4_confirming_what_is_shown(hugo: PortalClient, parts: Parts, books: Session) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    hugo.get(path)
    assert "Confirm for 2 February 2027" in text(hugo)
    assert hugo.page is not None
    fields = hugo.page.fields("confirm")
    for _ in range(2):
        hugo.follow(hugo.post(f"{path}/confirm", fields))
        assert "It is confirmed" in text(hugo)
    waiting = select(ScheduledChange.delta).where(
        ScheduledChange.status == "waiting", ScheduledChange.asked_at >= NOW
    )
    assert list(books.scalars(waiting)) == [-2]


def test_what_differs_by_now_is_shown_again(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    before = row_counts(books)
    hugo.post(f"{path}/confirm", {"version": "1", "shown": "9-2027-02-02.7.1"}, status=422)
    assert "Confirm for 2 February 2027" in text(hugo)
    assert row_counts(books) == before


def test_two_at_once_the_second_sees_what_happened(
    hugo: PortalClient, greta: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    greta.get(path)
    hugo.post(f"{path}/decline", {"version": "1", "reason": "Not possible."})
    before = row_counts(books)
    greta.post(f"{path}/confirm", {"version": "1", "shown": "x"}, status=422)
    assert "Hugo Peeters has worked on this request meanwhile" in text(greta)
    assert "Request declined" in text(greta)
    assert "Not possible." in text(greta)
    assert row_counts(books) == before


def test_declining_needs_a_reason(hugo: PortalClient, parts: Parts, books: Session) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    before = row_counts(books)
    hugo.post(f"{path}/decline", {"version": "1", "reason": " "}, status=422)
    assert "Enter the reason. The customer reads it." in text(hugo)
    hugo.post(f"{path}/messages", {"text": " "}, status=422)
    assert "Enter your reply." in text(hugo)
    assert row_counts(books) == before


def test_S7_an_admin_in_the_way_is_named(hugo: PortalClient, parts: Parts) -> None:
    """Eight fewer would take the licence of an admin who has not agreed to it."""
    number = asked(hugo, parts, RequestKind.FEWER_SEATS, 8)
    with hugo.app.app_context(), transaction() as session:
        member_of(session, LUMIERE, "antoine.girard@lumiere-conseil.example").role = "admin"
    hugo.get(path_of(hugo, number))
    assert "It cannot be confirmed as it was asked" in text(hugo)
    assert "Confirm for" not in text(hugo)


def test_rule7_another_account_executives_request_is_an_absent_page(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(hugo, parts, details="Secret")
    path = path_of(hugo, number)
    with hugo.app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.name == LUMIERE)
                        .values(account_executive_id=None))  # fmt: skip
    before = row_counts(books)
    hugo.get("/desk/requests")
    assert "Secret" not in text(hugo)
    for absent in (path, f"{path}99"):
        hugo.get(absent, 404)
        for act_on in ("take", "confirm", "finish", "decline", "messages"):
            hugo.post(
                f"{absent}/{act_on}", {"version": "1", "reason": "x", "text": "x"}, status=404
            )
    assert row_counts(books) == before


def test_a_request_of_one_customer_is_not_found_under_another(
    app: Flask, client: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(client, parts)
    client.sign_in(GRETA)
    with app.app_context(), transaction() as session:
        others = session.scalars(select(Account.id).where(Account.name != LUMIERE)).all()
    for other in others:
        client.get(f"/desk/accounts/{other}/requests/{number}", 404)
        client.post(f"/desk/accounts/{other}/requests/{number}/take", {"version": "1"}, status=404)


def test_customers_do_not_come_to_the_desk(client: PortalClient, parts: Parts) -> None:
    number = asked(client, parts)
    client.sign_in(CAMILLE)
    client.get("/desk/requests", 403)
    client.get(path_of(client, number), 403)
    client.post(f"{path_of(client, number)}/take", {"version": "1"}, status=403)


def test_the_customers_page_lists_its_requests(hugo: PortalClient, parts: Parts) -> None:
    number = asked(hugo, parts)
    with hugo.app.app_context():
        say(parts, number, "Soon?")
    hugo.get(path_of(hugo, number).rpartition("/")[0])
    assert "2 licences fewer for Kanto CRM Enterprise" in text(hugo)


def test_the_activity_tells_the_customer_in_words(
    client: PortalClient, parts: Parts, books: Session
) -> None:
    with client.app.app_context():
        number = asked_for(parts)
        act(parts, number, "take")
        act(parts, number, "decline", reason="Not possible.")
    speak(client, CAMILLE, "en")
    client.sign_in(CAMILLE)
    client.get("/activity")
    shown = text(client)
    assert f"Camille Roussel asked the account executive for a change: request {number}." in shown
    assert f"Hugo Peeters prepares request {number}." in shown
    assert f"Hugo Peeters declined request {number}." in shown
    assert "Not possible." in shown


def test_S4_what_was_missed_says_what_confirming_it_late_does(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(hugo, parts)
    path = path_of(hugo, number)
    clock.fix(at(RENEWAL - timedelta(days=5)))
    hugo.sign_in(HUGO)
    for page in ("/desk", "/desk/requests", path):
        hugo.get(page)
        assert "Confirm before the renewal of 2 February 2027" in text(hugo)
    with hugo.app.app_context():
        renewed(parts)
        invoice, line = renewal_invoice(books)
    hugo.sign_in(HUGO)
    for page in ("/desk", "/desk/requests"):
        hugo.get(page)
        assert "The renewal of 2 February 2027 has passed" in text(hugo)
    hugo.get(path)
    shown = text(hugo)
    assert "It was sent in time for the renewal of 2 February 2027, which has passed" in shown
    assert "It takes effect on 2 February 2028 now" in shown
    amount = format_money(Money(2 * line.unit_minor, invoice.currency), "en")
    assert f"is credited with the confirmation: {amount} without VAT" in shown
    assert f"Confirm for 2 February 2028 and credit {amount} without VAT" in shown
    assert hugo.page is not None
    assert hugo.page.all("a", href=f"{path.partition('/requests/')[0]}/invoices/{invoice.number}")
    hugo.follow(hugo.post(f"{path}/confirm", hugo.page.fields("confirm")))
    assert "It is confirmed" in text(hugo)
    with hugo.app.app_context():
        assert renewal_invoice(books)[0].credited_minor > 0
    hugo.get(path.partition("/requests/")[0])
    assert f"{amount} without VAT was credited for it" in text(hugo)
    with hugo.app.app_context():
        speak(hugo, CAMILLE, "en")
        change = books.scalars(
            select(ScheduledChange).where(ScheduledChange.status == "waiting")
        ).one()
    hugo.sign_in(CAMILLE)  # S5: the money was given back, so the customer cannot undo it alone
    hugo.get("/licences")
    assert f"{amount} without VAT was credited for it" in text(hugo)
    assert hugo.page is not None
    assert not hugo.page.all("form", action=f"/changes/{change.id}/undo")
    hugo.follow(hugo.post(f"/changes/{change.id}/undo", {"next": "/licences"}))
    assert "If you need them after all, add licences again." in text(hugo)
    books.refresh(change)
    assert change.status == "waiting"


def test_S4_another_plan_that_was_missed_names_the_invoice(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = asked(hugo, parts, RequestKind.PLAN, None, target="pro")
    with hugo.app.app_context():
        renewed(parts)
        invoice, _line = renewal_invoice(books)
    hugo.sign_in(HUGO)
    hugo.get(path_of(hugo, number))
    assert f"is not credited automatically. Invoice: {invoice.number}." in text(hugo)
