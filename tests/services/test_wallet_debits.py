"""Usage takes credits out of the wallet: once a key, never below zero, refused with what is missing."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import AuditEvent, CreditEntry, Job, Wallet
from portal.parts import Parts
from portal.services.auto_top_up import start_top_up
from portal.services.wallet_debits import Debit, debit_wallet
from portal.services.wallet_entries import credit, wallet_of
from tests.conftest import NOW
from tests.support.buying import ATELIER, BRIGHTWATER, LOTTE, PIETER, account_named
from tests.support.ledger import the_books_agree
from tests.support.wallets import debit, fill, mails_of, switch_on, top_ups_in, wallet_row

pytestmark = pytest.mark.usefixtures("app_context")


def entries(session: Session, account_id: int) -> list[CreditEntry]:
    """The account's entries of today."""
    return list(session.scalars(
        select(CreditEntry)
        .join(Wallet, Wallet.id == CreditEntry.wallet_id)
        .where(Wallet.account_id == account_id, CreditEntry.at == NOW,
               CreditEntry.reason != "correction")
        .order_by(CreditEntry.id)
    ))  # fmt: skip


def top_up_jobs(session: Session, account_id: int) -> list[dict[str, int]]:
    """What the account's debits asked of the worker."""
    every = session.scalars(select(Job.payload).where(Job.kind == "auto_top_up"))
    return [dict(each) for each in every if each["account_id"] == account_id]


def test_W2_a_debit_is_booked_with_what_it_was_for(parts: Parts, books: Session) -> None:
    account_id = fill(100)
    with transaction() as session:
        done = debit_wallet(session, account_id, "letter", quantity=3, key="letters-1",
                            note="Invoices of October", catalogue=parts.catalogue, now=NOW)  # fmt: skip
    entry = entries(books, account_id)[0]
    assert done == Debit(12, 88, entry_id=entry.id)
    assert (entry.change, entry.balance_after, entry.reason) == (-12, 88, "usage")
    assert (entry.usage_kind, entry.idempotency_key) == ("letter", "letters-1")
    assert (entry.details, entry.note) == ({"quantity": 3}, "Invoices of October")
    assert wallet_row(books, account_id).balance == 88
    the_books_agree(parts)


def test_W2_the_same_key_is_booked_once_and_answered_as_then(parts: Parts, books: Session) -> None:
    account_id = fill(10)
    first = debit(parts, account_id, 4, key="k")
    debit(parts, account_id, 6, key="other")
    again = debit(parts, account_id, 4, key="k")  # the balance would not do for it any more
    assert (again.is_repeat, again.is_accepted, again.balance) == (True, True, first.balance)
    assert again.entry_id == first.entry_id
    assert len(entries(books, account_id)) == 2
    fill(50)
    assert debit(parts, account_id, 4, key="k").is_repeat  # nor where it would
    assert wallet_row(books, account_id).balance == 50


@pytest.mark.parametrize(("kind", "quantity"), [("sms", 5), ("letter", 1)])
def test_W2_a_key_that_stands_for_something_else_is_refused(
    parts: Parts, books: Session, kind: str, quantity: int
) -> None:
    account_id = fill(10)
    debit(parts, account_id, 4, key="k")
    for balance in (6, 0):
        fill(balance)
        with pytest.raises(DomainError, match="debit_key_reused"):
            debit(parts, account_id, quantity, key="k", kind=kind)
        assert wallet_row(books, account_id).balance == balance


def test_W2_two_accounts_may_use_the_same_key(parts: Parts) -> None:
    one, two = fill(10), fill(10, BRIGHTWATER)
    assert debit(parts, one, key="k").balance == debit(parts, two, key="k").balance == 9


def test_W1_a_debit_beyond_the_balance_says_what_is_missing_and_takes_nothing(
    parts: Parts, books: Session
) -> None:
    account_id = fill(7)
    refused = debit(parts, account_id, 5, key="k", kind="data-lookup")
    assert (refused.is_accepted, refused.missing, refused.balance) == (False, 3, 7)
    assert entries(books, account_id) == []
    fill(10)
    assert debit(parts, account_id, 5, key="k", kind="data-lookup").balance == 0  # the same key


def test_W1_the_last_credit_can_be_used(parts: Parts, books: Session) -> None:
    account_id = fill(1)
    assert debit(parts, account_id, key="a").balance == 0
    assert debit(parts, account_id, key="b").missing == 1


def test_W1_the_database_itself_refuses_a_balance_below_zero(books: Session) -> None:
    account_id = fill(1)
    with pytest.raises(DBAPIError):
        books.execute(text(f"UPDATE wallet SET balance = -1 WHERE account_id = {account_id}"))
    with pytest.raises(DBAPIError):
        books.execute(text("UPDATE credit_entry SET change = 1"))  # append-only


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usage_kind": "fax"}, "usage_unknown"),
        ({"quantity": 0}, "debit_amount"),
        ({"quantity": -3}, "debit_amount"),
        ({"quantity": 10**9}, "debit_amount"),
        ({"key": ""}, "debit_key"),
        ({"key": "k" * 121}, "debit_key"),
        ({"account_id": 987654}, "account_unknown"),
    ],
)
def test_a_debit_that_makes_no_sense_is_refused(
    parts: Parts, books: Session, changes: dict[str, object], code: str
) -> None:
    given = {"account_id": fill(100), "usage_kind": "sms", "quantity": 1, "key": "k", **changes}
    with pytest.raises(DomainError, match=code), transaction() as session:
        debit_wallet(session, catalogue=parts.catalogue, now=NOW, **given)  # type: ignore[arg-type]
    assert books.scalar(select(func.count()).where(CreditEntry.idempotency_key == "k")) == 0


def test_an_account_that_never_had_credits_has_none(parts: Parts, books: Session) -> None:
    account_id = account_named(books, BRIGHTWATER).id
    books.execute(delete(Wallet).where(Wallet.account_id == account_id))
    assert debit(parts, account_id, 2, key="k").missing == 2
    with transaction() as session:
        credit(session, account_id, 5, reason="manual", now=NOW)
    assert debit(parts, account_id, 2, key="k").balance == 3


def test_W2_credits_of_a_top_up_or_an_orders_line_arrive_once(parts: Parts, books: Session) -> None:
    """The settlement may run twice; the second finds the entry of the first."""
    account_id = fill(0)
    switch_on(parts)
    with transaction() as session:
        start_top_up(session, account_id, catalogue=parts.catalogue, now=NOW)
        (top_up,) = top_ups_in(session, account_id)
        first = credit(session, account_id, 500, reason="top_up", top_up_id=top_up.id, now=NOW)
        again = credit(session, account_id, 500, reason="top_up", top_up_id=top_up.id, now=NOW)
        assert (again.id, wallet_of(session, account_id).balance) == (first.id, 500)
        session.rollback()
    with pytest.raises(ValueError, match="above zero"), transaction() as session:
        credit(session, account_id, 0, reason="manual", now=NOW)


def test_a_low_balance_is_told_once_until_credits_arrive(parts: Parts, books: Session) -> None:
    account_id = fill(101)
    debit(parts, account_id, 1, key="a")  # 100: not low yet
    assert mails_of(books, "low_balance") == []
    debit(parts, account_id, 1, key="b")
    debit(parts, account_id, 1, key="c")
    told = mails_of(books, "low_balance")
    assert {(LOTTE, "en"), (PIETER, "nl")} <= {(address, locale) for address, locale, _ in told}
    assert len({address.casefold() for address, _, _ in told}) == len(told)
    assert {(payload["balance"], payload["why"]) for _, _, payload in told} == {(99, "used")}
    with transaction() as session:
        credit(session, account_id, 50, reason="manual", now=clock.now())
    debit(parts, account_id, 60, key="d")
    assert len(mails_of(books, "low_balance")) == 2 * len(told)


def test_W3_a_refused_use_is_told_once_until_credits_arrive(parts: Parts, books: Session) -> None:
    account_id = fill(150)
    for key in ("a", "b"):
        assert not debit(parts, account_id, 200, key=key).is_accepted
    told = mails_of(books, "low_balance")
    assert {address for address, _, _ in told} >= {LOTTE, PIETER}
    assert len({address.casefold() for address, _, _ in told}) == len(told)
    assert {(p["balance"], p["why"], p["refused"]) for _, _, p in told} == {(150, "refused", 200)}
    with transaction() as session:
        credit(session, account_id, 10, reason="manual", now=clock.now())
    debit(parts, account_id, 200, key="c")
    assert len(mails_of(books, "low_balance")) == 2 * len(told)


def test_W3_a_refused_use_is_not_told_where_the_top_up_helps(parts: Parts, books: Session) -> None:
    account_id = fill(150)
    switch_on(parts, threshold=100)
    debit(parts, account_id, 200, key="a")
    assert mails_of(books, "low_balance") == []


def test_a_low_balance_is_not_told_where_the_top_up_fills_it(parts: Parts, books: Session) -> None:
    account_id = fill(120)
    switch_on(parts, threshold=100)
    debit(parts, account_id, 30, key="a")
    assert mails_of(books, "low_balance") == []


def test_W3_debits_ask_for_one_top_up_however_many_they_are(parts: Parts, books: Session) -> None:
    account_id = fill(50)
    switch_on(parts, threshold=50)
    for number in range(5):
        debit(parts, account_id, key=f"k{number}")
    debit(parts, account_id, 100, key="too much")
    asked = top_up_jobs(books, account_id)
    assert asked == [{"account_id": account_id, "needed": 0}]


def test_W3_a_refused_debit_asks_for_a_top_up(parts: Parts, books: Session) -> None:
    account_id = fill(60)
    switch_on(parts, threshold=50)
    assert debit(parts, account_id, 100, key="k").missing == 40
    asked = top_up_jobs(books, account_id)
    assert asked == [{"account_id": account_id, "needed": 100}]


def test_usage_writes_no_audit_event_of_its_own(parts: Parts, books: Session) -> None:
    """The entry says it all, and there are a million of them."""
    account_id = fill(10)
    before = books.scalar(select(func.count(AuditEvent.id)))
    debit(parts, account_id, key="k")
    assert books.scalar(select(func.count(AuditEvent.id))) == before
    assert account_named(books, ATELIER).id == account_id
