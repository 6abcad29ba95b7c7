"""/desk/…/requests: another billing period, where something was asked after its sending (C2, C3, S4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.requests import RequestKind
from portal.parts import Parts
from tests.services.test_late_reductions import at
from tests.services.test_period_requests import MONTH_LATER, RENEWAL, SENT, YEAR_LATER
from tests.support.buying import CAMILLE, LUMIERE, row_counts, speak
from tests.support.cancelling import cancelled
from tests.support.changes import wait_for_fewer_seats, waiting
from tests.support.client import PortalClient
from tests.support.desk import HUGO, account_id
from tests.support.requests import asked_for


def text(client: PortalClient) -> str:
    assert client.page is not None
    return client.page.text()


@pytest.fixture
def path(app: Flask, parts: Parts) -> str:
    """Monthly billing was asked for in time; it is the day after."""
    with app.app_context():
        clock.fix(at(SENT))
        number = asked_for(parts, RequestKind.PERIOD, target="month")
        clock.fix(at(SENT + timedelta(days=1)))
        with transaction() as session:
            return f"/desk/accounts/{account_id(session, LUMIERE)}/requests/{number}"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "From 2 March 2027: 7 licences Kanto CRM Enterprise instead of 9"),
        ("en", "(until now planned for 2 February 2028)"),
        ("de", "(bisher für den 2. Februar 2028 vorgemerkt)"),
        ("fr", "(prévu jusqu’ici pour le 2 février 2028)"),
        ("it", "(finora previsto per il 2 febbraio 2028)"),
        ("nl", "(tot nu toe gepland voor 2 februari 2028)"),
    ],
)  # fmt: skip
def test_C2_what_moves_is_shown_with_both_days_before_it_is_confirmed(
    client: PortalClient, parts: Parts, books: Session, path: str, language: str, words: str
) -> None:
    speak(client, HUGO, language)
    client.sign_in(HUGO)
    client.get(path)
    assert words not in text(client)
    with client.app.app_context():
        wait_for_fewer_seats(parts, LUMIERE, remove=2, email=CAMILLE)
    client.get(path)
    assert words in text(client)
    assert client.page is not None
    client.follow(client.post(f"{path}/confirm", client.page.fields("confirm")))
    with client.app.app_context():
        assert {c.kind: c.effective_on for c in waiting(books, LUMIERE)} == {
            "seats": MONTH_LATER, "period": RENEWAL,
        }  # fmt: skip


def test_C3_a_cancelled_subscription_is_explained_to_who_cannot_undo_it(
    client: PortalClient, parts: Parts, books: Session, path: str
) -> None:
    speak(client, HUGO, "en")
    client.sign_in(HUGO)
    client.get(path)
    assert client.page is not None
    fields = client.page.fields("confirm")
    with client.app.app_context():
        cancelled(parts, LUMIERE, CAMILLE, on=YEAR_LATER)
    before = row_counts(books)
    client.post(f"{path}/confirm", fields, status=422)
    assert row_counts(books) == before
    for _ in range(2):
        assert (
            "The customer has cancelled this subscription; its last day is 1 February 2028. "
            "It can be changed again once they have undone the cancellation."
        ) in text(client)
        assert "Undo the cancellation first" not in text(client)
        assert "Confirm for" not in text(client)
        client.get(path)
