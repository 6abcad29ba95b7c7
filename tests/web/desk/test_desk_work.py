"""What waits at the desk: the first page, tasks in words, work that was given up."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import portal
from portal.clock import clock
from portal.db import transaction
from portal.jobs.queue import MAX_ATTEMPTS, claim_due, fail
from portal.models import DeskTask, Invoice, Job, OutboxMessage, Subscription
from portal.parts import Parts
from portal.services.outbox import enqueue_job, enqueue_mail
from portal.web.desk.paging import LIST_PAGE
from portal.web.desk.tasks.sentences import KINDS
from tests.conftest import NOW
from tests.support.buying import ATELIER, LUMIERE, account_named
from tests.support.client import PortalClient
from tests.support.desk import HUGO, account_id, open_task
from tests.support.transfers import OPERATOR, Line, imported

SOURCES = Path(portal.__file__).parent


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def test_staff_without_an_account_lands_on_the_desk(
    hugo: PortalClient, greta: PortalClient
) -> None:
    for client in (hugo, greta):
        assert client.get("/", 303).headers["Location"] == "/desk"
        client.get("/desk")
    assert greta.page is not None
    assert "/desk/operation" in greta.page.links()
    assert hugo.page is not None
    assert "/desk/operation" not in hugo.page.links()


def _overdue(app: Flask, account: str, days: int) -> str:
    """An invoice of the account that should have been transferred so many days ago."""
    with app.app_context(), transaction() as session:
        key = account_named(session, account).id
        invoice = session.scalars(
            select(Invoice).where(Invoice.account_id == key).order_by(Invoice.id)
        ).first()
        assert invoice is not None
        invoice.status, invoice.paid_minor, invoice.paid_at = "open", 0, None
        invoice.payment_terms = "bank_transfer"
        invoice.due_on = NOW.date() - timedelta(days=days)
        return invoice.number


def test_the_first_page_lists_what_is_overdue_and_what_waits_for_ones_own_customers(
    app: Flask, hugo: PortalClient, greta: PortalClient
) -> None:
    mine, other = _overdue(app, LUMIERE, 12), _overdue(app, ATELIER, 3)
    with app.app_context():
        open_task(LUMIERE, licences=2)
        open_task(ATELIER, licences=5)
        open_task(None, "job_failed", what="send_digest", error="Boom")
    hugo.get("/desk")
    page = text(hugo)
    assert mine in page
    assert "for 12 days" in page
    assert other not in page
    assert "2 licences more are in use than are paid for" in page
    assert "5 people" not in page
    assert "send_digest" not in page
    greta.get("/desk")
    page = text(greta)
    assert page.index(mine) < page.index(other), "the longest overdue first"
    assert "Work send_digest was given up: Boom" in page
    greta.get("/desk/overdue")
    assert mine in text(greta)
    assert other in text(greta)


def test_the_first_page_counts_the_bank_entries_that_wait_for_the_reader(
    app: Flask, parts: Parts, hugo: PortalClient, greta: PortalClient
) -> None:
    hugo.get("/desk")
    assert "Every entry that came in is booked or set aside." in text(hugo)
    with app.app_context():
        imported(parts, Line(1_200, text="Acompte"))
        imported(parts, Line(700), Line(900), email=OPERATOR, number="213")
    for client, told in (
        (hugo, "1 entry of a bank statement waits"), (greta, "3 entries of bank statements wait"),
    ):  # fmt: skip
        client.get("/desk")
        assert told in text(client)
        assert client.page is not None
        assert "/desk/statements/waiting" in client.page.links()


def test_an_invoice_that_is_due_today_is_not_overdue(app: Flask, hugo: PortalClient) -> None:
    number = _overdue(app, LUMIERE, 0)
    hugo.get("/desk")
    assert number not in text(hugo)
    clock.fix(NOW + timedelta(days=1))
    hugo.sign_in(HUGO)
    hugo.get("/desk")
    assert number in text(hugo)


def test_every_kind_of_task_that_the_portal_opens_has_its_words() -> None:
    opened = set()
    for source in SOURCES.rglob("*.py"):
        found = re.findall(
            r'open_desk_task\(\s*\w+(?:\.session)?,\s*(f?)"(\w+)', source.read_text()
        )
        opened |= {kind for is_made, kind in found if not is_made}
    opened |= {"service_asked", "service_ordered", "no_payment_method", "job_failed",
               "message_failed", "charge_differs"}  # fmt: skip
    assert len(opened) > 20
    assert opened - set(KINDS) == set()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_task_is_told_whatever_it_recorded(app: Flask, greta: PortalClient, kind: str) -> None:
    """One that recorded nothing, too: its words may name more than it knows."""
    with app.app_context():
        open_task(ATELIER, kind)
        open_task(ATELIER, kind, invoice="KAN-1", order="KAN-O-1", package="together", error="100 %",
                  licences=3, credit_note="KAN-CN-1", what="mail", ref="ch_1")  # fmt: skip
    greta.get(f"/desk/tasks?kind={kind}")
    assert str(KINDS[kind].name) in text(greta)
    assert "%(" not in text(greta)


def test_a_task_is_done_once_and_can_be_opened_again(
    app: Flask, hugo: PortalClient, greta: PortalClient, books: Session
) -> None:
    with app.app_context():
        task = open_task(LUMIERE, licences=2)
    hugo.get("/desk/tasks")
    greta.get("/desk/tasks")
    hugo.post(f"/desk/tasks/{task}/done", {"next": "/desk"})
    greta.follow(greta.post(f"/desk/tasks/{task}/done", {}))
    assert "Somebody else has done this task meanwhile." in text(greta)
    row = books.scalars(select(DeskTask).where(DeskTask.id == task)).one()
    assert row.done_at is not None
    greta.get("/desk/tasks?state=done")
    assert "by Hugo Peeters" in text(greta), "who was first"
    greta.post(f"/desk/tasks/{task}/reopen", {})
    hugo.get("/desk/tasks")
    assert "2 licences more are in use" in text(hugo)


def test_pages_of_tasks_follow_each_other(app: Flask, hugo: PortalClient) -> None:
    with app.app_context():
        for number in range(LIST_PAGE + 3):
            open_task(LUMIERE, licences=1000 + number)
    path, seen = "/desk/tasks", []
    while path:
        hugo.get(path)
        seen += re.findall(r"(\d{4}) licences more are in use", text(hugo).replace(",", ""))
        assert hugo.page is not None
        following = hugo.page.all("a", rel="next")
        path = following[0].get("href", "") if following else ""
    assert seen == [str(1000 + number) for number in range(LIST_PAGE + 3)]


@pytest.mark.parametrize(
    "query",
    [
        "kind=nothing",
        "state=lost",
        "after=2026-10-29~1",
        "after=soon~1",
        "after=1",
        "after=9999-12-31T23:59:59-14:00~1",
        "after=0001-01-01T00:00:00%2B14:00~1",
    ],
)
def test_filters_and_places_that_do_not_exist_are_absent_pages(
    hugo: PortalClient, query: str
) -> None:
    hugo.get(f"/desk/tasks?{query}", 404)


def _give_up(app: Flask, table: type[Job] | type[OutboxMessage]) -> int:
    """Something that the worker tried until it gave it up."""
    with app.app_context(), transaction() as session:
        if table is Job:
            enqueue_job(session, "send_digest", {}, run_at=NOW, now=NOW)
        else:
            enqueue_mail(session, "low_balance", recipient="a@b.example", locale="en", payload={},
                         now=NOW)  # fmt: skip
        session.flush()
        [claim] = [
            claim
            for claim in claim_due(session, table, now=NOW, limit=99, lease=timedelta(minutes=1))
            if session.get_one(table, claim.id).attempts == 1
        ][-1:]
        session.execute(update(table).where(table.id == claim.id).values(attempts=MAX_ATTEMPTS))
        fail(session, table, claim, "The <server> is away", now=NOW, for_good=True)
        return claim.id


@pytest.mark.parametrize(("table", "name"), [(Job, "jobs"), (OutboxMessage, "messages")])
def test_work_that_was_given_up_is_tried_again_and_its_task_comes_back_where_it_fails(
    app: Flask, greta: PortalClient, books: Session, table: type[Job] | type[OutboxMessage],
    name: str,
) -> None:  # fmt: skip
    key = _give_up(app, table)
    greta.get("/desk/operation")
    assert "The <server> is away" in text(greta)
    greta.post(f"/desk/operation/{name}/{key}/retry", {})
    row = books.scalars(select(table).where(table.id == key)).one()
    assert (row.status, row.attempts) == ("waiting", 0)
    [task] = books.scalars(select(DeskTask).where(DeskTask.kind.like("%_failed"))).all()
    assert task.done_at is not None
    greta.follow(greta.post(f"/desk/operation/{name}/{key}/retry", {}))
    assert "This has been settled meanwhile." in text(greta)

    with app.app_context(), transaction() as session:
        claims = claim_due(session, table, now=NOW, limit=99, lease=timedelta(minutes=1))
        [again] = [claim for claim in claims if claim.id == key]
        fail(session, table, again, "Still away", now=NOW, for_good=True)
    books.expire_all()
    [task] = books.scalars(select(DeskTask).where(DeskTask.kind.like("%_failed"))).all()
    assert task.done_at is None, "it is put before the desk again"
    assert task.details["error"] == "Still away"


def test_a_renewal_that_stands_still_is_listed_and_tried(
    app: Flask, greta: PortalClient, books: Session
) -> None:
    with app.app_context(), transaction() as session:
        row = session.scalars(
            select(Subscription).where(Subscription.account_id == account_id(session, ATELIER))
        ).first()
        assert row is not None
        row.parked_at, row.parked_error = NOW, {"kind": "KeyError", "message": "no price"}
        key = row.id
    greta.get("/desk/operation")
    assert "KeyError: no price" in text(greta)
    greta.follow(greta.post(f"/desk/operation/renewals/{key}/retry", {}))
    assert "is renewed" in text(greta)
    books.expire_all()
    assert books.get_one(Subscription, key).parked_at is None
