"""Credits given by hand: a reason always, a second person above the limit, booked once (W1, M7)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.models import CreditEntry, CreditGrant, DeskTask, Wallet
from portal.parts import Parts
from portal.services.audit import Actor
from portal.services.credit_grants import answer_grant, give_credits, withdraw_grant
from tests.conftest import NOW
from tests.support.buying import ATELIER, account_named
from tests.support.ledger import the_books_agree
from tests.support.transfers import HUGO, OPERATOR, staff

pytestmark = pytest.mark.usefixtures("app_context")


class Desk:
    """One account, one who asks, another who answers."""

    def __init__(self, parts: Parts, books: Session) -> None:
        self.parts, self.books = parts, books
        self.account_id = account_named(books, ATELIER).id
        self.asks, self.answers = staff(OPERATOR), staff(HUGO)
        self.limit = parts.catalogue.policy.manual_credit_approval_limit

    def last(self) -> int:
        query = select(CreditGrant.id).order_by(CreditGrant.id.desc())
        return self.books.scalars(query).first() or 0

    def give(
        self, amount: int, reason: str = "A mistake of ours", last: int | None = None
    ) -> CreditGrant:
        shown = self.last() if last is None else last
        with transaction() as session:
            return give_credits(session, self.account_id, amount, reason, last=shown,
                                catalogue=self.parts.catalogue, actor=self.asks, now=NOW)  # fmt: skip

    def answer(
        self, grant: CreditGrant, by: Actor, *, approve: bool = True, why: str = ""
    ) -> CreditGrant:
        with transaction() as session:
            return answer_grant(session, self.account_id, grant.id, approve=approve, answer=why,
                                actor=by, now=NOW)  # fmt: skip

    def balance(self) -> int:
        self.books.expire_all()
        query = select(Wallet.balance).where(Wallet.account_id == self.account_id)
        return self.books.scalar(query) or 0

    def tasks(self) -> list[bool]:
        self.books.expire_all()
        query = select(DeskTask).where(DeskTask.kind == "credits_to_approve").order_by(DeskTask.id)
        return [task.done_at is not None for task in self.books.scalars(query)]


@pytest.fixture
def desk(parts: Parts, books: Session) -> Desk:
    return Desk(parts, books)


def test_up_to_the_limit_one_person_gives_them_with_a_reason(desk: Desk) -> None:
    before = desk.balance()
    grant = desk.give(desk.limit)
    assert grant.status == "approved"
    assert grant.decided_by_id is None
    assert desk.balance() == before + desk.limit
    entry = desk.books.get_one(CreditEntry, grant.entry_id)
    assert (entry.reason, entry.note, entry.actor_id) == (
        "manual", "A mistake of ours", desk.asks.person_id)  # fmt: skip
    with pytest.raises(DomainError, match="grant_reason_missing"):
        desk.give(1, "  ")
    the_books_agree(desk.parts)


def test_above_it_a_second_person_approves(desk: Desk) -> None:
    before = desk.balance()
    grant = desk.give(desk.limit + 1)
    assert grant.status == "waiting"
    assert desk.balance() == before
    assert desk.tasks() == [False]
    with pytest.raises(DomainError, match="grant_second_person"):
        desk.answer(grant, desk.asks)
    assert desk.answer(grant, desk.answers).status == "approved"
    assert desk.balance() == before + desk.limit + 1
    assert desk.tasks() == [True]
    with pytest.raises(DomainError, match="grant_decided"):
        desk.answer(grant, desk.answers)
    assert desk.balance() == before + desk.limit + 1
    the_books_agree(desk.parts)


def test_the_limit_is_not_got_round_in_parts(desk: Desk) -> None:
    assert desk.give(desk.limit - 1).status == "approved"
    assert desk.give(2).status == "waiting"
    assert desk.give(1).status == "approved"


def test_a_second_click_gives_nothing(desk: Desk) -> None:
    shown = desk.last()
    desk.give(10, last=shown)
    before = desk.balance()
    with pytest.raises(DomainError, match="grant_changed"):
        desk.give(10, last=shown)
    assert desk.balance() == before


def test_declined_with_a_reason_or_taken_back_by_who_asked(desk: Desk) -> None:
    before, grant = desk.balance(), desk.give(desk.limit + 1)
    with pytest.raises(DomainError, match="grant_reason_missing"):
        desk.answer(grant, desk.answers, approve=False)
    assert desk.answer(grant, desk.answers, approve=False, why="No").status == "declined"
    other = desk.give(desk.limit + 1)
    with pytest.raises(DomainError, match="grant_not_yours"), transaction() as session:
        withdraw_grant(session, desk.account_id, other.id, actor=desk.answers, now=NOW)
    with transaction() as session:
        withdraw_grant(session, desk.account_id, other.id, actor=desk.asks, now=NOW)
    assert desk.balance() == before
    assert desk.tasks() == [True, True]
    the_books_agree(desk.parts)


def test_a_grant_of_another_account_is_unknown(desk: Desk) -> None:
    grant = desk.give(desk.limit + 1)
    with pytest.raises(DomainError, match="grant_unknown"), transaction() as session:
        answer_grant(session, desk.account_id + 1, grant.id, approve=True, actor=desk.answers,
                     now=NOW)  # fmt: skip
