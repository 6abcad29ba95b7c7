"""Mails about a card that will have expired: a month and a week before the renewal, once (M3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.periods import Interval
from portal.extensions import db
from portal.jobs.reminders import remind_of_cards
from portal.mail.messages import read_message
from portal.mail.rendering import render_mail
from portal.models import (
    Account,
    Member,
    OutboxMessage,
    PaymentMethod,
    ScheduledChange,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.services.card_expiry_notices import due_reminder, remind_of_expiring_cards
from tests.support.buying import CARD, DEBIT, use_method
from tests.support.subscriptions import Customer, make_customer

pytestmark = pytest.mark.usefixtures("app_context")

RENEWAL = date(2027, 1, 5)
ZONES = ["Pacific/Niue", "Europe/Brussels", "Pacific/Kiritimati"]


def customer(name: str = "Zaak BV", zone: str = "Europe/Brussels", expires: tuple[int, int] = (2026, 12)) -> Customer:  # fmt: skip
    """A yearly subscription that renews on RENEWAL, and a card that is good through `expires`."""
    with transaction() as session:
        made = make_customer(
            session, start=date(2026, 1, 5), anchor_day=5, interval=Interval.YEAR, name=name,
            time_zone=zone,
        )  # fmt: skip
        method = session.get_one(PaymentMethod, use_method(session, name, CARD))
        method.expires_year, method.expires_month = expires
        return made


def at(day: date, zone: str = "Europe/Brussels", clock_time: time = time(9)) -> datetime:
    return datetime.combine(day, clock_time, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def mails(books: Session, made: Customer, topic: str = "card_expiring") -> list[tuple[str, str]]:
    books.expire_all()
    query = select(OutboxMessage).where(
        OutboxMessage.topic == topic, OutboxMessage.account_id == made.account_id
    )
    rows = books.scalars(query.order_by(OutboxMessage.id)).all()
    return [((row.dedupe_key or "").split(":")[3], row.recipient.split("@")[0]) for row in rows]


@pytest.mark.parametrize(
    ("days", "found"), [(31, None), (30, 30), (8, 30), (7, 7), (1, 7), (0, None), (-3, None)]
)
def test_M3_which_reminder_is_due(days: int, found: int | None) -> None:
    assert due_reminder(RENEWAL, RENEWAL - timedelta(days=days)) == found


@pytest.mark.parametrize("zone", ZONES)
def test_M3_a_month_and_a_week_before_on_the_local_day(
    parts: Parts, books: Session, zone: str
) -> None:
    made = customer(zone=zone)
    first, second = RENEWAL - timedelta(days=30), RENEWAL - timedelta(days=7)
    remind_of_cards(parts, {}, at(first - timedelta(days=1), zone, time(23, 59)))
    assert mails(books, made) == []
    for _ in range(3):
        remind_of_cards(parts, {}, at(first, zone, time(0, 1)))
    assert mails(books, made) == [("30", "p0"), ("30", "p1")]
    remind_of_cards(parts, {}, at(second, zone, time(0, 1)))
    remind_of_cards(parts, {}, at(RENEWAL, zone, time(0, 1)))
    assert mails(books, made)[2:] == [("7", "p0"), ("7", "p1")]


def test_M3_a_worker_that_was_down_sends_the_latest_alone(parts: Parts, books: Session) -> None:
    made = customer()
    remind_of_cards(parts, {}, at(RENEWAL - timedelta(days=2)))
    assert [stage for stage, _ in mails(books, made)] == ["7", "7"]


def test_M3_a_card_that_is_good_that_month_is_not_spoken_of(parts: Parts, books: Session) -> None:
    made = customer(expires=(2027, 1))
    remind_of_cards(parts, {}, at(RENEWAL - timedelta(days=5)))
    assert mails(books, made) == []


@pytest.mark.parametrize(
    "change", ["replaced", "debit", "transfer", "cancelled", "suspended", "free", "no_admin"]
)
def test_M3_nobody_is_told_where_the_card_is_not_charged(
    parts: Parts, books: Session, change: str
) -> None:
    made = customer()
    with transaction() as session:
        if change in {"replaced", "debit"}:
            use_method(
                session, made.account_name, DEBIT if change == "debit" else "5555555555554444"
            )
        elif change == "transfer":
            session.get_one(Account, made.account_id).payment_terms = "bank_transfer"
        elif change == "cancelled":
            session.add(
                ScheduledChange(
                    subscription_id=made.subscription_id, kind="cancel", target={},
                    effective_on=RENEWAL, status="waiting", asked_at=at(date(2026, 11, 1)),
                )
            )  # fmt: skip
        elif change == "suspended":
            session.get_one(Subscription, made.subscription_id).status = "suspended"
        elif change == "free":
            session.execute(
                update(SubscriptionItem)
                .where(SubscriptionItem.subscription_id == made.subscription_id)
                .values(price_id=None)
            )
        else:
            session.execute(
                update(Member)
                .where(Member.account_id == made.account_id)
                .values(role="billing_admin")
            )
    remind_of_cards(parts, {}, at(RENEWAL - timedelta(days=5)))
    assert mails(books, made) == []


@pytest.mark.parametrize("needed", [True, False])
def test_M3_a_method_that_is_missing_is_asked_for_before_the_renewal(
    parts: Parts, books: Session, needed: bool
) -> None:
    """It was removed while the subscription was cancelled, and the cancellation undone."""
    made = customer()
    with transaction() as session:
        session.execute(
            update(PaymentMethod)
            .where(PaymentMethod.account_id == made.account_id)
            .values(is_default=False, removed_at=at(date(2026, 11, 1)))
        )
        session.add(
            ScheduledChange(
                subscription_id=made.subscription_id, kind="cancel", target={},
                effective_on=RENEWAL, status="undone" if needed else "waiting",
                asked_at=at(date(2026, 11, 1)),
            )
        )  # fmt: skip
    for days in (30, 7, 7):
        remind_of_cards(parts, {}, at(RENEWAL - timedelta(days=days)))
    told = [("30", "p0"), ("30", "p1"), ("7", "p0"), ("7", "p1")] if needed else []
    assert mails(books, made, "payment_method_missing") == told
    assert mails(books, made) == []
    row = books.scalars(
        select(OutboxMessage).where(OutboxMessage.topic == "payment_method_missing")
    ).first()
    assert (row is not None) is needed
    if row is None:
        return
    message = read_message(row.topic, row.payload, "https://portal.example")
    mail = render_mail(
        message, recipient=row.recipient or "", locale="en", vendor=parts.catalogue.vendor,
        message_id="<1@x>",
    )  # fmt: skip
    assert mail.subject == "A payment method is needed for the renewal on 5 January 2027"
    assert "The next renewal of Zaak BV is on 5 January 2027" in mail.text
    assert "https://portal.example/billing/payment-method" in mail.text


def test_M3_the_mail_names_card_and_day(parts: Parts, books: Session) -> None:
    made = customer()
    remind_of_cards(parts, {}, at(RENEWAL - timedelta(days=5)))
    row = books.scalars(
        select(OutboxMessage).where(OutboxMessage.account_id == made.account_id)
    ).first()
    assert row is not None
    message = read_message(row.topic, row.payload, "https://portal.example")
    mail = render_mail(
        message, recipient=row.recipient or "", locale="en", vendor=parts.catalogue.vendor,
        message_id="<1@x>",
    )  # fmt: skip
    assert mail.subject == "Your card expires before the renewal on 5 January 2027"
    assert "Visa ending 4242 is good through 12/2026" in mail.text
    assert "https://portal.example/billing/payment-method" in mail.text


def test_M3_a_batch_takes_as_many_statements_as_one(books: Session) -> None:
    def statements(limit: int) -> int:
        count = 0

        def note(*_: object) -> None:
            nonlocal count
            count += 1

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            with transaction() as session:
                remind_of_expiring_cards(
                    session, now=at(RENEWAL - timedelta(days=5)), after=None, limit=limit
                )
                session.rollback()
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return count

    for number in range(20):
        customer(f"Zaak {number} BV")
    assert statements(1) == statements(20)


def test_M3_batches_go_on_where_the_last_one_ended(books: Session) -> None:
    made = [customer(f"Zaak {number} BV") for number in range(5)]
    after, rounds = None, 0
    while True:
        with transaction() as session:
            after = remind_of_expiring_cards(
                session, now=at(RENEWAL - timedelta(days=5)), after=after, limit=2
            )
        if after is None:
            break
        rounds += 1
    assert rounds == 3
    assert all(len(mails(books, one)) == 2 for one in made)
