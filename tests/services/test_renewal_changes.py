"""What waited takes effect with the renewal, exactly as its preview showed it (C2, C3, S4, P1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import (
    PlannedChange,
    plan_add_on_removal,
    plan_cancellation,
    plan_period_change,
    plan_plan_change,
    plan_reduction,
)
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.renewals import NextPeriod, plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.jobs.renewals import run_renewals
from portal.models import (
    Account,
    Assignment,
    AuditEvent,
    BillingPeriod,
    DeskTask,
    Entitlement,
    Invoice,
    InvoiceLine,
    Member,
    OutboxMessage,
    Payment,
    PaymentMethod,
    Price,
    ScheduledChange,
    SeatEntry,
    Subscription,
    SubscriptionItem,
    Term,
)
from portal.parts import Parts
from portal.queries.prices import get_price_book
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import SYSTEM
from portal.services.scheduling import open_subscription, schedule_change
from tests.support.subscriptions import Customer, instant, make_customer

pytestmark = pytest.mark.usefixtures("app_context")

ZONE = "Europe/Brussels"
START, RENEWAL = date(2026, 10, 31), date(2026, 11, 30)  # clamped: there is no 31 November
NOTICE = 15
Plans = Callable[[SubscriptionState, PriceBook, date], PlannedChange]


def customer_of(start: date = START, anchor: int = 31, **given: Any) -> Customer:
    with transaction() as session:
        return make_customer(session, start=start, anchor_day=anchor, **given)


def ask(parts: Parts, customer: Customer, plan: Plans, on: date = START) -> int:
    """Something was asked on a day; the id of the change that waits."""
    now = instant(on, ZONE)
    with transaction() as session:
        opened = open_subscription(
            session, customer.account_id, customer.subscription_id, catalogue=parts.catalogue,
            now=now,
        )  # fmt: skip
        book = get_price_book(session.connection(), "EUR")
        planned = plan(opened.state, book, opened.today)
        return int(schedule_change(session, opened, planned, actor=SYSTEM, now=now).id)


def fewer(customer: Customer, number: int) -> Plans:
    return lambda state, _book, on: plan_reduction(state, customer.plan_item_id, number, on, NOTICE)


def other_plan(key: str) -> Plans:
    return lambda state, book, on: plan_plan_change(state, key, book, on, NOTICE)


def other_interval(interval: Interval) -> Plans:
    return lambda state, book, on: plan_period_change(state, interval, book, on, NOTICE)


def without_add_on(customer: Customer) -> Plans:
    return lambda state, _book, on: plan_add_on_removal(
        state, customer.add_on_item_id or 0, on, NOTICE
    )


def cancelled(state: SubscriptionState, _book: PriceBook, on: date) -> PlannedChange:
    return plan_cancellation(state, "other", on, NOTICE)


def run(parts: Parts, on: date) -> None:
    now = instant(on, ZONE)
    clock.fix(now)
    run_renewals(parts, {}, now)


def state_of(session: Session, customer: Customer) -> SubscriptionState:
    states = list_subscription_states(session.connection(), customer.account_id)
    return next(s for s in states if s.subscription_id == customer.subscription_id)


def preview(customer: Customer) -> NextPeriod:
    with transaction() as session:
        return plan_next_period(state_of(session, customer))


def invoices_of(books: Session, customer: Customer) -> list[Invoice]:
    query = select(Invoice).where(Invoice.subscription_id == customer.subscription_id)
    return list(books.scalars(query.order_by(Invoice.id)))


def starts_of(books: Session, customer: Customer) -> list[date]:
    query = select(BillingPeriod.starts_on).where(
        BillingPeriod.subscription_id == customer.subscription_id
    )
    return list(books.scalars(query.order_by(BillingPeriod.starts_on)))


def lines_of(books: Session, invoice: Invoice) -> list[tuple[int | None, int, int, int]]:
    rows = books.execute(
        select(
            InvoiceLine.item_id, InvoiceLine.quantity, InvoiceLine.unit_minor, InvoiceLine.net_minor
        )
        .where(InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    )
    return [tuple(row) for row in rows]


def test_C2_all_that_waits_together_takes_effect_as_it_was_shown(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(add_on_seats=3, seats=9)
    ask(parts, customer, fewer(customer, 2))
    ask(parts, customer, other_plan("start"))
    ask(parts, customer, other_interval(Interval.QUARTER))
    with transaction() as session:  # two seats were added meanwhile: the reduction stays (S3)
        session.get_one(SubscriptionItem, customer.plan_item_id).quantity += 2
    shown = preview(customer)
    assert shown.after.plan_item.quantity == 9
    run(parts, RENEWAL)

    with transaction() as session:
        assert replace(state_of(session, customer), overhang=0) == shown.after
    invoice = invoices_of(books, customer)[0]
    assert lines_of(books, invoice) == [
        (line.item_id, line.quantity, line.unit_price.minor, line.net.minor) for line in shown.lines
    ]
    # 9 Start seats at 33.00 a quarter, 3 of the add-on at 25.00
    assert invoice.net_minor == 9 * 3300 + 3 * 2500
    assert invoice.gross_minor == round(invoice.net_minor * 121 / 100)
    changes = books.scalars(
        select(ScheduledChange.status).where(
            ScheduledChange.subscription_id == customer.subscription_id
        )
    )
    assert set(changes) == {"applied"}
    entry = books.scalars(
        select(SeatEntry).where(
            SeatEntry.item_id == customer.plan_item_id, SeatEntry.reason == "reduction"
        )
    ).one()
    assert (entry.change, entry.quantity_after, entry.effective_on) == (-2, 9, RENEWAL)
    terms = books.execute(
        select(Term.number, Term.interval, Term.first_year, Term.first_month)
        .where(Term.subscription_id == customer.subscription_id)
        .order_by(Term.number)
    ).all()
    assert [tuple(term) for term in terms] == [(1, "month", 2026, 10), (2, "quarter", 2026, 11)]
    told = books.scalars(
        select(AuditEvent.action)
        .where(AuditEvent.account_id == customer.account_id, AuditEvent.actor_kind == "system",
               AuditEvent.at == instant(RENEWAL, ZONE))
        .order_by(AuditEvent.id)
    )  # fmt: skip
    assert list(told) == ["invoice_issued", "subscription_renewed", "period_changed",
                          "plan_changed", "seats_removed"]  # fmt: skip


def test_Q6_the_product_hears_of_what_changed_and_only_then(books: Session, parts: Parts) -> None:
    customer = customer_of()
    ask(parts, customer, fewer(customer, 1))
    run(parts, RENEWAL)
    run(parts, date(2026, 12, 31))
    rows = books.execute(
        select(Entitlement.version, Entitlement.grants).where(
            Entitlement.subscription_id == customer.subscription_id
        )
    ).all()
    assert [row.version for row in rows] == [1]
    assert rows[0].grants["items"][0]["seats"] == 5


@pytest.mark.parametrize(
    ("start", "anchor", "until", "expected"),
    [
        (date(2027, 1, 29), 29, date(2027, 4, 2), ["2027-01-29", "2027-02-28", "2027-03-29"]),
        (date(2027, 1, 30), 30, date(2027, 4, 2), ["2027-01-30", "2027-02-28", "2027-03-30"]),
        (
            date(2027, 1, 31), 31, date(2027, 5, 1),
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"],
        ),
    ],
)  # fmt: skip
def test_P1_the_anchor_day_is_kept_and_clamped(
    books: Session, parts: Parts, start: date, anchor: int, until: date, expected: list[str]
) -> None:
    customer = customer_of(start, anchor)
    run(parts, until)
    assert [day.isoformat() for day in starts_of(books, customer)] == expected


def test_P1_a_yearly_29_february_comes_back_to_it(books: Session, parts: Parts) -> None:
    customer = customer_of(date(2028, 2, 29), 29, interval=Interval.YEAR)
    run(parts, date(2032, 3, 1))
    assert [day.isoformat() for day in starts_of(books, customer)] == [
        "2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29",
    ]  # fmt: skip


def test_P1_monthly_on_the_31st_goes_yearly_in_february_and_lands_on_the_31st_again(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(date(2027, 1, 31), 31)
    ask(parts, customer, other_interval(Interval.YEAR), date(2027, 1, 31))
    run(parts, date(2027, 2, 28))
    ask(parts, customer, other_interval(Interval.MONTH), date(2027, 12, 1))
    run(parts, date(2028, 4, 1))
    assert [day.isoformat() for day in starts_of(books, customer)] == [
        "2027-01-31", "2027-02-28", "2028-02-29", "2028-03-31",
    ]  # fmt: skip


def test_P3_a_worker_that_was_down_for_forty_days_renews_twice_each_once(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(date(2026, 10, 30), 30)
    ask(parts, customer, fewer(customer, 2), date(2026, 11, 1))  # for 30 November
    for _ in range(3):
        run(parts, date(2027, 1, 9))  # forty days after 30 November, and past 30 December
    assert len(starts_of(books, customer)) == 3
    issued = invoices_of(books, customer)
    assert [lines_of(books, one)[0][1] for one in issued] == [4, 4]
    assert [one.status for one in issued] == ["open", "open"]


def test_S4_what_was_asked_too_late_waits_for_the_renewal_after(
    books: Session, parts: Parts
) -> None:
    customer = customer_of()
    ask(parts, customer, fewer(customer, 2), date(2026, 11, 16))  # 14 days before
    run(parts, RENEWAL)
    assert lines_of(books, invoices_of(books, customer)[0])[0][1] == 6
    run(parts, date(2026, 12, 31))
    assert lines_of(books, invoices_of(books, customer)[1])[0][1] == 4


def test_C3_a_cancellation_ends_the_subscription_and_its_licences_on_the_day(
    books: Session, parts: Parts
) -> None:
    customer = customer_of()
    ask(parts, customer, fewer(customer, 1))
    ask(parts, customer, cancelled)
    run(parts, RENEWAL - timedelta(days=1))
    assert books.get_one(Subscription, customer.subscription_id).status == "active"
    books.expire_all()
    run(parts, RENEWAL)
    subscription = books.get_one(Subscription, customer.subscription_id)
    assert (subscription.status, subscription.ended_on) == ("ended", RENEWAL)
    assert invoices_of(books, customer) == []
    assert not books.scalar(
        select(func.count()).where(
            BillingPeriod.subscription_id == customer.subscription_id, BillingPeriod.is_current
        )
    )
    freed = books.scalars(
        select(Assignment.freed_because).where(Assignment.item_id == customer.plan_item_id)
    )
    assert list(freed) == ["ended"] * 6
    members = books.scalars(select(Member.status).where(Member.account_id == customer.account_id))
    assert set(members) == {"active"}
    grants = books.scalars(
        select(Entitlement.grants).where(Entitlement.subscription_id == customer.subscription_id)
    ).one()
    assert grants["status"] == "ended"
    run(parts, date(2027, 2, 1))  # nothing comes after the end
    assert starts_of(books, customer) == [START]


def test_S4_a_removed_add_on_frees_its_licences_and_deactivates_nobody(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(add_on_seats=2)
    outsider = customer.members[-1]
    with transaction() as session:
        for member_id in customer.members[-2:]:
            session.add(Assignment(item_id=customer.add_on_item_id, member_id=member_id,
                                   assigned_at=instant(START, ZONE)))  # fmt: skip
        for held in session.scalars(select(Assignment).where(
            Assignment.item_id == customer.plan_item_id, Assignment.member_id == outsider
        )):  # fmt: skip
            held.freed_at, held.freed_because = instant(START, ZONE), "by hand"
    ask(parts, customer, without_add_on(customer))
    run(parts, RENEWAL)
    run(parts, RENEWAL + timedelta(days=2))
    item = books.get_one(SubscriptionItem, customer.add_on_item_id)
    assert (item.quantity, item.removed_at) == (0, instant(RENEWAL, ZONE))
    freed = books.scalars(select(Assignment.freed_because).where(Assignment.item_id == item.id))
    assert list(freed) == ["removal", "removal"]
    assert books.get_one(Member, outsider).status == "active"
    assert books.get_one(Subscription, customer.subscription_id).overhang == 0
    entry = books.scalars(
        select(SeatEntry).where(SeatEntry.item_id == item.id, SeatEntry.reason == "removal")
    ).one()
    assert (entry.change, entry.quantity_after) == (-2, 0)
    assert len(lines_of(books, invoices_of(books, customer)[0])) == 1


def test_I3_a_bank_transfer_customers_new_period_is_invoiced_ahead_and_entered_on_the_day(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(payment_terms="bank_transfer")
    ask(parts, customer, fewer(customer, 2))
    ask(parts, customer, other_interval(Interval.YEAR))
    ahead = RENEWAL - timedelta(days=NOTICE)
    run(parts, ahead - timedelta(days=1))
    assert invoices_of(books, customer) == []
    run(parts, ahead)
    run(parts, ahead + timedelta(days=3))
    invoice = invoices_of(books, customer)[0]
    assert (invoice.status, invoice.net_minor) == ("open", 4 * 28_500)
    assert invoice.due_on == invoice.issued_on + timedelta(days=30)
    assert not books.scalar(select(func.count()).where(Payment.invoice_id == invoice.id))
    item = books.get_one(SubscriptionItem, customer.plan_item_id)
    assert item.quantity == 6  # until the day
    books.expire_all()
    run(parts, RENEWAL)
    assert books.get_one(SubscriptionItem, customer.plan_item_id).quantity == 4
    assert len(invoices_of(books, customer)) == 1
    periods = books.execute(
        select(BillingPeriod.starts_on, BillingPeriod.ends_on, BillingPeriod.is_current,
               BillingPeriod.renewal_invoice_id, Term.number, BillingPeriod.number)
        .join(Term, Term.id == BillingPeriod.term_id)
        .where(BillingPeriod.subscription_id == customer.subscription_id)
        .order_by(BillingPeriod.starts_on)
    ).all()  # fmt: skip
    assert [tuple(row) for row in periods] == [
        (START, RENEWAL, False, None, 1, 1),
        (RENEWAL, date(2027, 11, 30), True, invoice.id, 2, 1),
    ]
    assert not books.scalar(select(func.count()).where(DeskTask.kind == "renewal_differs"))


def test_I3_where_the_renewal_is_not_what_was_invoiced_ahead_the_desk_is_told(
    books: Session, parts: Parts
) -> None:
    customer = customer_of(payment_terms="bank_transfer")
    change_id = ask(parts, customer, other_interval(Interval.YEAR))
    run(parts, RENEWAL - timedelta(days=NOTICE))
    with transaction() as session:  # not the service: it would invoice anew
        session.get_one(ScheduledChange, change_id).status = "undone"
    run(parts, RENEWAL)
    current = books.scalars(
        select(BillingPeriod).where(
            BillingPeriod.subscription_id == customer.subscription_id, BillingPeriod.is_current
        )
    ).one()
    assert (current.starts_on, current.ends_on, current.number) == (RENEWAL, date(2026, 12, 31), 2)
    task = books.scalars(select(DeskTask).where(DeskTask.kind == "renewal_differs")).one()
    assert task.details["invoice"] == invoices_of(books, customer)[0].number


def test_I3_the_invoice_is_mailed_once_to_each_recipient_and_says_whether_it_is_collected(
    books: Session, parts: Parts
) -> None:
    customer = customer_of()
    with transaction() as session:
        account = session.get_one(Account, customer.account_id)
        account.invoice_recipients = ["boeken@voorbeeld.example", account.billing_email]
        session.add(PaymentMethod(account_id=account.id, kind="card", gateway_ref="pm_test",
                                  brand="visa", last4="4242", is_default=True,
                                  added_at=instant(START, ZONE)))  # fmt: skip
    run(parts, RENEWAL)
    run(parts, RENEWAL)
    invoice = invoices_of(books, customer)[0]
    mails = books.scalars(
        select(OutboxMessage).where(
            OutboxMessage.topic == "renewal_invoice",
            OutboxMessage.account_id == customer.account_id,
        )
    ).all()
    assert [(mail.recipient, mail.locale) for mail in mails] == [
        ("facturen@voorbeeld.example", "nl"), ("boeken@voorbeeld.example", "nl"),
    ]  # fmt: skip
    assert mails[0].payload == {
        "account_name": customer.account_name, "invoice_id": invoice.id,
        "invoice_number": invoice.number, "currency": "EUR", "gross_minor": invoice.gross_minor,
        "due_on": invoice.issued_on.isoformat(), "will_be_collected": True,
        "reference": "",
    }  # fmt: skip
    assert mails[0].dedupe_key == f"renewal_invoice:{invoice.id}:facturen@voorbeeld.example"


def test_I1_a_renewal_of_nothing_is_not_invoiced(books: Session, parts: Parts) -> None:
    customer = customer_of()
    with transaction() as session:
        session.get_one(SubscriptionItem, customer.plan_item_id).quantity = 0
    run(parts, RENEWAL)
    assert starts_of(books, customer) == [START, RENEWAL]
    assert invoices_of(books, customer) == []


def test_I1_an_invoice_of_zero_is_issued_paid(books: Session, parts: Parts) -> None:
    customer = customer_of()
    with transaction() as session:
        item = session.get_one(SubscriptionItem, customer.plan_item_id)
        row = session.get_one(Price, item.price_id)
        free = Price(plan_id=row.plan_id, interval="month", currency="EUR", unit_minor=0,
                     created_at=row.created_at, retired_at=row.created_at)  # fmt: skip
        session.add(free)
        session.flush()
        item.price_id = free.id
    run(parts, RENEWAL)
    invoice = invoices_of(books, customer)[0]
    assert (invoice.status, invoice.gross_minor, invoice.paid_at) == (
        "paid", 0, instant(RENEWAL, ZONE),
    )  # fmt: skip
    assert not books.scalar(select(func.count()).where(Payment.invoice_id == invoice.id))
