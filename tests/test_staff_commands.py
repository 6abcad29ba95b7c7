"""`flask operator` and `flask executive`: who works for the vendor, and who does no more."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.cli import _with_commands
from portal.db import transaction
from portal.models import Account, AuditEvent, Person, SignInLink, SignInSession, StaffMember
from portal.services.sign_in import send_link
from tests.conftest import NOW
from tests.support.client import PortalClient

HUGO, GRETA = "hugo.peeters@kanto.example", "greta.wouters@kanto.example"


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return _with_commands(app).test_cli_runner()


def _person(books: Session, email: str) -> Person:
    return books.scalars(select(Person).where(Person.email == email)).one()


def _staff(books: Session, email: str) -> StaffMember:
    books.expire_all()
    person = _person(books, email)
    return books.scalars(select(StaffMember).where(StaffMember.person_id == person.id)).one()


def test_an_executive_is_let_out_at_once(
    app: Flask, run: FlaskCliRunner, client: PortalClient, books: Session
) -> None:
    client.sign_in(HUGO)
    client.get("/desk")
    with app.app_context(), transaction() as session:
        send_link(session, HUGO, address="http://localhost/sign-in", next_path="", now=NOW)
    served = books.scalars(
        select(Account.name).where(Account.account_executive_id == _staff(books, HUGO).id)
    ).all()

    done = run.invoke(args=["executive", "remove", f" {HUGO.upper()}"])
    assert done.exit_code == 0, done.output
    first, *rest = done.output.splitlines()
    assert first == f"Hugo Peeters ({HUGO}) works for the vendor no more. 1 session ended."
    assert [line.split("  ")[-1] for line in rest[1:]] == sorted(served)
    assert served

    assert _staff(books, HUGO).active is False
    person = _person(books, HUGO)
    open_links = select(SignInLink.id).where(
        SignInLink.person_id == person.id, SignInLink.used_at.is_(None)
    )
    open_sessions = select(SignInSession.id).where(
        SignInSession.person_id == person.id, SignInSession.ended_at.is_(None)
    )
    assert books.scalars(open_links).all() == []
    assert books.scalars(open_sessions).all() == []
    assert client.browser.get("/desk").headers["Location"].startswith("/sign-in")
    with app.app_context(), transaction() as session:
        again = send_link(session, HUGO, address="http://localhost/sign-in", next_path="", now=NOW)
    assert again is None
    event = books.scalars(select(AuditEvent).where(AuditEvent.action == "staff_removed")).one()
    assert (event.account_id, event.subject, event.at) == (None, HUGO, NOW)
    assert (event.old, event.new) == (
        {"role": "account_executive", "name": "Hugo Peeters"}, {"sessions": 1},
    )  # fmt: skip


def test_customers_are_not_led_to_who_has_left(
    run: FlaskCliRunner, client: PortalClient, books: Session
) -> None:
    client.sign_in("camille.roussel@lumiere-conseil.example", "Lumière Conseil SAS")
    client.get("/support")
    assert client.page
    assert "Hugo Peeters" in client.page.source
    run.invoke(args=["executive", "remove", HUGO])
    client.get("/support")
    assert "Hugo Peeters" not in client.page.source
    desk = PortalClient(client.app)
    desk.sign_in(GRETA)
    desk.get("/desk/accounts")
    assert desk.page
    assert "Hugo Peeters" not in desk.page.source


def test_the_last_operator_stays_unless_it_is_meant(run: FlaskCliRunner, books: Session) -> None:
    refused = run.invoke(args=["operator", "remove", GRETA])
    assert refused.exit_code == 1
    assert refused.output.startswith("This is the last operator")
    assert _staff(books, GRETA).active is True
    run.invoke(args=["operator", "create", "nora@kanto.example", "Nora"])
    assert run.invoke(args=["operator", "remove", GRETA]).exit_code == 0
    done = run.invoke(args=["operator", "remove", "nora@kanto.example", "--yes"])
    assert (done.exit_code, done.output) == (
        0, "Nora (nora@kanto.example) works for the vendor no more. 0 sessions ended.\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("group", "email", "words"),
    [
        ("operator", "nobody@kanto.example", "Nobody with this address works for the vendor.\n"),
        ("operator", "camille.roussel@lumiere-conseil.example", "Nobody with this address works"),
        ("executive", "nobody", "That is no e-mail address.\n"),
        ("executive", GRETA, "This person works for the vendor as operator: use flask operator"),
        ("operator", HUGO, "as account_executive: use flask executive remove.\n"),
    ],
)
def test_who_does_not_work_there_cannot_be_removed(
    run: FlaskCliRunner, group: str, email: str, words: str
) -> None:
    refused = run.invoke(args=[group, "remove", email])
    assert refused.exit_code == 1
    assert words in refused.output
    assert refused.output.count("\n") == 1


def test_who_left_is_not_removed_twice_and_may_come_back(
    run: FlaskCliRunner, books: Session
) -> None:
    before = _staff(books, HUGO).id
    assert run.invoke(args=["executive", "remove", HUGO]).exit_code == 0
    again = run.invoke(args=["executive", "remove", HUGO])
    assert (again.exit_code, "Nobody with this address" in again.output) == (1, True)
    assert run.invoke(args=["executive", "create", HUGO, "Hugo P."]).exit_code == 0
    back = _staff(books, HUGO)
    assert (back.id, back.active) == (before, True)
    assert _person(books, HUGO).name == "Hugo P.", "as the command said it"
