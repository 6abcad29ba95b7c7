"""Many clients of one wallet at once: what is there is used to the last credit, and no more (W1 to W3)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.wallet import TopUpDecision
from portal.extensions import db
from portal.models import CreditEntry, Wallet
from portal.parts import Parts
from portal.services.auto_top_up import start_top_up
from portal.services.wallet_debits import Debit
from portal.services.wallet_entries import credit
from tests.conftest import NOW, Database
from tests.support.buying import CARD, charges
from tests.support.ledger import the_books_agree
from tests.support.soak import count_of
from tests.support.wallets import (
    SMALL_GROSS,
    debit,
    fill,
    switch_on,
    top_ups_of,
    wallet_row,
    work_at,
)

pytestmark = [
    pytest.mark.soak, pytest.mark.timeout(0), pytest.mark.usefixtures("app_context"),
]  # fmt: skip
CLIENTS, DEBITS, BALANCE = 64, 10, 100


def all_at_once(app: Flask, works: Iterable[Callable[[], None]]) -> None:
    """Run the works at the same instant; whatever any of them raises fails the test."""
    listed = list(works)
    failed: list[BaseException] = []
    start = threading.Barrier(len(listed))

    def run(work: Callable[[], None]) -> None:
        with app.app_context():
            try:
                start.wait(60)
                work()
            except BaseException as error:
                failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in listed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []


def client_of(
    parts: Parts, account_id: int, name: str, answers: list[Debit], debits: int = DEBITS
) -> Callable[[], None]:
    """A client that books one text message after the other."""

    def work() -> None:
        for number in range(debits):
            answers.append(debit(parts, account_id, key=f"{name}:{number}"))

    return work


def test_W1_64_clients_of_10_debits_use_100_credits_to_the_last(
    app: Flask, parts: Parts, database: Database
) -> None:
    for round_ in range(count_of(2, 20)):
        db.session.remove()
        database.reset()
        account_id = fill(BALANCE)
        answers: list[Debit] = []
        all_at_once(
            app,
            (client_of(parts, account_id, f"{round_}:{n}", answers) for n in range(CLIENTS)),
        )
        assert Counter(answer.is_accepted for answer in answers) == {
            True: BALANCE, False: CLIENTS * DEBITS - BALANCE,
        }  # fmt: skip
        refused = [answer for answer in answers if not answer.is_accepted]
        assert {(answer.missing, answer.balance) for answer in refused} == {(1, 0)}
        with transaction() as session:
            assert wallet_row(session, account_id).balance == 0
            booked = (
                select(func.count())
                .select_from(CreditEntry)
                .join(Wallet, Wallet.id == CreditEntry.wallet_id)
                .where(Wallet.account_id == account_id, CreditEntry.reason == "usage",
                       CreditEntry.at == NOW)
            )  # fmt: skip
            assert session.scalar(booked) == BALANCE
        the_books_agree(parts)


def test_W2_one_key_used_by_all_of_them_is_booked_once(
    app: Flask, parts: Parts, books: Session
) -> None:
    account_id = fill(BALANCE)
    answers: list[Debit] = []
    all_at_once(app, (client_of(parts, account_id, "same", answers, 3) for _ in range(16)))
    assert wallet_row(books, account_id).balance == BALANCE - 3
    assert Counter(answer.is_repeat for answer in answers) == {False: 3, True: 45}
    assert len({answer.entry_id for answer in answers}) == 3
    the_books_agree(parts)


def test_W1_debits_and_credits_at_once_add_up(app: Flask, parts: Parts, books: Session) -> None:
    account_id = fill(BALANCE)
    answers: list[Debit] = []

    def bring() -> None:
        for _ in range(10):
            with transaction() as session:
                credit(session, account_id, 3, reason="manual", now=clock.now())

    clients = [client_of(parts, account_id, str(n), answers) for n in range(12)]
    all_at_once(app, [*clients, bring, bring])
    taken = sum(answer.credits for answer in answers if answer.is_accepted)
    assert wallet_row(books, account_id).balance == BALANCE + 60 - taken >= 0
    the_books_agree(parts)


def test_W3_top_ups_started_at_once_are_one(app: Flask, parts: Parts, books: Session) -> None:
    account_id = fill(10)
    switch_on(parts, card=CARD)
    decisions: list[TopUpDecision] = []

    def start() -> None:
        with transaction() as session:
            found = start_top_up(session, account_id, catalogue=parts.catalogue, now=clock.now())
        decisions.append(found)

    all_at_once(app, [start] * 12)
    assert Counter(decisions) == {TopUpDecision.CHARGE: 1, TopUpDecision.OPEN: 11}
    assert top_ups_of(books, account_id).statuses == ("open",)


def test_W3_the_cap_holds_whoever_asks_at_once(app: Flask, parts: Parts, books: Session) -> None:
    """Clients use up what comes in while several workers fill the wallet: two packs and no more."""
    account_id = fill(60)
    switch_on(parts, card=CARD, cap=3 * SMALL_GROSS - 1)
    answers: list[Debit] = []
    for round_ in range(count_of(4, 12)):
        clock.fix(NOW + timedelta(minutes=16 * round_))
        clients = [
            client_of(parts, account_id, f"{round_}:{n}", answers, 40) for n in range(8)
        ]  # fmt: skip
        all_at_once(app, [*clients, *[lambda: work_at(parts, clock.now())] * 3])
    answers.append(debit(parts, account_id, 10_000, key="beyond all of it"))
    work_at(parts, NOW + timedelta(hours=12))
    found = top_ups_of(books, account_id)
    assert found.statuses == ("done", "done")
    assert (found.charged, found.invoiced, found.credited) == (2 * SMALL_GROSS,) * 2 + (1_000,)
    mine = [one for one in charges(books) if one.data["amount_minor"] == SMALL_GROSS]
    assert len(mine) == 2
    taken = sum(answer.credits for answer in answers if answer.is_accepted)
    assert found.balance == 60 + 1_000 - taken >= 0
    the_books_agree(parts)
