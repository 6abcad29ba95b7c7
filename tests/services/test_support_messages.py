"""Messages to the vendor and its answers: kept, mailed, each once, and nobody else's business."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import AuditEvent, Person, SupportMessage, SupportReply
from portal.parts import Parts
from portal.services.support_answers import (
    answer_message,
    close_message,
    reopen_message,
    staff_actor,
)
from portal.services.support_messages import reply_to_message
from portal.services.writing_limit import MOST_IN_AN_HOUR
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    KATRIN,
    LOTTE,
    LUMIERE,
    MUELLER,
    PIETER,
    account_named,
    actor_of,
)
from tests.support.support import HUGO, give_executive, mails_of, sent, staff

pytestmark = pytest.mark.usefixtures("app_context")


def reply(
    parts: Parts, number: int, words: str, *, account: str = ATELIER, email: str = LOTTE
) -> None:
    with transaction() as session:
        reply_to_message(
            session, account_named(session, account).id, number, words, catalogue=parts.catalogue,
            actor=actor_of(session, email), now=clock.now(),
        )  # fmt: skip


def answer(parts: Parts, number: int, words: str) -> None:
    with transaction() as session:
        answer_message(session, number, words, catalogue=parts.catalogue, actor=staff(session),
                       now=clock.now())  # fmt: skip


def count(session: Session, model: type) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_message_is_kept_and_mailed_with_the_author_to_answer(
    parts: Parts, books: Session
) -> None:
    number = sent(parts, "Our invoice", "What is it for?\n\nThank you")
    row = books.get_one(SupportMessage, number)
    assert (row.status, row.about, row.sent_at) == ("new", "Our invoice", NOW)
    [mail] = mails_of(books, "support_asked")
    assert mail.recipient == parts.catalogue.vendor.support.email
    assert mail.payload["author_email"] == LOTTE
    assert mail.payload["text"] == "What is it for?\n\nThank you"
    assert mail.payload["message_number"] == number
    assert mail.payload["kind"] == "message"


def test_the_account_executive_gets_it_too_in_the_own_language(
    parts: Parts, books: Session
) -> None:
    sent(parts, account=LUMIERE, email="camille.roussel@lumiere-conseil.example")
    recipients = {mail.recipient: mail.locale for mail in mails_of(books, "support_asked")}
    hugo = books.scalar(text(f"select locale from person where email = '{HUGO}'"))
    assert recipients == {"support@kanto.example": "fr", HUGO: hugo}


def test_an_executive_who_left_gets_nothing(parts: Parts, books: Session) -> None:
    with transaction() as session:
        give_executive(session, ATELIER)
        session.execute(text("update staff_member set active = false"))
    sent(parts)
    assert [mail.recipient for mail in mails_of(books, "support_asked")] == [
        "support@kanto.example"
    ]


def test_Q4_a_button_pressed_twice_sends_one_message(parts: Parts, books: Session) -> None:
    before = count(books, SupportMessage)
    first = sent(parts)
    assert sent(parts) == first
    assert sent(parts, email=PIETER) != first
    assert sent(parts, text="Another question") != first
    assert count(books, SupportMessage) == before + 3
    assert len(mails_of(books, "support_asked")) == 3
    clock.fix(NOW + timedelta(minutes=11))
    assert sent(parts) != first


def test_an_answer_stands_at_the_message_and_goes_to_its_author(
    parts: Parts, books: Session
) -> None:
    number = sent(parts)
    answer(parts, number, "  It is your renewal.\n")
    row = books.get_one(SupportMessage, number, populate_existing=True)
    assert row.status == "answered"
    [said] = books.scalars(select(SupportReply).where(SupportReply.message_id == number))
    assert (said.text, said.from_staff) == ("It is your renewal.", True)
    [mail] = mails_of(books, "support_answered")
    assert (mail.recipient, mail.payload["answered_by"]) == (LOTTE, "Hugo Peeters")
    actions = books.scalars(select(AuditEvent.action).where(AuditEvent.action.like("support%")))
    assert list(actions)[-2:] == ["support_asked", "support_answered"]


def test_going_on_with_a_message_makes_it_new_again(parts: Parts, books: Session) -> None:
    number = sent(parts)
    answer(parts, number, "It is your renewal.")
    reply(parts, number, "Which one?", email=PIETER)
    reply(parts, number, "Which one?", email=PIETER)
    row = books.get_one(SupportMessage, number, populate_existing=True)
    assert row.status == "new"
    assert [m.payload["kind"] for m in mails_of(books, "support_asked")] == ["message", "reply"]
    said = books.scalars(select(SupportReply.text).where(SupportReply.message_id == number))
    assert list(said) == ["It is your renewal.", "Which one?"]


def test_a_closed_message_can_be_gone_on_with(parts: Parts, books: Session) -> None:
    number = sent(parts)
    for _ in range(2):
        with transaction() as session:
            close_message(session, number, actor=staff(session), now=NOW)
    assert books.get_one(SupportMessage, number, populate_existing=True).status == "closed"
    closed = select(func.count()).where(AuditEvent.action == "support_closed")
    assert books.scalar(closed) == 1
    reply(parts, number, "One more thing")
    assert books.get_one(SupportMessage, number, populate_existing=True).status == "new"


@pytest.mark.parametrize("whose", ["another account's", "nobody's"])
def test_nobody_goes_on_with_what_is_not_theirs(parts: Parts, books: Session, whose: str) -> None:
    number = sent(parts, account=MUELLER, email=KATRIN) if whose != "nobody's" else 987_654_321
    with pytest.raises(DomainError, match="message_unknown"):
        reply(parts, number, "Let me in")
    assert len(mails_of(books, "support_asked")) == (whose != "nobody's")


def test_the_vendors_mailbox_is_not_filled_in_an_hour(parts: Parts, books: Session) -> None:
    first = sent(parts, "No 0")
    for at in range(1, MOST_IN_AN_HOUR - 1):
        sent(parts, f"No {at}")
    reply(parts, first, "And this")
    with pytest.raises(DomainError, match="too_many_messages"):
        sent(parts, "One too many")
    with pytest.raises(DomainError, match="too_many_messages"):
        reply(parts, first, "One too many")
    assert len(mails_of(books, "support_asked")) == MOST_IN_AN_HOUR
    sent(parts, account=MUELLER, email=KATRIN)  # others are not held back
    answer(parts, first, "We are on it.")  # nor is the vendor
    clock.fix(NOW + timedelta(hours=1, seconds=1))
    sent(parts, "An hour later")


def test_answers_need_words_a_message_and_staff(parts: Parts, books: Session) -> None:
    number = sent(parts)
    for words, wanted, code in (
        ("  \n", number, "answer_empty"),
        ("Yes", 987_654_321, "message_unknown"),
    ):
        with pytest.raises(DomainError, match=code):
            answer(parts, wanted, words)
    with pytest.raises(DomainError, match="staff_unknown"), transaction() as session:
        staff_actor(session, LOTTE)
    with transaction() as session:
        hugo = session.scalars(select(Person).where(Person.email == HUGO)).one()
        hugo.email = "hugo@müller.example"
        session.flush()
        assert staff_actor(session, "Hugo@xn--mller-kva.example ").person_id == hugo.id
    assert books.get_one(SupportMessage, number, populate_existing=True).status == "new"


def test_what_was_said_is_never_changed(parts: Parts, books: Session, app: Flask) -> None:
    number = sent(parts)
    answer(parts, number, "It is your renewal.")
    for statement in ("update support_reply set text = ''", "delete from support_reply"):
        with pytest.raises(DatabaseError, match="append-only"), transaction() as session:
            session.execute(text(statement))


def test_Q4_an_answer_that_is_sent_twice_is_one(parts: Parts, books: Session) -> None:
    number = sent(parts)
    for _ in range(2):
        answer(parts, number, "For May.")
    assert len(mails_of(books, "support_answered")) == 1
    clock.fix(NOW + timedelta(minutes=11))
    answer(parts, number, "For May.")
    assert len(mails_of(books, "support_answered")) == 2


def test_nobody_answers_or_closes_what_went_on_unseen(parts: Parts, books: Session) -> None:
    number = sent(parts)
    reply(parts, number, "And this one?")
    with transaction() as session:
        acts = {"catalogue": parts.catalogue, "actor": staff(session), "now": clock.now()}
        with pytest.raises(DomainError, match="message_went_on"):
            answer_message(session, number, "For May.", seen=0, **acts)
        del acts["catalogue"]
        with pytest.raises(DomainError, match="message_went_on"):
            close_message(session, number, seen=0, **acts)
        close_message(session, number, seen=1, **acts)
        for _ in range(2):
            reopen_message(session, number, **acts)
    assert books.get_one(SupportMessage, number, populate_existing=True).status == "new"
    actions = books.scalars(
        select(AuditEvent.action).where(AuditEvent.at >= NOW).order_by(AuditEvent.id)
    ).all()
    assert list(actions)[-2:] == ["support_closed", "support_reopened"]
