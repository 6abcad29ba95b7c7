"""Renewals: every period exactly once, however late, and its one invoice (P1, P2, P3, I2, I3)."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import run_due
from portal.models import (
    Account,
    BillingPeriod,
    DeskTask,
    Invoice,
    InvoiceLine,
    Payment,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.services import renewal_planning, renewals
from portal.services.quoting import expire_quotes
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("app_context", "agreeing_books")


def _renew(parts: Parts, now: datetime) -> None:
    clock.fix(now)
    run_renewals(parts, {}, now)


def _crm_of(session: Session, account: str) -> Subscription:
    return session.scalars(
        select(Subscription)
        .join(Account, Account.id == Subscription.account_id)
        .where(Account.name == account)
        .order_by(Subscription.id)
    ).first()  # type: ignore[return-value]


def _periods(session: Session, subscription_id: int) -> list[BillingPeriod]:
    return list(
        session.scalars(
            select(BillingPeriod)
            .where(BillingPeriod.subscription_id == subscription_id)
            .order_by(BillingPeriod.starts_on)
        )
    )


def test_p2_a_renewal_opens_the_next_period_and_issues_its_one_invoice(
    session: Session, parts: Parts
) -> None:
    subscription = _crm_of(session, "Atelier Noordzee BV")
    before = _periods(session, subscription.id)
    session.rollback()

    _renew(parts, NOW + timedelta(days=32))

    after = _periods(session, subscription.id)
    assert len(after) == len(before) + 1
    assert after[-1].is_current
    assert not after[-2].is_current
    assert after[-1].starts_on == after[-2].ends_on
    invoice = session.get_one(Invoice, after[-1].renewal_invoice_id)
    lines = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)).all()
    # 12 × 75.00 + 3 × 25.00 + 135.00, and 21 % on the sum
    assert invoice.net_minor == sum(line.net_minor for line in lines) == 111_000
    assert invoice.gross_minor == 134_310
    assert invoice.status == "open"  # collected after the commit, by the worker


def test_i3_the_worker_collects_the_renewal_that_was_invoiced(
    session: Session, parts: Parts
) -> None:
    now = NOW + timedelta(days=32)
    clock.fix(now)
    run_due(parts, now)
    subscription = _crm_of(session, "Atelier Noordzee BV")
    invoice = session.get_one(Invoice, _periods(session, subscription.id)[-1].renewal_invoice_id)
    assert invoice.status == "paid"
    assert invoice.paid_minor == invoice.gross_minor
    payment = session.scalars(select(Payment).where(Payment.invoice_id == invoice.id)).one()
    assert (payment.status, payment.amount_minor) == ("succeeded", invoice.gross_minor)


def test_p3_a_late_worker_catches_up_each_period_exactly_once(
    session: Session, parts: Parts
) -> None:
    for _ in range(3):  # running again changes nothing
        _renew(parts, NOW + timedelta(days=400))
    for subscription in session.scalars(
        select(Subscription).where(Subscription.status == "active")
    ):
        periods = _periods(session, subscription.id)
        for earlier, later in itertools.pairwise(periods):
            assert earlier.ends_on == later.starts_on
        current = [p for p in periods if p.is_current]
        assert len(current) == 1
        assert current[0].starts_on <= (NOW + timedelta(days=400)).date() + timedelta(days=1)
        assert current[0].ends_on > (NOW + timedelta(days=400)).date() - timedelta(days=1)
    invoiced = Counter(
        session.scalars(
            select(BillingPeriod.renewal_invoice_id).where(
                BillingPeriod.renewal_invoice_id.is_not(None)
            )
        )
    )
    assert max(invoiced.values()) == 1
    by_year = session.execute(
        select(Invoice.year, func.count(), func.max(Invoice.sequence)).group_by(Invoice.year)
    ).all()
    assert all(count == highest for _year, count, highest in by_year)  # I2: no gap


def test_p3_four_workers_on_one_run_renew_everything_once(
    app: Flask, session: Session, parts: Parts
) -> None:
    now = NOW + timedelta(days=70)
    clock.fix(now)
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                start.wait()
                run_renewals(parts, {}, now)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not session.scalars(
        select(Subscription).where(Subscription.parked_at.is_not(None))
    ).all()
    renewed = session.execute(
        select(Invoice.subscription_id, BillingPeriod.starts_on, func.count())
        .join(BillingPeriod, BillingPeriod.renewal_invoice_id == Invoice.id)
        .where(Invoice.issued_at == now)
        .group_by(Invoice.subscription_id, BillingPeriod.starts_on)
    ).all()
    assert renewed
    assert all(row[2] == 1 for row in renewed)
    orphans = session.scalar(
        select(func.count())
        .select_from(Invoice)
        .outerjoin(BillingPeriod, BillingPeriod.renewal_invoice_id == Invoice.id)
        .where(Invoice.issued_at == now, Invoice.kind == "renewal", BillingPeriod.id.is_(None))
    )
    assert orphans == 0


def test_i3_a_bank_transfer_renewal_is_invoiced_as_the_notice_window_closes(
    session: Session, parts: Parts
) -> None:
    subscription = _crm_of(session, "Lumière Conseil SAS")
    current = next(p for p in _periods(session, subscription.id) if p.is_current)
    closes = current.ends_on - timedelta(days=15)
    midday = timedelta(hours=3)
    session.rollback()

    ahead = (closes - NOW.date()).days
    _renew(parts, NOW + midday + timedelta(days=ahead - 1))
    assert _periods(session, subscription.id)[-1].is_current
    session.rollback()

    _renew(parts, NOW + midday + timedelta(days=ahead))
    _renew(parts, NOW + midday + timedelta(days=ahead))
    session.expire_all()
    following = _periods(session, subscription.id)[-1]
    assert not following.is_current
    assert following.starts_on == current.ends_on
    invoice = session.get_one(Invoice, following.renewal_invoice_id)
    assert invoice.due_on == invoice.issued_on + timedelta(days=30)
    session.rollback()

    _renew(parts, NOW + midday + timedelta(days=ahead + 15))
    session.expire_all()
    last = _periods(session, subscription.id)[-1]
    assert last.is_current
    assert last.renewal_invoice_id == invoice.id


def test_one_that_fails_is_parked_and_the_others_go_on(
    session: Session, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = _crm_of(session, "Atelier Noordzee BV").id
    session.rollback()
    whole = renewal_planning.plan_next_period

    def fails_for_one(state):  # type: ignore[no-untyped-def]
        if state.subscription_id == broken:
            raise RuntimeError("the row is damaged")
        return whole(state)

    monkeypatch.setattr(renewal_planning, "plan_next_period", fails_for_one)
    now = NOW + timedelta(days=40)
    _renew(parts, now)
    parked = session.get_one(Subscription, broken)
    assert parked.parked_error == {"kind": "RuntimeError", "message": "the row is damaged"}
    assert session.scalars(select(DeskTask).where(DeskTask.kind == "renewal_parked")).one()
    others = session.scalar(
        select(func.count()).select_from(Invoice).where(Invoice.issued_at == now)
    )
    assert others
    assert others > 0
    session.rollback()

    monkeypatch.setattr(renewal_planning, "plan_next_period", whole)
    _renew(parts, now + timedelta(hours=2))
    session.expire_all()
    assert session.get_one(Subscription, broken).parked_at is None
    assert _periods(session, broken)[-1].is_current


def test_p3_a_write_renews_first_what_is_due(session: Session, parts: Parts) -> None:
    subscription = _crm_of(session, "Atelier Noordzee BV")
    subscription_id, account_id = subscription.id, subscription.account_id
    session.rollback()
    now = NOW + timedelta(days=33)
    with transaction() as own:
        account = own.get_one(Account, account_id)
        renewals.renew_due_of_account(own, account, catalogue=parts.catalogue, now=now)
    session.expire_all()
    assert _periods(session, subscription_id)[-1].is_current
    items = session.scalars(
        select(SubscriptionItem).where(SubscriptionItem.subscription_id == subscription_id)
    ).all()
    assert {item.quantity for item in items} == {12, 3, 1}


def test_q1_open_quotes_end_after_their_last_local_day(session: Session, parts: Parts) -> None:
    with transaction() as own:
        assert expire_quotes(own, now=NOW) == 0
    with transaction() as own:
        assert expire_quotes(own, now=NOW + timedelta(days=60)) > 0
        assert expire_quotes(own, now=NOW + timedelta(days=60)) == 0
