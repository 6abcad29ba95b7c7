"""A customer with one running subscription, written as rows: any anchor, interval and time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.periods import Interval
from portal.domain.periods import Term as DatedTerm
from portal.models import (
    Account,
    AddOn,
    Assignment,
    BillingPeriod,
    Member,
    Person,
    Plan,
    Price,
    Product,
    SeatEntry,
    Subscription,
    SubscriptionItem,
    Term,
)

__all__ = ["Customer", "instant", "make_customer"]


@dataclass(frozen=True, slots=True)
class Customer:
    """Ids and names of what was made; `members` in the order in which they got their licences."""

    account_id: int
    account_name: str
    subscription_id: int
    plan_item_id: int
    add_on_item_id: int | None
    admin_email: str
    members: tuple[int, ...]


def instant(on: date, time_zone: str, at: time = time(12)) -> datetime:
    """A local wall-clock moment as an instant."""
    return datetime.combine(on, at, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def make_customer(
    session: Session,
    *,
    start: date,
    anchor_day: int,
    interval: Interval = Interval.MONTH,
    time_zone: str = "Europe/Brussels",
    seats: int = 6,
    add_on_seats: int = 0,
    admins: int = 2,
    members: int = 4,
    payment_terms: str = "automatic",
    name: str = "Voorbeeld BV",
) -> Customer:
    """A CRM Pro subscription whose first period begins on `start`; everybody holds a licence.

    With `add_on_seats`, customer appointments Beyond as well, which nobody holds.
    """
    at = instant(start, time_zone, time(8))
    account = Account(
        name=name, locale="nl", time_zone=time_zone, currency="EUR", payment_terms=payment_terms,
        company_name=name, address_line1="Kade 1", postal_code="8400", city="Oostende",
        country="BE", vat_number=None, vat_status="none", billing_email="facturen@voorbeeld.example",
        created_at=at,
    )  # fmt: skip
    session.add(account)
    session.flush()
    product = session.scalars(select(Product).where(Product.key == "crm")).one()
    term = DatedTerm.opening_at(start, interval, anchor_day)
    subscription = Subscription(account_id=account.id, product_id=product.id, status="active",
                                anchor_day=anchor_day, started_on=start, created_at=at)  # fmt: skip
    session.add(subscription)
    session.flush()
    term_row = Term(subscription_id=subscription.id, number=1, interval=interval.value,
                    first_year=term.first_year, first_month=term.first_month)  # fmt: skip
    session.add(term_row)
    session.flush()
    period = term.period(0)
    session.add(BillingPeriod(subscription_id=subscription.id, term_id=term_row.id, number=1,
                              starts_on=period.start, ends_on=period.end, is_current=True,
                              opened_at=at))  # fmt: skip
    plan = session.scalars(
        select(Plan).where(Plan.product_id == product.id, Plan.key == "pro")
    ).one()
    item = _item(session, subscription.id, plan, None, seats, interval, at, start)
    extra = None
    if add_on_seats:
        add_on = session.scalars(
            select(AddOn).where(AddOn.key == "appointments", AddOn.package_key == "beyond")
        ).one()
        extra = _item(session, subscription.id, None, add_on, add_on_seats, interval, at, start)
    people = []
    for place in range(admins + members):
        person = Person(email=f"p{place}@{account.id}.example", name=f"Person {place}",
                        locale="en", created_at=at)  # fmt: skip
        session.add(person)
        session.flush()
        member = Member(account_id=account.id, person_id=person.id, status="active", added_at=at,
                        role="admin" if place < admins else "member")  # fmt: skip
        session.add(member)
        session.flush()
        session.add(Assignment(item_id=item.id, member_id=member.id,
                               assigned_at=at + timedelta(minutes=place)))  # fmt: skip
        people.append(member.id)
    session.flush()
    return Customer(account.id, name, subscription.id, item.id, extra.id if extra else None,
                    f"p0@{account.id}.example", tuple(people))  # fmt: skip


def _item(
    session: Session,
    subscription_id: int,
    plan: Plan | None,
    add_on: AddOn | None,
    quantity: int,
    interval: Interval,
    at: datetime,
    on: date,
) -> SubscriptionItem:
    where = Price.plan_id == plan.id if plan else Price.add_on_id == (add_on.id if add_on else 0)
    price = session.scalars(
        select(Price).where(
            where,
            Price.interval == interval.value,
            Price.currency == "EUR",
            Price.retired_at.is_(None),
        )
    ).one()
    item = SubscriptionItem(
        subscription_id=subscription_id, kind="plan" if plan else "add_on",
        plan_id=plan.id if plan else None, add_on_id=add_on.id if add_on else None,
        per_seat=True, quantity=quantity, price_id=price.id, added_at=at,
    )  # fmt: skip
    session.add(item)
    session.flush()
    session.add(SeatEntry(item_id=item.id, at=at, effective_on=on, change=quantity,
                          quantity_after=quantity, reason="start"))  # fmt: skip
    session.flush()
    return item
