"""What the database itself holds of periods: one of each start, one current (P2)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal.db import transaction
from portal.models import BillingPeriod
from tests.support.subscriptions import Customer, instant, make_customer

pytestmark = pytest.mark.usefixtures("app_context")

START = date(2026, 10, 30)


@pytest.fixture
def customer() -> Customer:
    with transaction() as session:
        return make_customer(session, start=START, anchor_day=30)


@pytest.mark.parametrize(("days", "is_current"), [(0, False), (31, True)])
def test_P2_the_database_itself_holds_one_period_a_start_and_one_current(
    customer: Customer, days: int, is_current: bool
) -> None:
    starts_on = START + timedelta(days=days)
    with transaction() as session:
        term_id = session.scalars(
            select(BillingPeriod.term_id).where(
                BillingPeriod.subscription_id == customer.subscription_id
            )
        ).one()
    second = BillingPeriod(
        subscription_id=customer.subscription_id,
        term_id=term_id,
        number=2,
        starts_on=starts_on,
        ends_on=starts_on + timedelta(days=30),
        is_current=is_current,
        opened_at=instant(START, "UTC"),
    )
    with pytest.raises(IntegrityError), transaction() as session:
        session.add(second)
