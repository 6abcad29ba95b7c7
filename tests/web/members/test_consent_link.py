"""/consents/TOKEN: read without signing in, answered by a POST alone, calm when it is over (S7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.models import Consent, Member
from portal.services.consents import ask_to_deactivate, withdraw_request
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    LOTTE,
    PIETER,
    account_named,
    actor_of,
    row_counts,
)
from tests.support.client import PortalClient
from tests.support.members import deactivate_all_but, mails, member_id, token_in


@pytest.fixture
def asked(app: Flask) -> tuple[str, int]:
    """Lotte asked Pieter to agree to being deactivated: the link's path and the request's id."""
    with app.app_context(), transaction() as session:
        request = ask_to_deactivate(
            session, account_named(session, ATELIER).id, member_id(session, PIETER),
            address="http://localhost/consents", actor=actor_of(session, LOTTE), now=NOW,
        )  # fmt: skip
        return f"/consents/{token_in(mails(session, 'consent_request')[-1])}", request.id


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


def test_S7_the_page_shows_who_asks_and_the_exact_words_to_anybody_with_the_link(
    client: PortalClient, books: Session, asked: tuple[str, int]
) -> None:
    path, consent_id = asked
    before = row_counts(books)
    answer = client.get(path)
    assert row_counts(books) == before
    words = books.get_one(Consent, consent_id).words
    assert words in text(client)
    assert "Lotte Verbeke asks you, Pieter Claes" in text(client)
    assert client.page is not None
    assert [quote.get("lang") for quote in client.page.all("blockquote")] == ["nl"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_S7_looking_any_number_of_times_uses_nothing_up(
    client: PortalClient, books: Session, asked: tuple[str, int]
) -> None:
    for _ in range(3):
        client.get(asked[0])
        client.browser.head(asked[0])
    assert books.get_one(Consent, asked[1]).answered_at is None


@pytest.mark.parametrize(("answer", "stored", "status"), [("agree", "given", "deactivated"),
                                                          ("refuse", "refused", "active")])  # fmt: skip
def test_S7_the_answer_is_recorded_and_carried_out(
    client: PortalClient, books: Session, asked: tuple[str, int], answer: str, stored: str,
    status: str,
) -> None:  # fmt: skip
    path, consent_id = asked
    client.get(path)
    client.post(path, {"answer": answer}, status=200)
    assert ("You agreed" if answer == "agree" else "You refused") in text(client)
    row = books.get_one(Consent, consent_id)
    assert (row.answer, row.answered_at) == (stored, NOW)
    assert books.get_one(Member, row.member_id).status == status
    client.get(path, 410)
    assert "Nothing more is needed." in text(client)
    client.post(path, {"answer": "agree"}, status=410)
    assert books.get_one(Consent, consent_id).answer == stored


@pytest.mark.parametrize("answer", ["", "yes", "\0", "AGREE"])
def test_an_answer_that_is_none_asks_again(
    client: PortalClient, books: Session, asked: tuple[str, int], answer: str
) -> None:
    client.get(asked[0])
    client.post(asked[0], {"answer": answer}, status=422)
    assert "Do you agree?" in text(client)
    assert books.get_one(Consent, asked[1]).answered_at is None


def test_an_answer_needs_the_forms_token(
    client: PortalClient, books: Session, asked: tuple[str, int]
) -> None:
    client.post(asked[0], {"answer": "agree"}, status=403, csrf=False)
    assert books.get_one(Consent, asked[1]).answered_at is None


def test_S7_the_last_admin_reads_why_it_cannot_be(
    app: Flask, client: PortalClient, books: Session, asked: tuple[str, int]
) -> None:
    with app.app_context(), transaction() as session:
        deactivate_all_but(session, ATELIER, PIETER)
    client.get(asked[0])
    client.post(asked[0], {"answer": "agree"}, status=422)
    assert "This is the last active admin of the account." in text(client)
    assert books.get_one(Consent, asked[1]).answered_at is None


def test_a_link_that_is_over_says_so_calmly(
    app: Flask, client: PortalClient, asked: tuple[str, int]
) -> None:
    client.get("/consents/nobody-sent-this", 410)
    assert "There is no such request." in text(client)
    clock.fix(NOW + timedelta(days=30))
    client.get(asked[0], 410)
    assert "The request is too old." in text(client)
    clock.fix(NOW)
    with app.app_context(), transaction() as session:
        withdraw_request(session, account_named(session, ATELIER).id, member_id(session, PIETER),
                         asked[1], actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    client.get(asked[0], 410)
    assert "The request was withdrawn, or a newer one took its place." in text(client)
