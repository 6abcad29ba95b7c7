"""What the worker can run: job kinds and their functions, and the periodic ones.

Two sorts of function. A transactional one writes in the session it is given; its effect and the
job's end are one commit, and a worker that lost its lease rolls back: it works exactly once. A
free one commits for itself (it talks to the outside between commits) and may run again after a
crash, so it must find out what was already done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from portal.parts import Parts
from portal.services.outbox import enqueue_job

__all__ = ["JOBS", "PERIODIC", "JobKind", "enqueue_periodic", "register", "register_transactional",
           "slot_of"]  # fmt: skip

FreeJob = Callable[[Parts, Mapping[str, Any], datetime], None]
_Free = TypeVar("_Free", bound=FreeJob)
TransactionalJob = Callable[[Session, Parts, Mapping[str, Any], datetime], None]


@dataclass(frozen=True, slots=True)
class JobKind:
    """How a kind of job is run: exactly one of the two functions is set."""

    free: FreeJob | None = None
    transactional: TransactionalJob | None = None


JOBS: dict[str, JobKind] = {}
PERIODIC: dict[str, timedelta] = {}


def register(kind: str, *, every: timedelta | None = None) -> Callable[[_Free], _Free]:
    """Register a free job `(parts, payload, now)`; with `every` it runs periodically."""

    def add(function: _Free) -> _Free:
        _add(kind, JobKind(free=function), every)
        return function

    return add


def register_transactional(
    kind: str, *, every: timedelta | None = None
) -> Callable[[TransactionalJob], TransactionalJob]:
    """Register a transactional job `(session, parts, payload, now)`; `every` as `register`."""

    def add(function: TransactionalJob) -> TransactionalJob:
        _add(kind, JobKind(transactional=function), every)
        return function

    return add


def _add(kind: str, job: JobKind, every: timedelta | None) -> None:
    if kind in JOBS:
        raise ValueError(f"job kind {kind!r} is registered twice")
    JOBS[kind] = job
    if every is not None:
        PERIODIC[kind] = every


def slot_of(every: timedelta, now: datetime) -> datetime:
    """The beginning of the interval that `now` is in; the same in every worker."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return start + (now - start) // every * every


def enqueue_periodic(session: Session, now: datetime) -> int:
    """Write the periodic jobs of the present intervals, once each; how many were new.

    Intervals that no worker saw are not made up for: each job deals with all that is due.
    """
    written = 0
    for kind, every in PERIODIC.items():
        slot = slot_of(every, now)
        key = f"periodic:{kind}:{slot:%Y%m%dT%H%M}"
        if enqueue_job(session, kind, {}, run_at=slot, now=now, dedupe_key=key) is not None:
            session.flush()
            written += 1
    return written
