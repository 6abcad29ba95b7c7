"""The demo's customers hold together: ledgers, periods, assignments, documents, on any day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session
from stdnum import iban
from stdnum.eu import vat

from portal.demo import demo_catalogue_text
from portal.demo.customers import CUSTOMERS
from portal.demo.people import DEMO_PEOPLE
from portal.demo.seed import seed
from portal.demo.timeline import term_renewing_in
from portal.domain.catalogue_file import parse_catalogue
from portal.domain.money import Money
from portal.domain.periods import Interval, Period, local_date
from portal.domain.proration import prorate_seats
from portal.extensions import db
from portal.models import (
    Account,
    Assignment,
    AuditEvent,
    BillingPeriod,
    CreditEntry,
    Invoice,
    InvoiceLine,
    Job,
    Member,
    OutboxMessage,
    Person,
    Price,
    Product,
    Quote,
    SeatEntry,
    StaffMember,
    Subscription,
    SubscriptionItem,
    Wallet,
)
from tests.conftest import NOW

CATALOGUE = parse_catalogue(demo_catalogue_text())
DAYS = [
    datetime(2026, 10, 29, 9, 0, tzinfo=UTC),
    datetime(2027, 1, 1, 0, 30, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2030, 7, 31, 12, 0, tzinfo=UTC),
    datetime(2027, 12, 31, 22, 59, tzinfo=UTC),
]


def check_consistency(session: Session, now: datetime) -> None:
    for item in session.scalars(select(SubscriptionItem)):
        entries = session.scalars(
            select(SeatEntry).where(SeatEntry.item_id == item.id).order_by(SeatEntry.id)
        ).all()
        total = 0
        for entry in entries:
            total += entry.change
            assert entry.quantity_after == total
        assert total == item.quantity
        held = session.scalar(
            select(func.count()).where(Assignment.item_id == item.id, Assignment.freed_at.is_(None))
        )
        assert held <= (item.quantity if item.per_seat else 0)
    for subscription in session.scalars(select(Subscription)):
        account = session.get_one(Account, subscription.account_id)
        today = local_date(now, account.time_zone)
        periods = session.scalars(
            select(BillingPeriod)
            .where(BillingPeriod.subscription_id == subscription.id)
            .order_by(BillingPeriod.starts_on)
        ).all()
        assert [p.is_current for p in periods] == [False] * (len(periods) - 1) + [True] * bool(
            periods
        )
        for before, after in pairwise(periods):
            assert before.ends_on == after.starts_on
        if periods:
            assert periods[-1].starts_on <= today < periods[-1].ends_on
            assert all(p.renewal_invoice_id for p in periods)
        else:
            assert subscription.trial_ends_on is not None
            days = (subscription.trial_ends_on - today).days
            assert (subscription.status, days) in {("trial", 6), ("read_only", -4)}
            if subscription.status == "read_only":
                assert (today - subscription.read_only_from).days == 3
    invoices = session.scalars(select(Invoice).order_by(Invoice.id)).all()
    sequences: dict[int, int] = {}
    for invoice in invoices:
        nets = session.scalars(
            select(InvoiceLine.net_minor).where(InvoiceLine.invoice_id == invoice.id)
        ).all()
        assert sum(nets) == invoice.net_minor
        assert sum(group["tax_minor"] for group in invoice.tax["groups"]) == invoice.tax_minor
        assert invoice.net_minor + invoice.tax_minor == invoice.gross_minor == invoice.paid_minor
        assert invoice.issued_at <= now
        sequences[invoice.year] = sequences.get(invoice.year, 0) + 1
        assert invoice.sequence == sequences[invoice.year]
    assert [i.issued_at for i in invoices] == sorted(i.issued_at for i in invoices)
    for wallet in session.scalars(select(Wallet)):
        entered = session.scalar(
            select(func.coalesce(func.sum(CreditEntry.change), 0)).where(
                CreditEntry.wallet_id == wallet.id
            )
        )
        assert wallet.balance == entered >= 0
    events = session.scalars(select(AuditEvent.at).order_by(AuditEvent.id)).all()
    assert list(events) == sorted(events)
    assert max(events) <= now
    for account in session.scalars(select(Account)):
        first = session.scalar(
            select(func.min(Invoice.issued_at)).where(Invoice.account_id == account.id)
        )
        assert first is None or account.created_at <= first
    for member in session.scalars(select(Member)):
        assert member.added_at <= now


def test_demo_seed_is_consistent_on_both_databases(session: Session) -> None:
    check_consistency(session, NOW)


def test_nothing_old_is_left_for_the_worker(session: Session) -> None:
    assert not session.scalars(
        select(OutboxMessage.id).where(OutboxMessage.status == "waiting")
    ).all()
    assert not session.scalars(select(Job.id).where(Job.status == "waiting")).all()


@pytest.mark.parametrize("now", DAYS, ids=lambda day: day.isoformat())
def test_demo_seed_works_on_any_day(now: datetime) -> None:
    engine = create_engine("sqlite://")
    db.metadata.create_all(engine)
    with Session(engine, autoflush=False, expire_on_commit=False) as session:
        seed(session, CATALOGUE, now)
        session.commit()
        check_consistency(session, now)
        rows = session.execute(
            select(Account.external_ref, Product.key, BillingPeriod.ends_on)
            .select_from(BillingPeriod)
            .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
            .join(Product, Product.id == Subscription.product_id)
            .join(Account, Account.id == Subscription.account_id)
            .where(BillingPeriod.is_current)
        )
        left = {
            (ref, key): (end - local_date(now, "Europe/Brussels")).days for ref, key, end in rows
        }
        assert left["atelier-noordzee", "crm"] == 32
        assert left["mueller-soehne", "crm"] == 9
    engine.dispose()


def test_S2_three_seats_of_the_first_customer_cost_79_12(session: Session) -> None:
    """3 × 75.00 × 32/91: the sum that the issue and the screens show for 29 October 2026."""
    row = session.execute(
        select(SubscriptionItem, Price, BillingPeriod)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Account, Account.id == Subscription.account_id)
        .join(Price, Price.id == SubscriptionItem.price_id)
        .join(BillingPeriod, BillingPeriod.subscription_id == Subscription.id)
        .where(
            Account.external_ref == "atelier-noordzee",
            SubscriptionItem.kind == "plan",
            BillingPeriod.is_current,
        )
    ).one()
    item, price, period = row
    assert (period.starts_on, period.ends_on) == (date(2026, 8, 31), date(2026, 11, 30))
    line = prorate_seats(
        3, Money(price.unit_minor, price.currency), Period(period.starts_on, period.ends_on),
        date(2026, 10, 29),
    )  # fmt: skip
    assert (line.days_left, line.days, line.net) == (32, 91, Money(7912, "EUR"))
    assert item.quantity == 12
    held = session.scalar(
        select(func.count()).where(Assignment.item_id == item.id, Assignment.freed_at.is_(None))
    )
    assert held == 10


def test_demo_has_every_case_of_the_issue(session: Session) -> None:
    accounts = {a.external_ref: a for a in session.scalars(select(Account))}
    assert {(a.country, a.locale) for a in accounts.values()} == {
        ("BE", "nl"), ("DE", "de"), ("FR", "fr"), ("IT", "it"), ("GB", "en"), ("NL", "nl"),
    }  # fmt: skip
    assert len({a.time_zone for a in accounts.values()}) == 6
    assert accounts["lumiere-conseil"].payment_terms == "bank_transfer"
    assert accounts["lumiere-conseil"].account_executive_id is not None
    corporate = accounts["officine-valdarno"].id
    assert session.scalar(
        select(func.count()).where(
            Subscription.account_id == corporate, Subscription.status == "active"
        )
    ) == 5  # fmt: skip
    assert session.scalar(select(func.count()).where(Member.account_id == corporate)) > 60
    quote = session.scalars(
        select(Quote).where(Quote.account_id == corporate, Quote.status == "open")
    ).one()
    assert quote.valid_until > NOW.date()
    intervals = {i for c in CUSTOMERS for s in c.subscriptions if (i := s.interval)}
    assert intervals == {Interval.MONTH, Interval.QUARTER, Interval.YEAR}
    two = session.execute(
        select(Person.email)
        .join(Member, Member.person_id == Person.id)
        .group_by(Person.email)
        .having(func.count() > 1)
    ).all()
    assert [row[0] for row in two] == ["sofie.maes@boekhoud-maes.example"]


def test_the_people_to_sign_in_as_exist(session: Session, app: Flask) -> None:
    for person in DEMO_PEOPLE:
        row = session.scalars(select(Person).where(Person.email == person.email)).one()
        assert row.name == person.name
        staff = session.scalars(select(StaffMember).where(StaffMember.person_id == row.id)).first()
        if person.account:
            members = session.scalars(select(Member).where(Member.person_id == row.id)).all()
            assert {m.role for m in members} == {person.role}
        else:
            assert staff is not None
            assert staff.role == person.role
        with app.test_request_context():
            assert str(person.shows)


def test_made_up_numbers_pass_the_checks_and_addresses_are_examples() -> None:
    for customer in CUSTOMERS:
        if customer.country != "GB" and customer.vat_number is not None:
            assert vat.is_valid(customer.vat_number)
        for member in customer.members:
            assert member.email.endswith(".example")
    assert iban.is_valid(CATALOGUE.vendor.bank.iban, check_country=False)


@pytest.mark.parametrize("interval", list(Interval))
def test_P1_a_demo_term_renews_on_the_wanted_day_on_every_day_of_two_years(
    interval: Interval,
) -> None:
    for day in range(date(2027, 1, 1).toordinal(), date(2029, 1, 1).toordinal()):
        today = date.fromordinal(day)
        term = term_renewing_in(today, 32, interval, 3)
        ends = date.fromordinal(day + 32)
        if interval is Interval.MONTH:  # 32 days are more than a month: the period is to come
            assert term.start_of(3) == ends
        else:
            assert term.period(2).end == ends
            assert term.period(2).days_left(today) == 32
