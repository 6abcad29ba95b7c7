"""Asking about VAT numbers: a job's work, and whatever VIES says nobody waits for it (I4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.db import transaction
from portal.domain.errors import DomainError
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import run_due
from portal.models import Account, AuditEvent, DeskTask, Invoice, Job, OutboxMessage
from portal.parts import Parts
from portal.services.billing_details import details_of, save_billing_details
from portal.services.vat_checking import (
    CHECK_JOB,
    NumberToCheck,
    ask_again,
    decide_vat_number,
    enqueue_rechecks,
    record_vat_answer,
)
from portal.vat.vies import Vies
from tests.conftest import NOW
from tests.support.buying import (
    ATELIER,
    BRIGHTWATER,
    KATRIN,
    LUMIERE,
    MUELLER,
    OFFICINE,
    account_named,
    actor_of,
)
from tests.support.fake_vies import FakeVies

pytestmark = pytest.mark.usefixtures("app_context")

NEW, OLD = "DE136695976", "DE299180232"


@pytest.fixture
def fake() -> Iterator[FakeVies]:
    with FakeVies() as server:
        yield server


@pytest.fixture
def asking(parts: Parts, fake: FakeVies) -> Parts:
    """The parts with a VIES of the test's own."""
    return replace(parts, vat_register=Vies(fake.url))


def change_number(number: str = NEW) -> None:
    with transaction() as session:
        account = account_named(session, MUELLER)
        save_billing_details(session, account.id, replace(details_of(account), vat_number=number),
                             actor=actor_of(session, KATRIN), now=NOW)  # fmt: skip


def work(parts: Parts, now: datetime = NOW) -> None:
    """What is due without the periodic jobs."""
    run_due(parts, now, periodic=False)


def state(books: Session, name: str = MUELLER) -> tuple[str | None, str, bool]:
    books.expire_all()
    account = account_named(books, name)
    return account.vat_number, account.vat_status, account.vat_checked_at is not None


def check_jobs(books: Session) -> list[Job]:
    books.expire_all()
    return list(books.scalars(select(Job).where(Job.kind == CHECK_JOB).order_by(Job.id)))


def mails(books: Session) -> list[OutboxMessage]:
    return list(
        books.scalars(select(OutboxMessage).where(OutboxMessage.topic == "vat_number_invalid"))
    )


def test_I4_vies_says_yes_and_from_then_on_vat_is_reverse_charged(
    asking: Parts, books: Session
) -> None:
    change_number()
    assert state(books) == (NEW, "unchecked", False)
    work(asking)
    assert state(books) == (NEW, "valid", True)
    event = books.scalars(
        select(AuditEvent).where(AuditEvent.action == "vat_number_checked")
    ).one()  # fmt: skip
    assert (event.subject, event.old, event.new) == (
        NEW, {"vat_status": "unchecked"}, {"vat_status": "valid"},
    )  # fmt: skip
    assert mails(books) == []


def test_I4_vies_says_no_and_every_admin_is_told_in_their_language(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    fake.answers = {"valid": False, "userError": "INVALID"}
    change_number()
    work(asking)
    assert state(books) == (NEW, "invalid", True)
    [mail] = mails(books)
    assert (mail.recipient, mail.locale) == (KATRIN, "de")
    assert mail.payload["vat_number"] == NEW


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"valid": False, "userError": "MS_UNAVAILABLE"}),
        (500, {"valid": True}),
        (200, b"<html>"),
    ],
)
def test_I4_without_an_answer_it_stays_unchecked_and_is_asked_again_later(
    asking: Parts, fake: FakeVies, books: Session, status: int, answer: Any
) -> None:
    fake.status, fake.answers = status, answer
    change_number()
    work(asking)
    assert state(books) == (NEW, "unchecked", False)
    [job] = check_jobs(books)
    assert (job.status, job.attempts) == ("waiting", 1)
    assert job.run_at > NOW
    fake.status, fake.answers = 200, {"valid": True}
    work(asking, NOW + timedelta(minutes=1))
    assert state(books) == (NEW, "valid", True)


def test_a_number_that_never_gets_an_answer_ends_before_the_desk(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    fake.status = 503
    change_number()
    for day in range(20):
        work(asking, NOW + timedelta(days=day))
    assert state(books) == (NEW, "unchecked", False)
    [job] = check_jobs(books)
    assert job.status == "failed"
    tasks = books.scalars(select(DeskTask).where(DeskTask.kind == "job_failed")).all()
    assert [task.details["what"] for task in tasks] == [CHECK_JOB]


def test_an_answer_about_a_number_that_was_changed_meanwhile_is_dropped(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    other = "DE811907980"

    def meanwhile() -> None:  # nothing is locked while VIES is asked
        with transaction() as session:
            account = account_named(session, MUELLER)
            account.vat_number, account.vat_status = other, "unchecked"

    change_number()
    fake.before = _in_context(meanwhile)
    work(asking)
    assert len(fake.asked) == 1
    assert state(books) == (other, "unchecked", False)
    stale = NumberToCheck(account_named(books, MUELLER).id, NEW, "unchecked")
    with transaction() as session:
        assert not record_vat_answer(session, stale, True, now=NOW)


def _in_context(function: Any) -> Any:
    """Run `function` in the fake's thread, in the test's app."""
    from flask import current_app

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def run() -> None:
        with app.app_context():
            function()

    return run


def test_vies_switched_off_asks_nobody_and_bothers_nobody(parts: Parts, books: Session) -> None:
    assert not parts.vat_register.is_on
    change_number()
    work(parts)
    assert state(books) == (NEW, "unchecked", False)
    assert [job.status for job in check_jobs(books)] == ["done"]
    run_due(parts, NOW)
    assert len(check_jobs(books)) == 1


def test_I4_an_answer_changes_no_issued_invoice(asking: Parts, books: Session) -> None:
    def issued() -> list[tuple[object, ...]]:
        books.expire_all()
        return [
            (i.number, i.gross_minor, dict(i.tax), dict(i.buyer))
            for i in books.scalars(select(Invoice).order_by(Invoice.id))
        ]

    before = issued()
    change_number()
    work(asking)
    assert issued() == before


@pytest.mark.parametrize(
    ("answer", "treatment", "rate"),
    [
        ({"valid": True}, "reverse_charge", 0),
        ({"valid": False}, "oss", 19),
        ({"userError": "MS_UNAVAILABLE"}, "oss", 19),
    ],
)
def test_I4_only_a_confirmed_number_makes_the_next_invoice_reverse_charged(
    asking: Parts, fake: FakeVies, books: Session, answer: Any, treatment: str, rate: int
) -> None:
    fake.answers = answer
    change_number()
    work(asking)
    now = NOW + timedelta(days=9)
    run_renewals(asking, {}, now)
    account_id = account_named(books, MUELLER).id
    invoice = books.scalars(
        select(Invoice).where(Invoice.account_id == account_id).order_by(Invoice.id.desc())
    ).first()
    assert invoice is not None
    assert invoice.issued_at == now
    assert (invoice.tax["treatment"], Decimal(invoice.tax["rate"])) == (treatment, rate)
    assert invoice.buyer["vat_number"] == NEW


# --- asking again --------------------------------------------------------------------------------


def test_the_customer_asks_again_once_an_hour_at_most(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    fake.answers = {"valid": False}
    change_number()
    work(asking)
    fake.answers = {"valid": True}
    account_id = account_named(books, MUELLER).id
    for minute in (1, 2):
        with transaction() as session:
            ask_again(session, account_id, actor=actor_of(session, KATRIN),
                      now=NOW + timedelta(minutes=minute))  # fmt: skip
        assert state(books) == (NEW, "unchecked", False)
    assert len(check_jobs(books)) == 2
    work(asking, NOW + timedelta(minutes=3))
    assert state(books) == (NEW, "valid", True)
    with transaction() as session, pytest.raises(DomainError, match="vat_number_confirmed"):
        ask_again(session, account_id, actor=actor_of(session, KATRIN), now=NOW)
    with transaction() as session, pytest.raises(DomainError, match="vat_number_missing"):
        ask_again(session, account_named(session, BRIGHTWATER).id,
                  actor=actor_of(session, KATRIN), now=NOW)  # fmt: skip


def _confirmed(days_ago: int) -> None:
    with transaction() as session:
        session.execute(
            update(Account)
            .where(Account.vat_status == "valid")
            .values(vat_checked_at=NOW - timedelta(days=days_ago))
        )


def _rechecks(parts: Parts, now: datetime = NOW, limit: int = 50) -> int:
    with transaction() as session:
        return enqueue_rechecks(
            session,
            seller_country=parts.catalogue.vendor.address.country,
            notice_days=15,
            now=now,
            limit=limit,
        )


def test_I4_old_confirmations_abroad_are_renewed_before_a_renewal_uses_them(
    parts: Parts, books: Session
) -> None:
    _confirmed(89)
    assert _rechecks(parts) == 0
    _confirmed(91)
    assert _rechecks(parts) == 2
    asked = {job.payload["account_id"] for job in check_jobs(books)}
    # Belgium is the vendor's own country; Lumière renews in 96 days; a GB number is nobody's.
    assert asked == {account_named(books, name).id for name in (MUELLER, OFFICINE)}
    assert _rechecks(parts) == 0  # once a day
    assert _rechecks(parts, NOW + timedelta(days=75)) == 3
    assert account_named(books, LUMIERE).id in {
        job.payload["account_id"] for job in check_jobs(books)
    }


def test_rechecks_come_in_small_batches(parts: Parts, books: Session) -> None:
    _confirmed(91)
    assert [_rechecks(parts, limit=1) for _ in range(3)] == [1, 1, 0]


def test_a_recheck_without_an_answer_leaves_the_number_valid_and_the_desk_alone(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    _confirmed(91)
    fake.status = 503
    _rechecks(asking)
    work(asking)
    assert state(books) == (OLD, "valid", True)
    assert {job.status for job in check_jobs(books)} == {"done"}
    assert books.scalars(select(DeskTask).where(DeskTask.kind == "job_failed")).all() == []


def test_a_recheck_renews_the_day_or_finds_the_number_gone(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    _confirmed(91)
    _rechecks(asking)
    work(asking)
    assert account_named(books, MUELLER).vat_checked_at == NOW
    _confirmed(91)
    fake.answers = {"valid": False}
    _rechecks(asking, NOW + timedelta(days=1))
    work(asking, NOW + timedelta(days=1))
    assert state(books) == (OLD, "invalid", True)
    assert KATRIN in {mail.recipient for mail in mails(books)}


def test_an_open_question_is_asked_again_every_day(
    asking: Parts, fake: FakeVies, books: Session
) -> None:
    _confirmed(1)
    with transaction() as session:
        session.execute(
            update(Account)
            .where(Account.name.in_([ATELIER, BRIGHTWATER]))
            .values(vat_status="unchecked", vat_checked_at=None)
        )
    run_due(asking, NOW)
    assert state(books, ATELIER)[1] == "valid"
    assert state(books, BRIGHTWATER)[1] == "unchecked"
    assert {question["countryCode"] for _path, question in fake.asked} == {"BE"}


# --- by hand -------------------------------------------------------------------------------------


def test_I4_an_operator_confirms_and_rejects_by_hand(books: Session) -> None:
    account_id, actor = account_named(books, BRIGHTWATER).id, actor_of(books, KATRIN)
    with transaction() as session:
        number = decide_vat_number(session, account_id, is_valid=True, actor=actor, now=NOW)
    assert (number, "valid", True) == state(books, BRIGHTWATER)
    for _ in range(2):
        with transaction() as session:
            decide_vat_number(session, account_id, is_valid=False, actor=actor, now=NOW)
    assert state(books, BRIGHTWATER)[1] == "invalid"
    assert len(mails(books)) == 1
    with transaction() as session:
        session.execute(update(Account).values(vat_number=None))
    for wrong, code in ((987_654, "account_unknown"), (account_id, "vat_number_missing")):
        with transaction() as session, pytest.raises(DomainError, match=code):
            decide_vat_number(session, wrong, is_valid=True, actor=actor, now=NOW)
