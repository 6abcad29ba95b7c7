"""Another billing period by request: what was asked after its sending, and confirmed before (C2, C3, S4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import PlannedChange, plan_period_change
from portal.domain.errors import DomainError
from portal.domain.periods import Interval
from portal.domain.requests import RequestKind
from portal.models import BillingPeriod, OutboxMessage
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.scheduling import undo_change
from tests.conftest import NOW
from tests.services.test_late_reductions import RENEWAL, at, renewed
from tests.support.buying import CAMILLE, LUMIERE, account_named, actor_of, plan_item, row_counts
from tests.support.cancelling import cancelled
from tests.support.changes import wait_for_fewer_seats, waiting
from tests.support.requests import asked_for, confirmed, request_of

pytestmark = pytest.mark.usefixtures("app_context")

SENT = RENEWAL - timedelta(days=15)  # the last day that is in time for it
YEAR_LATER, MONTH_LATER = date(2028, 2, 2), date(2027, 3, 2)


@pytest.fixture(autouse=True)
def _time() -> Iterator[None]:
    yield
    clock.fix(NOW)


@pytest.fixture
def number(parts: Parts) -> int:
    """Monthly billing was asked for in time, and is looked at two days later."""
    clock.fix(at(SENT))
    sent = asked_for(parts, RequestKind.PERIOD, target="month")
    clock.fix(at(SENT + timedelta(days=1)))
    return sent


def planned(parts: Parts, number: int) -> PlannedChange:
    """What the desk's page shows of the request."""
    with transaction() as session:
        request = request_of(session, number)
        states = list_subscription_states(session.connection(), request.account_id)
        state = next(s for s in states if s.item(request.item_id) is not None)
        book = get_price_book(session.connection(), "EUR")
        notice = parts.catalogue.policy.change_notice_days
        return plan_period_change(state, Interval.MONTH, book, request.sent_on, notice)


def test_C3_S4_an_end_that_was_confirmed_meanwhile_is_not_moved(
    parts: Parts, books: Session, number: int
) -> None:
    shown = planned(parts, number).key
    cancelled(parts, LUMIERE, CAMILLE, on=YEAR_LATER)
    clock.fix(at(SENT + timedelta(days=2)))
    before = row_counts(books)
    with pytest.raises(DomainError, match="subscription_ends") as refused:
        confirmed(parts, number, shown=shown)
    assert refused.value.data == {"on": YEAR_LATER - timedelta(days=1)}
    assert row_counts(books) == before
    assert [(c.kind, c.effective_on) for c in waiting(books, LUMIERE)] == [("cancel", YEAR_LATER)]
    mails = books.scalars(
        select(OutboxMessage).where(OutboxMessage.topic == "cancellation_confirmed")
    )
    assert {mail.payload["last_day"] for mail in mails} == {"2028-02-01"}
    renewed(parts)
    period = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == plan_item(books, LUMIERE).subscription_id,
            BillingPeriod.is_current,
        )
    ).one()
    assert period.ends_on == YEAR_LATER


def test_C2_S4_a_reduction_waits_for_the_renewal_that_its_own_day_leaves_it(
    parts: Parts, books: Session, number: int
) -> None:
    reduction = wait_for_fewer_seats(parts, LUMIERE, remove=2, email=CAMILLE)
    assert [c.effective_on for c in waiting(books, LUMIERE)] == [YEAR_LATER]
    shown = planned(parts, number)
    confirmed(parts, number, shown=shown.key)
    assert {c.kind: c.effective_on for c in waiting(books, LUMIERE)} == {
        "seats": MONTH_LATER, "period": RENEWAL,
    }  # fmt: skip
    period = next(c.id for c in waiting(books, LUMIERE) if c.kind == "period")
    with transaction() as session:
        undo_change(session, account_named(session, LUMIERE).id, period,
                    catalogue=parts.catalogue, actor=actor_of(session, CAMILLE), now=clock.now())  # fmt: skip
    [change] = waiting(books, LUMIERE)  # S5
    assert (change.id, change.effective_on) == (reduction, YEAR_LATER)


def test_Q4_what_moves_unseen_is_not_confirmed(parts: Parts, books: Session, number: int) -> None:
    shown = planned(parts, number).key
    wait_for_fewer_seats(parts, LUMIERE, remove=2, email=CAMILLE)
    before = row_counts(books)
    with pytest.raises(DomainError, match="change_differs"):
        confirmed(parts, number, shown=shown)
    assert row_counts(books) == before
