"""Renewals per second: how long a worker takes for all that is due on one day.

The worker is a process of its own (tests/benchmarks/renewal_worker.py), so that its memory is the
engine's and not the generator's. Every subscription renews with its items, VAT, seat ledger,
audit events, invoice, e-mail, payment and attempt; a share of them with changes that waited.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from portal.app import create_app
from portal.config import load_settings
from portal.db import transaction
from portal.extensions import db
from portal.models import Invoice
from portal.services.catalogue_sync import sync_catalogue
from tests.benchmarks.servers import ROOT
from tests.benchmarks.site import Site
from tests.support.bulk_renewals import RenewingCustomers
from tests.support.postgres import PostgresServer

__all__ = ["RENEWALS_AIM", "bench_renewals"]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RENEWALS_AIM = 2_000
"""A second, on PostgreSQL."""
STEADY = 0.8
"""Of the rate of the smallest size, for the others."""
MOST_MEMORY = 150  # MB
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Run:
    """What one worker did."""

    size: int
    renewed: int
    seconds: float
    cpu: float
    memory: int

    @property
    def per_second(self) -> float:
        """Renewals a second."""
        return self.renewed / self.seconds


def bench_renewals(kind: str, sizes: Sequence[int]) -> bool:
    """Measure each size on one kind of database, print the table; whether the targets were met."""
    runs = [_run(kind, size) for size in sizes]
    print(f"\n{kind}: renewals of one day, one worker")
    print("  subscriptions   renewed   seconds   per second   CPU ms each   peak memory")
    for run in runs:
        print(
            f"  {run.size:13d} {run.renewed:9d} {run.seconds:9.1f} {run.per_second:12.0f}"
            f" {run.cpu / run.renewed * 1000:13.2f} {run.memory / 2**20:10.0f} MB"
        )
    steady = min(run.per_second for run in runs) / runs[0].per_second
    quick = runs[0].per_second
    met = [all(run.memory <= MOST_MEMORY * 2**20 for run in runs), steady >= STEADY]
    if kind == "postgresql":
        met.append(min(run.per_second for run in runs) >= RENEWALS_AIM)
    aim = f", at least {RENEWALS_AIM} a second" if kind == "postgresql" else ""
    print(
        f"  {'reaches' if all(met) else 'MISSES'} at most {MOST_MEMORY} MB, at least {STEADY} of "
        f"the first size's rate{aim}: {steady:.2f} of {quick:.0f}"
    )
    return all(met)


def _run(kind: str, size: int) -> Run:
    with _filled(kind, size) as made:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.renewal_worker", NOW.isoformat()],
            cwd=ROOT, env={**os.environ, **made.environment}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the worker failed:\n{done.stderr[-4000:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        with made.app.app_context(), transaction() as session:
            invoices, last = session.execute(
                select(func.count(), func.max(Invoice.sequence)).where(Invoice.series == "invoice")
            ).one()
        if invoices != last or found["parked"]:
            raise RuntimeError(f"{invoices} invoices up to {last}, {found['parked']} parked")
        return Run(size, found["renewed"], found["seconds"], found["cpu"], found["memory"])


@contextmanager
def _filled(kind: str, size: int) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        path = Path(folder)
        if kind == "sqlite":
            yield _fill(Site(f"sqlite:///{path / 'renewals.db'}", path), size)
        else:
            with PostgresServer() as postgres:
                yield _fill(Site(postgres.create_database("renewals"), path), size)


def _fill(made: Site, size: int) -> Site:
    made.app = create_app(load_settings({**os.environ, **made.environment}))
    with made.app.app_context():
        upgrade()
        catalogue = made.app.extensions["portal"].catalogue
        with transaction() as session:
            sync_catalogue(session, catalogue, NOW)
        chance = random.Random(20261125)
        left = size
        while left > 0:
            with transaction() as session:
                customers = RenewingCustomers(session.connection(), catalogue, NOW, chance)
                for _ in range(min(left, _CHUNK) // 2):
                    customers.add_renewing(NOW.date())
                left -= _CHUNK
                customers.write(analyze=left <= 0)
        db.engine.dispose()
    return made
