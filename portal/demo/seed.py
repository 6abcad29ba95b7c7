"""Filling an empty database with the demo's customers, everything relative to `now`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.demo.customers import CUSTOMERS
from portal.demo.extras import (
    ask_reduction,
    decline_last_quote,
    make_quote,
)
from portal.demo.history import SubscriptionHistory
from portal.demo.own_database import leave_mark
from portal.demo.people import STAFF
from portal.demo.plans import CustomerPlan, MemberPlan
from portal.demo.support import ask_executive, ask_for_help, write_to_vendor
from portal.demo.timeline import Event, Timeline
from portal.demo.wallets import WalletHistory
from portal.domain.catalogue import Catalogue
from portal.domain.periods import local_date
from portal.models import (
    Account,
    Job,
    Member,
    OutboxMessage,
    PaymentMethod,
    Person,
    StaffMember,
    Wallet,
)
from portal.payments.demo_gateway import seed_method
from portal.services.audit import Actor, record
from portal.services.catalogue_sync import sync_catalogue
from portal.services.desk_digest import FROM_HOUR, send_digests

__all__ = ["seed"]

_PAST = timedelta(days=1000)  # before everything that the demo's customers did


def seed(session: Session, catalogue: Catalogue, now: datetime) -> None:
    """Write the demo's six customers and their past into an empty database; does not commit.

    With it goes the mark by which the demo knows its own database again.
    """
    leave_mark(session, now - _PAST)
    sync_catalogue(session, catalogue, now - _PAST)
    timeline = Timeline(now)
    executive = _seed_staff(session, now)
    persons: dict[str, Person] = {}
    for customer in CUSTOMERS:
        _Customer(session, catalogue, customer, timeline, executive, persons).schedule()
    timeline.live()
    _send_this_mornings_digests(session, catalogue, now)
    _deliver_the_past(session, now)


def _seed_staff(session: Session, now: datetime) -> StaffMember:
    rows = []
    for staff in STAFF:
        person = Person(email=staff.email, name=staff.name, locale=staff.locale,
                        created_at=now - _PAST)  # fmt: skip
        session.add(person)
        session.flush()
        rows.append(
            StaffMember(person_id=person.id, role=staff.role, phone=staff.phone,
                        working_hours=dict(staff.hours))
        )  # fmt: skip
        session.add(rows[-1])
        session.flush()
    return rows[0]


def _send_this_mornings_digests(session: Session, catalogue: Catalogue, now: datetime) -> None:
    local = now.astimezone(ZoneInfo(catalogue.vendor.time_zone))
    morning = local.replace(hour=FROM_HOUR, minute=0, second=0, microsecond=0)
    if morning < local:
        send_digests(session, catalogue=catalogue, now=morning.astimezone(UTC))


def _deliver_the_past(session: Session, now: datetime) -> None:
    """What the past wrote was delivered and done then: the worker has nothing old to do."""
    session.flush()
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.created_at < now)
        .values(status="delivered", delivered_at=OutboxMessage.available_at, attempts=1)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Job)
        .where(Job.created_at < now)
        .values(status="done", finished_at=Job.run_at, attempts=1)
        .execution_options(synchronize_session=False)
    )


class _Customer:
    """One customer's account and people; its subscriptions have their own history."""

    def __init__(
        self,
        session: Session,
        catalogue: Catalogue,
        plan: CustomerPlan,
        timeline: Timeline,
        executive: StaffMember,
        persons: dict[str, Person],
    ) -> None:
        self.session = session
        self.catalogue = catalogue
        self.plan = plan
        self.timeline = timeline
        self.executive = executive
        self.persons = persons
        self.today = local_date(timeline.now, plan.time_zone)
        person = session.get_one(Person, executive.person_id)
        self.staff = Actor("staff", person.name, person.id)

    def schedule(self) -> None:
        """The account's row is there at once, so that everything else can point to it."""
        now, plan = self.timeline.now, self.plan
        since = now - timedelta(days=max(member.days_ago for member in plan.members), minutes=30)
        account = self._account(since)
        members = [self._member(account, member) for member in plan.members]
        self._method(account, since)
        self.timeline.at(since, self._told_account(account))
        for member, row in zip(plan.members, members, strict=True):
            self.timeline.at(row.added_at, self._told_member(account, member, row, members[0]))
            if row.deactivated_at is not None:
                self.timeline.at(row.deactivated_at, self._told_end(account, member, row))
        for subscription in plan.subscriptions:
            SubscriptionHistory(
                self.session, self.catalogue, plan, subscription, self.timeline
            ).schedule(account)
        self._schedule_extras(account)

    def _schedule_extras(self, account: Account) -> None:
        session, catalogue, plan = self.session, self.catalogue, self.plan
        session.add(Wallet(account_id=account.id, balance=0))
        session.flush()
        self._schedule_wallet(WalletHistory(session, catalogue, account))
        for quote in plan.quotes:
            made = make_quote(session, catalogue, account, quote, self.staff)
            self.timeline.ago(quote.days_ago, made, minutes=200)
            if quote.declined_days_ago is not None:
                declined = decline_last_quote(session, account, quote.decline_reason, self._admin)
                self.timeline.ago(quote.declined_days_ago, declined)

        for reduction in plan.reductions:
            asked = ask_reduction(session, catalogue, account, reduction, self._admin)
            self.timeline.ago(reduction.days_ago, asked)

        for message in plan.messages:
            wrote, answered = write_to_vendor(
                session, catalogue, account, message, self._admin, self.staff
            )
            self.timeline.ago(message.days_ago, wrote)
            self.timeline.ago(message.days_ago - 1, answered)
        for package in plan.packages:
            wanted, arranged = ask_for_help(
                session, catalogue, account, package, self._admin, self.staff
            )
            self.timeline.ago(package.days_ago, wanted)
            self.timeline.ago(package.days_ago - 2, arranged)
        for request in plan.requests:
            sent, seen_to = ask_executive(
                session, catalogue, account, request, self._admin, self.staff
            )
            self.timeline.ago(request.days_ago, sent)
            self.timeline.ago(request.days_ago - 1, seen_to)

    def _schedule_wallet(self, wallet: WalletHistory) -> None:
        """Later on each day than a renewal, so that nothing that is due is overtaken."""

        def on_day(days_ago: int, event: Event, hour: int) -> None:
            day = self.today - timedelta(days=days_ago)
            self.timeline.on(day, event, hour=hour, minute=20, time_zone=self.plan.time_zone)

        for top_up in self.plan.top_ups:
            on_day(top_up.days_ago, wallet.bought(top_up), 10)
        if self.plan.auto_top_up is not None:
            on_day(self.plan.auto_top_up.days_ago, wallet.switched_on(self.plan.auto_top_up), 11)
        for usage in self.plan.usages:
            on_day(usage.days_ago, wallet.used(usage), 12 + len(usage.kind) % 5)

    def _admin(self) -> Actor:
        person = self.persons[self.plan.members[0].email]
        return Actor("person", person.name, person.id)

    def _account(self, since: datetime) -> Account:
        plan = self.plan
        account = Account(
            name=plan.name,
            locale=plan.locale,
            time_zone=plan.time_zone,
            currency=plan.currency,
            payment_terms=plan.payment_terms,
            account_executive_id=self.executive.id if plan.has_executive else None,
            company_name=plan.name,
            address_line1=plan.address_line1,
            address_line2=plan.address_line2,
            postal_code=plan.postal_code,
            city=plan.city,
            country=plan.country,
            vat_number=plan.vat_number,
            vat_status=plan.vat_status,
            vat_checked_at=since if plan.vat_status == "valid" else None,
            billing_email=plan.billing_email,
            invoice_recipients=[],
            purchase_order=plan.purchase_order,
            created_at=since,
            external_ref=plan.key,
        )
        self.session.add(account)
        self.session.flush()
        return account

    def _member(self, account: Account, plan: MemberPlan) -> Member:
        added = self.timeline.now - timedelta(days=plan.days_ago)
        person = self.persons.get(plan.email)
        if person is None:
            person = Person(email=plan.email, name=plan.name, locale=plan.locale, created_at=added)
            self.session.add(person)
            self.session.flush()
            self.persons[plan.email] = person
        left = plan.status == "deactivated"
        first = self.persons[self.plan.members[0].email]
        member = Member(
            account_id=account.id,
            person_id=person.id,
            role=plan.role,
            status=plan.status,
            added_at=added,
            invited_by_id=first.id if person is not first else None,
            deactivated_at=max(added, self.timeline.now - timedelta(days=19)) if left else None,
        )
        self.session.add(member)
        self.session.flush()
        return member

    def _method(self, account: Account, since: datetime) -> None:
        plan = self.plan.method
        if plan is None:
            return
        year = self.today.year + plan.years if plan.years is not None else None
        customer, ref = seed_method(
            self.session, account.id, plan.kind, plan.brand, plan.last4, year, plan.month,
            now=since,
        )  # fmt: skip
        account.gateway_customer = customer
        card = plan.kind == "card"
        self.session.add(
            PaymentMethod(
                account_id=account.id,
                kind=plan.kind,
                gateway_ref=ref,
                brand=plan.brand,
                last4=plan.last4,
                expires_year=year,
                expires_month=plan.month,
                funding="credit" if card else "",
                mandate_ref="" if card else f"DEMO-{account.id}-{plan.last4}",
                is_default=True,
                added_at=since,
            )
        )
        self.session.flush()

    # --- what the activity page tells ----------------------------------------------------------

    def _told_account(self, account: Account) -> Event:
        def told(at: datetime) -> None:
            record(self.session, "account_created", actor=self.staff, now=at,
                   account_id=account.id, subject=account.name)  # fmt: skip
            method = self.plan.method
            if method is not None:
                record(self.session, "payment_method_added", actor=self._admin(), now=at,
                       account_id=account.id, subject=method.brand,
                       new={"kind": method.kind, "brand": method.brand, "last4": method.last4})  # fmt: skip

        return told

    def _told_member(self, account: Account, plan: MemberPlan, row: Member, first: Member) -> Event:
        def told(at: datetime) -> None:
            action = "member_invited" if plan.status == "invited" else "member_added"
            record(self.session, action, actor=self.staff if row is first else self._admin(),
                   now=at, account_id=account.id, subject=plan.name,
                   new={"email": plan.email, "role": plan.role})  # fmt: skip

        return told

    def _told_end(self, account: Account, plan: MemberPlan, row: Member) -> Event:
        def told(at: datetime) -> None:
            record(self.session, "member_deactivated", actor=self._admin(), now=at,
                   account_id=account.id, subject=plan.name,
                   old={"member_id": row.id, "status": "active"},
                   new={"member_id": row.id, "status": "deactivated"})  # fmt: skip

        return told
