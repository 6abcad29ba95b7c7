"""/desk/support: messages and packages, each account executive their own customers'."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Account, OutboxMessage, ServiceRequest, SupportMessage
from portal.parts import Parts
from tests.conftest import NOW
from tests.support.buying import ATELIER, CAMILLE, LUMIERE, row_counts, speak
from tests.support.client import PortalClient
from tests.support.desk import GRETA, HUGO, account_id
from tests.support.support import asked, mails_of, sent


@pytest.fixture
def hugo(app: Flask, client: PortalClient) -> PortalClient:
    speak(client, HUGO, "en")
    client.sign_in(HUGO)
    return client


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def written(client: PortalClient, parts: Parts, about: str = "Our invoice") -> int:
    with client.app.app_context():
        return sent(parts, about, "What is it for?", account=LUMIERE, email=CAMILLE)


def wished(client: PortalClient, parts: Parts) -> int:
    with client.app.app_context():
        return asked(parts, account=LUMIERE, email=CAMILLE)


def path_of(client: PortalClient, number: int | str, account: str = LUMIERE) -> str:
    with client.app.app_context(), transaction() as session:
        return f"/desk/accounts/{account_id(session, account)}/support/{number}"


def status_of(
    session: Session, model: type[SupportMessage] | type[ServiceRequest], key: int
) -> str:
    session.expire_all()
    return str(session.get_one(model, key).status)


def mails(books: Session, client: PortalClient, topic: str) -> list[OutboxMessage]:
    with client.app.app_context():
        return mails_of(books, topic)


def test_what_waits_is_listed_by_age_and_leaves_once_it_is_answered_or_closed(
    hugo: PortalClient, parts: Parts
) -> None:
    first = written(hugo, parts, "The first")
    clock.fix(NOW + timedelta(days=2))
    second = written(hugo, parts, "The second")
    third = written(hugo, parts, "The third")
    hugo.sign_in(HUGO)
    hugo.get("/desk/support")
    shown = text(hugo)
    assert shown.index("The first") < shown.index("The second") < shown.index("The third")
    assert "for 2 days" in shown
    hugo.post(f"{path_of(hugo, second)}/reply", {"text": "For May.", "seen": "0"})
    hugo.post(f"{path_of(hugo, third)}/close", {"seen": "0"})
    for state, there in (("new", "first"), ("answered", "second"), ("closed", "third")):
        hugo.get(f"/desk/support?state={state}")
        for word in ("first", "second", "third"):
            assert (f"The {word}" in text(hugo)) == (word == there), (state, word)
    hugo.get("/desk/support?state=lost", 404)
    assert first


def test_the_list_is_paged_and_loses_nothing(
    hugo: PortalClient, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.writing_limit.MOST_IN_AN_HOUR", 100)
    for at in range(30):
        clock.fix(NOW + timedelta(minutes=at // 2))
        written(hugo, parts, f"Word no {at}.")
    hugo.sign_in(HUGO)
    hugo.get("/desk/support")
    first = text(hugo)
    assert hugo.page is not None
    hugo.get(next(link for link in hugo.page.links() if "after=" in link))
    second = text(hugo)
    for at in range(30):
        assert (f"Word no {at}." in first) != (f"Word no {at}." in second)


def test_the_navigation_counts_what_waits_for_oneself(
    hugo: PortalClient, greta: PortalClient, app: Flask, parts: Parts
) -> None:
    written(hugo, parts)
    with app.app_context():
        sent(parts, "Somebody else's")  # a customer whom no account executive serves
    for client, count in ((hugo, 1), (greta, 2)):
        client.get("/desk/tasks")
        assert f"Support {count}" in text(client)
    hugo.get("/desk")
    assert "Our invoice" in text(hugo)
    assert "Somebody else's" not in text(hugo)


def test_an_answer_is_mailed_and_stands_on_the_customers_page(
    hugo: PortalClient, app: Flask, parts: Parts, books: Session
) -> None:
    number = written(hugo, parts)
    path = path_of(hugo, number)
    hugo.get(path)
    assert "What is it for?" in text(hugo)
    for _ in range(2):  # a double click is one answer
        hugo.follow(hugo.post(f"{path}/reply", {"text": "For May.", "seen": "0"}))
        assert "Your reply is on its way." in text(hugo)
    [mail] = mails(books, hugo, "support_answered")
    assert (mail.recipient, mail.payload["text"]) == (CAMILLE, "For May.")
    camille = PortalClient(app)
    speak(camille, CAMILLE, "en")
    camille.sign_in(CAMILLE)
    camille.get(f"/support/messages/{number}")
    assert text(camille).count("For May.") == 1
    camille.get("/activity")
    assert "Hugo Peeters answered a message: Our invoice" in text(camille)


def test_nobody_answers_past_what_was_written_meanwhile(
    hugo: PortalClient, greta: PortalClient, parts: Parts, books: Session
) -> None:
    number = written(hugo, parts)
    path = path_of(hugo, number)
    greta.get(path)
    hugo.post(f"{path}/reply", {"text": "For May.", "seen": "0"})
    before = row_counts(books)
    greta.post(f"{path}/reply", {"text": "For April.", "seen": "0"}, status=422)
    assert "Something was written here meanwhile." in text(greta)
    assert "For May." in text(greta)
    assert "For April." in text(greta)  # what was typed is kept
    greta.post(f"{path}/close", {"seen": "0"}, status=422)
    assert row_counts(books) == before
    greta.post(f"{path}/reply", {"text": "For April.", "seen": "1"})
    assert len(mails(books, hugo, "support_answered")) == 2


def test_closing_and_opening_again(hugo: PortalClient, parts: Parts, books: Session) -> None:
    number = written(hugo, parts)
    path = path_of(hugo, number)
    for _ in range(2):
        hugo.follow(hugo.post(f"{path}/close", {"seen": "0"}))
        assert "The message is closed." in text(hugo)
    assert status_of(books, SupportMessage, number) == "closed"
    for _ in range(2):
        hugo.follow(hugo.post(f"{path}/reopen", {}))
        assert "The message is open again." in text(hugo)
    assert status_of(books, SupportMessage, number) == "new"
    assert mails(books, hugo, "support_answered") == []


def test_an_empty_answer_is_refused(hugo: PortalClient, parts: Parts, books: Session) -> None:
    path = path_of(hugo, written(hugo, parts))
    before = row_counts(books)
    hugo.post(f"{path}/reply", {"text": " ", "seen": "0"}, status=422)
    assert "Enter your reply." in text(hugo)
    assert row_counts(books) == before


def test_Q7_a_package_is_confirmed_delivered_and_found_by_its_state(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = wished(hugo, parts)
    path = path_of(hugo, f"packages/{number}")
    hugo.get("/desk/support/packages")
    assert LUMIERE in text(hugo)
    hugo.get(path)
    assert "In Ghent." in text(hugo)
    assert hugo.page is not None
    assert [b for b in ("Confirm it", "It is delivered", "Decline it") if b in text(hugo)] == [
        "Confirm it", "Decline it",
    ]  # fmt: skip
    for _ in range(2):  # a double click is one word
        hugo.follow(hugo.post(f"{path}/answer", {"word": "confirmed", "answer": "From May on."}))
        assert "It is confirmed. The customer was told." in text(hugo)
        assert "From May on." in text(hugo)
    [mail] = mails(books, hugo, "service_answered")
    assert (mail.recipient, mail.payload["status"]) == (CAMILLE, "confirmed")
    hugo.follow(hugo.post(f"{path}/answer", {"word": "done", "answer": ""}))
    assert "There is nothing more to do." in text(hugo)
    hugo.get("/desk/support/packages")
    assert LUMIERE not in text(hugo)
    hugo.get("/desk/support/packages?state=closed")
    assert LUMIERE in text(hugo)
    hugo.get("/desk/support/packages?state=lost", 404)
    assert status_of(books, ServiceRequest, number) == "done"


def test_Q7_declining_needs_a_reason_and_only_what_follows_can_be_said(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number = wished(hugo, parts)
    path = path_of(hugo, f"packages/{number}")
    before = row_counts(books)
    hugo.post(f"{path}/answer", {"word": "declined", "answer": " "}, status=422)
    assert "Enter the reason. The customer reads it." in text(hugo)
    hugo.post(f"{path}/answer", {"word": "done", "answer": ""}, status=422)
    assert "further on by now" in text(hugo)
    for word in ("withdrawn", "ordered", "asked", ""):
        hugo.post(f"{path}/answer", {"word": word, "answer": "x"}, status=422)
    assert row_counts(books) == before
    hugo.post(f"{path}/answer", {"word": "declined", "answer": "Nobody near you."})
    hugo.post(f"{path}/answer", {"word": "confirmed", "answer": ""}, status=422)
    assert status_of(books, ServiceRequest, number) == "declined"


def test_a_task_leads_to_its_package(hugo: PortalClient, parts: Parts) -> None:
    number = wished(hugo, parts)
    hugo.get("/desk/tasks?kind=service_asked")
    assert hugo.page is not None
    assert path_of(hugo, f"packages/{number}") in hugo.page.links()


def test_the_customers_page_lists_messages_and_packages(hugo: PortalClient, parts: Parts) -> None:
    written(hugo, parts)
    wished(hugo, parts)
    hugo.get(path_of(hugo, "").rstrip("/"))
    assert "Our invoice" in text(hugo)
    assert "Done for you" in text(hugo)


def test_rule7_what_others_serve_is_an_absent_page(
    hugo: PortalClient, parts: Parts, books: Session
) -> None:
    number, package = written(hugo, parts, "Secret"), wished(hugo, parts)
    paths = [path_of(hugo, number), path_of(hugo, f"packages/{package}")]
    elsewhere = [path_of(hugo, number, ATELIER), path_of(hugo, f"packages/{package}", ATELIER)]
    with hugo.app.app_context(), transaction() as session:
        session.execute(update(Account).where(Account.name == LUMIERE)
                        .values(account_executive_id=None))  # fmt: skip
    before = row_counts(books)
    for path in ("/desk/support", "/desk/support/packages"):
        hugo.get(path)
        assert "Secret" not in text(hugo)
        assert LUMIERE not in text(hugo)

    def all_absent(client: PortalClient, message: str, asked_for: str) -> None:
        for absent in (message, asked_for):
            client.get(absent, 404)
        for do in ("reply", "close", "reopen"):
            client.post(f"{message}/{do}", {"text": "x", "seen": "0"}, status=404)
        client.post(f"{asked_for}/answer", {"word": "declined", "answer": "x"}, status=404)

    all_absent(hugo, *paths)
    assert row_counts(books) == before
    hugo.sign_in(GRETA)
    before = row_counts(books)
    all_absent(hugo, *elsewhere)  # of one customer, under another
    assert row_counts(books) == before


def test_customers_do_not_come_to_the_desk(client: PortalClient, parts: Parts) -> None:
    number, package = written(client, parts), wished(client, parts)
    client.sign_in(CAMILLE)
    for path in ("/desk/support", "/desk/support/packages", path_of(client, number)):
        client.get(path, 403)
    client.post(f"{path_of(client, number)}/reply", {"text": "x", "seen": "0"}, status=403)
    client.post(f"{path_of(client, f'packages/{package}')}/answer", {"word": "done"}, status=403)
    with client.app.app_context(), transaction() as session:
        assert session.scalars(select(SupportMessage.status)
                               .where(SupportMessage.id == number)).one() == "new"  # fmt: skip
