"""The worker: runs what is due, once or for ever.

An error belongs to the item that caused it: it is logged, the item is tried again later, and the
rest goes on. SIGTERM lets the present item finish.
"""

from __future__ import annotations

import gc
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.exc import IntegrityError

from portal.db import reading, transaction
from portal.jobs import collection as collection
from portal.jobs import desk_digest as desk_digest
from portal.jobs import dunning as dunning
from portal.jobs import ending as ending
from portal.jobs import housekeeping as housekeeping
from portal.jobs import reconciliation as reconciliation
from portal.jobs import refunds as refunds
from portal.jobs import reminders as reminders
from portal.jobs import renewals as renewals
from portal.jobs import trials as trials
from portal.jobs import vat_checks as vat_checks
from portal.jobs import wallet as wallet
from portal.jobs.outbox import deliver_due
from portal.jobs.queue import Claim, claim_due, fail, finish, is_due
from portal.jobs.registry import JOBS, PERIODIC, enqueue_periodic, slot_of
from portal.models import Job, OutboxMessage
from portal.parts import Parts
from portal.services.demo_provider import deliver_demo_events

__all__ = ["Counts", "Stop", "run_due", "run_job", "settle_in", "work"]

log = logging.getLogger(__name__)

_JOB_LEASE = timedelta(minutes=10)
_PAUSE, _PAUSE_DEMO, _PAUSE_AFTER_ERROR = 2.0, 0.5, 10.0  # seconds


class Stop(Protocol):
    """What tells the worker to end: a threading.Event."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What one run did; `failed` items are tried again later or were put before the desk."""

    jobs: int = 0
    messages: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """Everything that was tried."""
        return self.jobs + self.messages + self.failed


class _LeaseLost(Exception):
    """Another worker has the job by now: what was written here is rolled back."""


def run_due(
    parts: Parts, now: datetime, stop: Stop | None = None, *, periodic: bool = True
) -> Counts:
    """Run everything that is due at `now` until nothing is left, or `stop` is set.

    What one job enqueues for the same instant runs too. What fails waits for its next try.
    `periodic` writes the periodic jobs of the present intervals first.
    """
    jobs = messages = failed = 0
    if periodic:
        _enqueue_periodic(now)
    while stop is None or not stop.is_set():
        # The demo's payment provider has no post of its own.
        told = deliver_demo_events(parts.gateway, transaction, parts.catalogue, now)
        done, failed_jobs = _run_one_job(parts, now)
        sent, unsent = _deliver_some(parts, now)
        jobs, messages, failed = jobs + done, messages + sent, failed + failed_jobs + unsent
        if not (told or done or failed_jobs or sent or unsent):
            break
    return Counts(jobs, messages, failed)


def _run_one_job(parts: Parts, now: datetime) -> tuple[int, int]:
    if not _looks_due(Job, now):
        return 0, 0
    with transaction() as session:
        claims = claim_due(session, Job, now=now, limit=1, lease=_JOB_LEASE)
    done = sum(run_job(parts, claim, now) for claim in claims)
    return done, len(claims) - done


def _deliver_some(parts: Parts, now: datetime) -> tuple[int, int]:
    return deliver_due(parts, now) if _looks_due(OutboxMessage, now) else (0, 0)


def _looks_due(table: type[Job] | type[OutboxMessage], now: datetime) -> bool:
    """Look before claiming: on SQLite a claim takes the write lock, and mostly there is nothing."""
    with reading() as connection:
        return is_due(connection, table, now)


def run_job(parts: Parts, claim: Claim, now: datetime) -> bool:
    """Run one claimed job and report it; False where it failed or belongs to another by now."""
    kind = "?"
    try:
        with transaction() as session:
            row = session.get_one(Job, claim.id)
            kind, payload = row.kind, dict(row.payload)
        job = JOBS.get(kind)
        if job is None:
            raise LookupError(f"there is no job kind {kind!r}")
        if job.transactional is not None:
            with transaction() as session:
                job.transactional(session, parts, payload, now)
                session.flush()
                if not finish(session, Job, claim, now=now):
                    raise _LeaseLost
        else:
            assert job.free is not None
            job.free(parts, payload, now)
            with transaction() as session:
                finish(session, Job, claim, now=now)
    except _LeaseLost:
        log.warning("job %s (%s): lost its lease", claim.id, kind)
        return False
    except Exception as error:  # one bad job must not stop the others
        log.exception("job %s (%s) failed", claim.id, kind)
        with transaction() as session:
            fail(session, Job, claim, f"{type(error).__name__}: {error}", now=now,
                 for_good=isinstance(error, LookupError) and kind not in JOBS)  # fmt: skip
        return False
    return True


def settle_in() -> None:
    """What is loaded by now stays: the garbage collector need not walk it again with each batch."""
    gc.collect()
    gc.freeze()


def work(parts: Parts, stop: Stop) -> None:
    """Run what is due until `stop` is set; an error of the database itself is waited out."""
    pause = _PAUSE_DEMO if parts.settings.is_demo else _PAUSE
    slots: dict[str, datetime] = {}
    while not stop.is_set():
        try:
            now = parts.clock.now()
            present = {kind: slot_of(every, now) for kind, every in PERIODIC.items()}
            run_due(parts, now, stop, periodic=present != slots)
            slots, wait = present, pause
        except Exception:
            log.exception("the worker could not run; it goes on")
            wait = _PAUSE_AFTER_ERROR
        # Several workers do not ask at the same moment.
        stop.wait(wait * random.uniform(0.75, 1.25))


def _enqueue_periodic(now: datetime) -> None:
    try:
        with transaction() as session:
            enqueue_periodic(session, now)
    except IntegrityError:
        log.debug("another worker wrote the periodic jobs")
