"""The queue: each due row is taken once, whoever asks and however many; a lost lease counts not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import transaction
from portal.jobs import registry
from portal.jobs.queue import MAX_ATTEMPTS, Claim, claim_due, fail, finish, retry_delay
from portal.jobs.worker import run_due, run_job, work
from portal.models import DemoMail, DeskTask, Job, OutboxMessage
from portal.parts import Parts
from portal.services.outbox import enqueue_job, enqueue_mail
from tests.conftest import NOW

LEASE = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry of the test's own; no periodic jobs come in between."""
    monkeypatch.setattr(registry, "PERIODIC", {})
    monkeypatch.setattr("portal.jobs.worker.PERIODIC", {})
    kept = dict(registry.JOBS)
    yield
    registry.JOBS.clear()
    registry.JOBS.update(kept)


def job(kind: str, **payload: Any) -> int:
    with transaction() as session:
        row = enqueue_job(session, kind, payload, run_at=NOW, now=NOW)
        assert row is not None
        session.flush()
        return row.id


def claim(limit: int = 1, at: Any = NOW) -> list[Claim]:
    with transaction() as session:
        return claim_due(session, Job, now=at, limit=limit, lease=LEASE)


def stored(job_id: int) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id)


def test_eight_threads_claim_each_job_once(app: Flask, app_context: None) -> None:
    ids = {job("x", n=n) for n in range(40)}
    taken: list[int] = []
    lock = threading.Lock()

    def worker() -> None:
        with app.app_context():
            while claims := claim(3):
                with lock:
                    taken.extend(each.id for each in claims)

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(set(taken))
    assert ids <= set(taken)


def test_eight_workers_deliver_each_mail_once(
    app: Flask, parts: Parts, app_context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.jobs.outbox import deliver_due
    from portal.mail.mailbox import DemoMailbox

    with transaction() as session:
        for number in range(24):
            enqueue_mail(session, "sign_in_link", recipient=f"p{number}@x.example", locale="nl",
                         payload={"link": "https://x.example/a"}, now=NOW)  # fmt: skip
    mailbox = DemoMailbox("portal@kanto.example")
    sent: list[str] = []

    class Counting:
        def send(self, mail: Any) -> None:
            sent.append(mail.recipient)
            mailbox.send(mail)

    counting = Parts(
        parts.settings, parts.clock, parts.catalogue, parts.gateway, Counting(), parts.vat_register
    )

    def worker() -> None:
        with app.app_context():
            while any(deliver_due(counting, NOW)):
                pass

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent) == sorted(f"p{number}@x.example" for number in range(24))
    with transaction() as session:
        assert len(session.scalars(select(DemoMail)).all()) == 24
        for row in session.scalars(select(OutboxMessage).where(OutboxMessage.created_at == NOW)):
            assert row.status == "delivered"
            assert row.payload == {}, "a link that signs in does not stay in the database"


def test_nobody_takes_a_job_before_its_lease_ends(app: Flask, app_context: None) -> None:
    job("x")
    [first] = claim()
    assert claim(at=NOW + LEASE - timedelta(seconds=1)) == []
    [second] = claim(at=NOW + LEASE)
    assert (second.id, second.fence, second.attempts) == (first.id, first.fence + 1, 2)


def test_the_fence_makes_a_late_report_count_for_nothing(app: Flask, app_context: None) -> None:
    job_id = job("x")
    [first] = claim()
    [second] = claim(at=NOW + LEASE)
    with transaction() as session:
        assert not finish(session, Job, first, now=NOW)
        assert not fail(session, Job, first, "late", now=NOW)
        assert finish(session, Job, second, now=NOW)
    assert stored(job_id).status == "done"


def test_a_transactional_job_that_lost_its_lease_writes_nothing(
    app: Flask, parts: Parts, app_context: None
) -> None:
    @registry.register_transactional("writes")
    def writes(session: Any, parts: Parts, payload: Any, now: Any) -> None:
        session.add(DeskTask(kind="t", dedupe_key="t", details={}, created_at=now))

    job("writes")
    [first] = claim()
    [second] = claim(at=NOW + LEASE)
    assert not run_job(parts, first, NOW)
    with transaction() as session:
        assert session.scalar(select(DeskTask).where(DeskTask.dedupe_key == "t")) is None
    assert run_job(parts, second, NOW)
    with transaction() as session:
        assert session.scalar(select(DeskTask).where(DeskTask.dedupe_key == "t")) is not None


def test_a_failing_job_lets_the_others_go_on_and_ends_at_the_desk(
    app: Flask, parts: Parts, app_context: None
) -> None:
    ran: list[int] = []

    @registry.register("breaks")
    def breaks(parts: Parts, payload: Any, now: Any) -> None:
        raise ValueError("never works")

    @registry.register("works")
    def works(parts: Parts, payload: Any, now: Any) -> None:
        ran.append(payload["n"])

    bad = job("breaks")
    job("works", n=1)
    job("works", n=2)
    counts = run_due(parts, NOW)
    assert (counts.jobs, counts.failed, ran) == (2, 1, [1, 2])
    assert stored(bad).status == "waiting"
    assert "never works" in stored(bad).last_error
    at = NOW
    for _try in range(MAX_ATTEMPTS):
        at += timedelta(days=1)
        run_due(parts, at)
    assert stored(bad).status == "failed"
    assert stored(bad).attempts == MAX_ATTEMPTS
    with transaction() as session:
        [task] = session.scalars(select(DeskTask).where(DeskTask.kind == "job_failed")).all()
        assert task.details["what"] == "breaks"


def test_an_unknown_kind_ends_at_the_desk_at_once(
    app: Flask, parts: Parts, app_context: None
) -> None:
    unknown = job("no_such_kind")
    run_due(parts, NOW)
    assert stored(unknown).status == "failed"


def test_what_a_job_enqueues_for_now_runs_too(app: Flask, parts: Parts, app_context: None) -> None:
    ran: list[str] = []

    @registry.register_transactional("first")
    def first(session: Any, parts: Parts, payload: Any, now: Any) -> None:
        ran.append("first")
        enqueue_job(session, "second", {}, run_at=now, now=now)

    @registry.register("second")
    def second(parts: Parts, payload: Any, now: Any) -> None:
        ran.append("second")

    job("first")
    assert run_due(parts, NOW).jobs == 2
    assert ran == ["first", "second"]


def test_P3_a_periodic_job_is_written_once_an_interval_and_not_made_up_for(
    app: Flask, app_context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "PERIODIC", {"hourly": timedelta(hours=1)})
    with transaction() as session:
        assert registry.enqueue_periodic(session, NOW) == 1
    with transaction() as session:
        assert registry.enqueue_periodic(session, NOW + timedelta(minutes=59)) == 0
    with transaction() as session:
        assert registry.enqueue_periodic(session, NOW + timedelta(days=3)) == 1


def test_the_wait_grows_and_has_an_end() -> None:
    assert timedelta(seconds=8) <= retry_delay(1) <= timedelta(seconds=12)
    assert retry_delay(3) > retry_delay(1)
    assert retry_delay(60) <= timedelta(hours=7.2)


def test_a_stop_lets_the_present_job_finish_and_takes_no_other(
    app: Flask, parts: Parts, app_context: None
) -> None:
    stop = threading.Event()

    @registry.register("stops")
    def stops(parts: Parts, payload: Any, now: Any) -> None:
        stop.set()  # what SIGTERM does

    present, other = job("stops"), job("stops")
    work(parts, stop)
    assert (stored(present).status, stored(other).status) == ("done", "waiting")


def test_the_worker_goes_on_after_an_error_of_its_own(
    app: Flask, parts: Parts, app_context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()
    calls: list[int] = []

    def sometimes(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the database is away")
        stop.set()

    monkeypatch.setattr("portal.jobs.worker.run_due", sometimes)
    monkeypatch.setattr("portal.jobs.worker._PAUSE_AFTER_ERROR", 0.0)
    work(parts, stop)
    assert len(calls) == 2
