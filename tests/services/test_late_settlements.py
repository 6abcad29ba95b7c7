"""A card order that settles after its period has ended: the renewal that is due comes first (P3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.worker import run_due
from portal.models import (
    BillingPeriod,
    DeskTask,
    Invoice,
    InvoiceLine,
    Order,
    Subscription,
)
from portal.parts import Parts
from portal.services.cancelling import cancel_subscription
from portal.services.renewals import renew_subscription
from tests.support.buying import (
    ATELIER,
    LOTTE,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    plan_item,
)

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")


def last_evening(books: Session) -> datetime:
    """Half past eleven on the last day of the CRM's period, in the account's time zone."""
    end = books.scalars(
        select(BillingPeriod.ends_on).where(
            BillingPeriod.subscription_id == plan_item(books, ATELIER).subscription_id,
            BillingPeriod.is_current,
        )
    ).one()
    midnight = datetime.combine(end, datetime.min.time(), tzinfo=UTC)
    return midnight - timedelta(hours=1, minutes=30)


def tasks(books: Session, order: Order) -> set[str]:
    rows = books.scalars(select(DeskTask).where(DeskTask.account_id == order.account_id))
    return {task.kind for task in rows if task.details.get("order") == order.number}


@pytest.mark.parametrize("worker", ["first", "later"])
def test_P3_C3_seats_for_what_ended_meanwhile_are_not_granted(
    books: Session, parts: Parts, worker: str
) -> None:
    """Whether the worker renewed before the money came makes no difference."""
    evening = last_evening(books)
    item = plan_item(books, ATELIER)
    account_id, key, seats = account_named(books, ATELIER).id, item.subscription_id, item.quantity
    with transaction() as own:
        cancel_subscription(
            own, account_id, key, shown_on=(evening + timedelta(days=1)).date(),
            catalogue=parts.catalogue, actor=actor_of(own, LOTTE), now=clock.now(),
        )  # fmt: skip
    clock.fix(evening)
    placed = order_ready_to_pay(parts, added=3)
    clock.fix(evening + timedelta(hours=1))
    if worker == "first":
        with transaction() as own:
            renew_subscription(own, account_id, key, catalogue=parts.catalogue, now=clock.now())
    assert collected(parts, placed.attempt_id)
    books.expire_all()
    order = books.get_one(Order, placed.order_id)
    assert (order.failure or {}).get("code") == "not_granted"
    assert "not_granted" in tasks(books, order)
    assert books.get_one(Subscription, key).status == "ended"
    run_due(parts, clock.now() + timedelta(minutes=5))
    books.expire_all()
    assert plan_item(books, ATELIER).quantity == seats


def test_P3_the_renewal_is_invoiced_without_the_seats_that_come_after_it(
    books: Session, parts: Parts
) -> None:
    evening = last_evening(books)
    item = plan_item(books, ATELIER)
    item_id, seats = item.id, item.quantity
    clock.fix(evening)
    placed = order_ready_to_pay(parts, added=3)
    clock.fix(evening + timedelta(hours=1))
    assert collected(parts, placed.attempt_id)
    books.expire_all()
    assert plan_item(books, ATELIER).quantity == seats + 3
    assert "granted_after_renewal" in tasks(books, books.get_one(Order, placed.order_id))

    def renewed() -> list[int]:
        return list(books.scalars(
            select(InvoiceLine.quantity)
            .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
            .where(Invoice.kind == "renewal", InvoiceLine.item_id == item_id,
                   InvoiceLine.period_starts_on == (evening + timedelta(days=1)).date())
        ))  # fmt: skip

    assert renewed() == [seats]  # invoiced in the transaction that granted, before the worker came
    run_due(parts, clock.now() + timedelta(minutes=5))
    books.expire_all()
    assert renewed() == [seats]
