"""The surplus after a reduction: freed when the renewal's day is over, admins never unasked (S6, S7)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.changes import plan_reduction
from portal.jobs.renewals import run_renewals
from portal.models import (
    Account,
    Assignment,
    AuditEvent,
    Consent,
    DeskTask,
    Member,
    OutboxMessage,
    Subscription,
)
from portal.parts import Parts
from portal.queries.holders import list_subscription_held
from portal.services.audit import SYSTEM
from portal.services.renewals import renew_due_of_account
from portal.services.scheduling import open_subscription, schedule_change
from tests.support.subscriptions import Customer, instant, make_customer

pytestmark = pytest.mark.usefixtures("app_context")

START, RENEWAL = date(2026, 10, 30), date(2026, 11, 30)
FIRST, LAST = time(0, 1), time(23, 58)


def reduced(
    parts: Parts, fewer: int, *, free: tuple[int, ...] = (), **given: Any
) -> tuple[Customer, str]:
    """A customer whose reduction waits for the renewal, asked on the first day; its time zone."""
    zone = given.get("time_zone", "Europe/Brussels")
    now = instant(START, zone)
    with transaction() as session:
        customer = make_customer(session, start=START, anchor_day=30, **given)
    chosen = [customer.members[place] for place in free]
    with transaction() as session:
        opened = open_subscription(
            session, customer.account_id, customer.subscription_id, catalogue=parts.catalogue,
            now=now,
        )  # fmt: skip
        planned = plan_reduction(
            opened.state, customer.plan_item_id, fewer, opened.today, 15, chosen
        )
        schedule_change(session, opened, planned, actor=SYSTEM, now=now)
    return customer, zone


def run(parts: Parts, on: date, zone: str, at: time = time(12)) -> None:
    now = instant(on, zone, at)
    clock.fix(now)
    run_renewals(parts, {}, now)


def holders(books: Session, customer: Customer) -> list[int]:
    """Whose licence is not freed, as places in `customer.members`."""
    found = books.scalars(
        select(Assignment.member_id).where(
            Assignment.item_id == customer.plan_item_id, Assignment.freed_at.is_(None)
        )
    )
    return sorted(customer.members.index(one) for one in found)


def deactivated(books: Session, customer: Customer) -> list[int]:
    found = books.scalars(
        select(Member.id).where(
            Member.account_id == customer.account_id, Member.status == "deactivated"
        )
    )
    return sorted(customer.members.index(one) for one in found)


def overhang(books: Session, customer: Customer) -> int | None:
    return books.scalar(
        select(Subscription.overhang).where(Subscription.id == customer.subscription_id)
    )


@pytest.mark.parametrize(
    "zone",
    ["Pacific/Midway", "America/St_Johns", "Europe/Brussels", "Asia/Kolkata", "Pacific/Kiritimati"],
)
def test_S6_the_surplus_is_freed_when_the_renewal_day_is_over_and_not_before(
    books: Session, parts: Parts, zone: str
) -> None:
    customer, _ = reduced(parts, 3, time_zone=zone)
    run(parts, RENEWAL - timedelta(days=1), zone, LAST)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2, 3, 4, 5], 0)
    for at in (FIRST, LAST):
        run(parts, RENEWAL, zone, at)
        assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2, 3, 4, 5], 3)
        assert deactivated(books, customer) == []
    run(parts, RENEWAL + timedelta(days=1), zone, FIRST)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2], 0)
    assert deactivated(books, customer) == [3, 4, 5]  # last assigned first
    member = books.get_one(Member, customer.members[5])
    assert member.deactivated_at == instant(RENEWAL + timedelta(days=1), zone, FIRST)
    freed = books.scalars(
        select(Assignment.freed_because).where(Assignment.freed_at == member.deactivated_at)
    )
    assert list(freed) == ["reduction"] * 3
    told = books.scalars(
        select(AuditEvent.action)
        .where(AuditEvent.account_id == customer.account_id, AuditEvent.at == member.deactivated_at)
        .order_by(AuditEvent.id)
    )
    assert list(told) == ["licence_freed"] * 3 + ["member_deactivated"] * 3
    mails = books.scalars(
        select(OutboxMessage)
        .where(OutboxMessage.topic == "membership_changed")
        .order_by(OutboxMessage.id)
    ).all()
    assert sorted(mail.recipient for mail in mails) == [
        f"p{place}@{customer.account_id}.example" for place in (3, 4, 5)
    ]  # each hears of it, as from a colleague who does it by hand
    assert {(mail.payload["change"], mail.locale) for mail in mails} == {("deactivated", "en")}


def test_S6_whom_the_admins_chose_goes_first(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 2, free=(2,))
    run(parts, RENEWAL, zone)
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert holders(books, customer) == [0, 1, 3, 4]
    assert deactivated(books, customer) == [2, 5]


def test_S6_a_late_worker_frees_at_once(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 2)
    run(parts, RENEWAL + timedelta(days=45), zone)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2, 3], 0)


def test_S6_a_write_frees_what_is_late_as_well(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 2)
    with transaction() as session:
        account = session.get_one(Account, customer.account_id)
        seen = session.get_one(Subscription, customer.subscription_id)
        renew_due_of_account(session, account, catalogue=parts.catalogue,
                             now=instant(RENEWAL + timedelta(days=1), zone))  # fmt: skip
        assert seen.overhang == 0  # what the session knew is read anew
    assert holders(books, customer) == [0, 1, 2, 3]


def test_S6_who_has_another_licence_is_not_deactivated(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 1, add_on_seats=2)
    with transaction() as session:
        session.add(Assignment(item_id=customer.add_on_item_id, member_id=customer.members[5],
                               assigned_at=instant(START, zone)))  # fmt: skip
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert holders(books, customer) == [0, 1, 2, 3, 4]
    assert deactivated(books, customer) == []


def test_S6_nothing_is_freed_where_seats_stand_free(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 2, seats=8)
    run(parts, RENEWAL, zone)
    assert overhang(books, customer) == 0
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert len(holders(books, customer)) == 6


def test_S7_admins_without_consent_are_passed_over_and_the_overhang_is_recorded(
    books: Session, parts: Parts
) -> None:
    customer, zone = reduced(parts, 5, admins=4, members=2)
    for day in (1, 2, 3):
        run(parts, RENEWAL + timedelta(days=day), zone)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2, 3], 3)
    assert deactivated(books, customer) == [4, 5]
    tasks = books.scalars(select(DeskTask).where(DeskTask.kind == "overhang")).all()
    assert [task.details["licences"] for task in tasks] == [3]  # once

    with transaction() as session:  # two of them agree, a few days later
        for place in (2, 3):
            session.add(Consent(
                member_id=customer.members[place], subject="deactivation", token_hash=f"t{place}",
                words="Yes", locale="en", asked_at=clock.now(), answered_at=clock.now(),
                answer="given", details={"when": "renewal"},
            ))  # fmt: skip
    run(parts, RENEWAL + timedelta(days=4), zone)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1], 1)
    assert deactivated(books, customer) == [2, 3, 4, 5]


def test_S7_the_last_active_admin_stays_even_with_consent(books: Session, parts: Parts) -> None:
    customer, zone = reduced(parts, 1, seats=2, admins=1, members=1)
    with transaction() as session:
        session.add(Consent(
            member_id=customer.members[0], subject="deactivation", token_hash="t", words="Yes",
            locale="en", asked_at=clock.now(), answered_at=instant(RENEWAL, zone), answer="given",
            details={"when": "renewal"},
        ))  # fmt: skip
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert holders(books, customer) == [0]
    assert deactivated(books, customer) == [1]


def ask(customer: Customer, place: int, at: datetime) -> None:
    """A request for the consent of a member that nobody has answered yet."""
    with transaction() as session:
        session.add(Consent(
            member_id=customer.members[place], subject="deactivation", token_hash=f"open{place}",
            words="Yes", locale="en", asked_at=at, details={"when": "now"},
        ))  # fmt: skip


def invite(customer: Customer, *places: int) -> None:
    with transaction() as session:
        for place in places:
            session.get_one(Member, customer.members[place]).status = "invited"


def test_S7_an_invited_admin_has_no_rights_to_lose_and_is_not_passed_over(
    books: Session, parts: Parts
) -> None:
    customer, zone = reduced(parts, 1, admins=2, members=0, seats=2)
    invite(customer, 1)
    last, first = list_subscription_held(
        books.connection(), customer.account_id, customer.subscription_id
    )
    assert (first.held.is_admin, last.held.is_admin) == (True, False)
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert (holders(books, customer), overhang(books, customer)) == ([0], 0)


def test_S8_an_invited_member_without_a_licence_leaves_no_member_behind(
    books: Session, parts: Parts
) -> None:
    customer, zone = reduced(parts, 2)
    invite(customer, 5)
    gone = customer.members[5]
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert (holders(books, customer), overhang(books, customer)) == ([0, 1, 2, 3], 0)
    assert deactivated(books, customer) == [4]
    assert books.get(Member, gone) is None  # who never accepted may not even read
    told = books.scalars(
        select(AuditEvent.action)
        .where(AuditEvent.account_id == customer.account_id)
        .order_by(AuditEvent.id)
    ).all()
    assert told[-4:] == ["licence_freed", "licence_freed", "invitation_withdrawn",
                         "member_deactivated"]  # fmt: skip


def test_S7_a_request_that_a_renewal_has_overtaken_is_withdrawn(
    books: Session, parts: Parts
) -> None:
    customer, zone = reduced(parts, 1, admins=3, members=0, seats=3)
    asked_at = instant(START, zone)
    with transaction() as session:
        session.add(Consent(
            member_id=customer.members[2], subject="deactivation", token_hash="given", words="Yes",
            locale="en", asked_at=asked_at, answered_at=instant(RENEWAL, zone), answer="given",
            details={"when": "renewal"},
        ))  # fmt: skip
    ask(customer, 2, asked_at)
    ask(customer, 1, asked_at)
    run(parts, RENEWAL + timedelta(days=1), zone)
    assert deactivated(books, customer) == [2]
    answers = dict(books.execute(select(Consent.token_hash, Consent.answer)).all())
    assert answers == {"given": "given", "open2": "withdrawn", "open1": None}
