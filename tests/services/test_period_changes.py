"""Asking for another billing period: as shown, once, and only who may (C1, C4, S4)."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.changes import PlannedChange, plan_period_change
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.models import AuditEvent, Subscription
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.services.period_changes import ask_for_period
from portal.services.scheduling import open_subscription, undo_change
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    CAMILLE,
    GIULIA,
    LOTTE,
    LUMIERE,
    MUELLER,
    OFFICINE,
    account_named,
    actor_of,
    plan_item,
    row_counts,
)
from tests.support.changes import wait_for_fewer_seats, waiting

pytestmark = pytest.mark.usefixtures("app_context")


def shown(parts: Parts, interval: Interval, account: str = ATELIER, product: str = "crm") -> str:
    """What the page shows of the change today."""
    with transaction() as session:
        at = open_subscription(
            session, account_named(session, account).id,
            plan_item(session, account, product).subscription_id,
            catalogue=parts.catalogue, now=NOW,
        )  # fmt: skip
        book = get_price_book(session.connection(), at.account.currency)
        return plan_period_change(at.state, interval, book, at.today, 15).key


def ask(
    parts: Parts,
    interval: Interval,
    *,
    terms: str,
    account: str = ATELIER,
    email: str = LOTTE,
    product: str = "crm",
    subscription_id: int | None = None,
) -> PlannedChange:
    with transaction() as session:
        return ask_for_period(
            session,
            account_named(session, account).id,
            subscription_id or plan_item(session, account, product).subscription_id,
            interval,
            shown=terms,
            catalogue=parts.catalogue,
            actor=actor_of(session, email),
            now=NOW,
        )


def test_C4_the_change_waits_with_the_price_of_every_item_as_it_was_shown(
    parts: Parts, books: Session
) -> None:
    planned = ask(parts, Interval.YEAR, terms=shown(parts, Interval.YEAR))
    [change] = waiting(books, ATELIER)
    assert change.effective_on == planned.time.effective_on == planned.time.next_renewal
    assert change.target["interval"] == "year"
    pinned = {minor for _id, minor in change.target["prices"].values()}
    assert {9600, 28_500, 51_000} <= pinned
    assert planned.after.net("EUR").minor == 12 * 28_500 + 3 * 9600 + 51_000
    event = books.scalars(
        select(AuditEvent).where(AuditEvent.action == "period_change_asked")
    ).one()
    assert event.new == {"effective_on": "2026-11-30", "interval": "year"}


def test_Q4_asked_twice_it_waits_once(parts: Parts, books: Session) -> None:
    terms = shown(parts, Interval.YEAR)
    ask(parts, Interval.YEAR, terms=terms)
    before = row_counts(books)
    ask(parts, Interval.YEAR, terms=terms)
    assert row_counts(books) == before


def test_what_is_not_as_it_was_shown_is_not_asked(parts: Parts, books: Session) -> None:
    terms = shown(parts, Interval.YEAR)
    wait_for_fewer_seats(parts, ATELIER, remove=2)  # somebody else, meanwhile
    before = row_counts(books)
    for wrong in (terms, "", shown(parts, Interval.MONTH)):
        with pytest.raises(DomainError, match="change_differs"):
            ask(parts, Interval.YEAR, terms=wrong)
    assert row_counts(books) == before


def test_S5_undoing_it_leaves_what_waited_before(parts: Parts, books: Session) -> None:
    first = wait_for_fewer_seats(parts, ATELIER, remove=2)
    ask(parts, Interval.YEAR, terms=shown(parts, Interval.YEAR))
    assert len(waiting(books, ATELIER)) == 2
    change = next(c for c in waiting(books, ATELIER) if c.kind == "period")
    with transaction() as session:
        undo_change(session, account_named(session, ATELIER).id, change.id,
                    catalogue=parts.catalogue, actor=actor_of(session, LOTTE), now=NOW)  # fmt: skip
    assert [c.id for c in waiting(books, ATELIER)] == [first]


@pytest.mark.parametrize(
    ("account", "email", "product", "code"),
    [
        (LUMIERE, CAMILLE, "crm", "not_self_service"),
        (OFFICINE, GIULIA, "insights", "not_self_service"),
        (ATELIER, LOTTE, "crm", "interval_unchanged"),
    ],
)
def test_who_may_not_and_what_cannot_be_asked(
    parts: Parts, books: Session, account: str, email: str, product: str, code: str
) -> None:
    before = row_counts(books)
    interval = Interval.QUARTER if account == ATELIER else Interval.MONTH
    with pytest.raises(DomainError, match=code):
        ask(parts, interval, terms="", account=account, email=email, product=product)
    assert row_counts(books) == before


def test_a_suspended_subscription_and_another_accounts_are_refused(
    parts: Parts, books: Session
) -> None:
    foreign = plan_item(books, MUELLER).subscription_id
    with pytest.raises(DomainError, match="subscription_unknown"):
        ask(parts, Interval.YEAR, terms="", subscription_id=foreign)
    with transaction() as session:
        session.execute(
            update(Subscription)
            .where(Subscription.id == plan_item(session, ATELIER).subscription_id)
            .values(status="suspended")
        )
    with pytest.raises(DomainError, match="not_self_service"):
        ask(parts, Interval.YEAR, terms="")
