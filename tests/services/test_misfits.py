"""What was priced for something else than there is by now: refused before it is paid, told after (C1)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.errors import DomainError
from portal.domain.offers import Offered
from portal.domain.wishes import Seats, Switch
from portal.jobs.renewals import run_renewals
from portal.models import DeskTask, Order
from portal.parts import Parts
from tests.support.buying import ATELIER, LUMIERE, placed, plan_item, ready
from tests.support.changes import wait_for_fewer_seats
from tests.support.offers import accepted, offered, pay_transfer
from tests.support.purchases import quoted_wishes, state_of_product

pytestmark = pytest.mark.usefixtures("app_context")
SIGN = "sign"


def on(parts: Parts, day: date) -> None:
    """The worker ran on this day."""
    clock.fix(datetime(day.year, day.month, day.day, 9, tzinfo=UTC))
    run_renewals(parts, {}, clock.now())


def tasks(books: Session) -> list[str]:
    """The orders that were granted for something else than they were priced for."""
    rows = books.scalars(select(DeskTask).where(DeskTask.kind == "granted_otherwise"))
    return [row.details["order"] for row in rows]


def plan_and_seats(books: Session) -> tuple[str | None, int]:
    books.expire_all()
    item = state_of_product(books, LUMIERE, SIGN).plan_item
    return item.plan_key, item.quantity


def three_more_and_an_upgrade(books: Session) -> tuple[Offered, Offered]:
    """What a bank-transfer customer is offered in two quotes, one after the other."""
    item = plan_item(books, LUMIERE, SIGN)
    return Offered(Seats(item.id, item.quantity + 3)), Offered(Switch(item.id, "professional"))


def test_C1_an_upgrade_that_was_priced_for_more_licences_is_not_ordered(
    parts: Parts, books: Session
) -> None:
    """Two of twelve licences went at the renewal after the quote."""
    wait_for_fewer_seats(parts, ATELIER, remove=2)
    renewal = state_of_product(books, ATELIER).changes[0].effective_on
    on(parts, date(2026, 11, 25))
    quote = quoted_wishes(parts, Switch(plan_item(books, ATELIER).id, "enterprise"))
    on(parts, renewal)
    ready(parts, quote)
    with pytest.raises(DomainError, match="item_changed"):
        placed(parts, quote)


def test_C1_an_upgrade_that_was_priced_for_fewer_licences_is_not_accepted(
    parts: Parts, books: Session
) -> None:
    more, upgrade = three_more_and_an_upgrade(books)
    first = accepted(parts, offered(parts, [more]))
    second = offered(parts, [upgrade])
    pay_transfer(parts, first)
    with pytest.raises(DomainError, match="item_changed"):
        accepted(parts, second, shown="any")
    assert not tasks(books)


@pytest.mark.parametrize("upgrade_first", [True, False])
def test_Q3_what_was_invoiced_before_the_other_was_paid_is_given_and_told(
    parts: Parts, books: Session, upgrade_first: bool
) -> None:
    """Both are invoiced for what there was; the second to be paid finds something else."""
    more, upgrade = three_more_and_an_upgrade(books)
    _plan, before = plan_and_seats(books)
    orders = [accepted(parts, offered(parts, [one])) for one in (more, upgrade)]
    paid = orders[::-1] if upgrade_first else orders
    assert pay_transfer(parts, paid[0])
    assert not tasks(books)
    assert pay_transfer(parts, paid[1])
    assert plan_and_seats(books) == ("professional", before + 3)
    with transaction() as session:
        assert tasks(books) == [session.get_one(Order, paid[1]).number]
