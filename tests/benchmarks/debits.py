"""Debits per second: clients in processes of their own, on one wallet and on many (W1).

On one wallet they stand in line for its row; on many they share nothing but the database. Each
debit is the service's own transaction, with its key, its entry and the new balance; afterwards the
balances are held against the entries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, text

from portal.db import snapshot, transaction
from portal.extensions import db
from portal.models import Wallet
from portal.queries.ledger import find_differences
from portal.services.wallet_entries import credit
from tests.benchmarks.servers import ROOT
from tests.benchmarks.site import Site
from tests.support.postgres import PostgresServer

__all__ = ["bench_debits"]

CLIENTS = 8
PLENTY = 5_000_000
LEAST = 100
"""A second, on either database, on one wallet or many: ten times a busy customer's peak."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the clients did together; `p50` and `p99` in milliseconds are those of the slowest."""

    wallets: int
    per_second: float
    p50: float
    p99: float


def bench_debits(kind: str, accounts: int, seconds: float) -> bool:
    """Measure on one kind of database, print the table; whether the least was reached."""
    with _filled(kind, accounts) as (made, ids):
        runs = [_run(made, ids[:1], seconds), _run(made, ids, seconds)]
        with made.app.app_context(), snapshot() as connection:
            wrong = [
                row
                for code in ("wallet_balance", "credit_entry_after")
                for row in find_differences(connection, code)
            ]
    if wrong:
        raise RuntimeError(f"balances and entries differ: {wrong[:5]}")
    print(f"\n{kind}: debits of {CLIENTS} clients")
    print("  wallets   per second   p50 ms   p99 ms")
    for run in runs:
        print(f"  {run.wallets:7d} {run.per_second:12.0f} {run.p50:8.1f} {run.p99:8.1f}")
    reached = min(run.per_second for run in runs) >= LEAST
    print(f"  {'reaches' if reached else 'MISSES'} {LEAST} a second")
    return reached


def _run(made: Site, ids: Sequence[int], seconds: float) -> Run:
    share = max(len(ids) // CLIENTS, 1)
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.debit_client", f"{len(ids)}:{number}",
             str(seconds), *map(str, ids[number * share % len(ids):][:share])],
            cwd=ROOT, env={**os.environ, **made.environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for number in range(CLIENTS)
    ]  # fmt: skip
    try:
        for client in clients:
            assert client.stdout is not None
            if client.stdout.readline().strip() != "ready":
                raise RuntimeError("a client did not start")
        for client in clients:
            assert client.stdin is not None
            client.stdin.write("\n")
            client.stdin.flush()
        answers = [client.communicate(timeout=seconds + 120)[0] for client in clients]
    finally:
        for client in clients:
            client.kill()
    found = [json.loads(answer) for answer in answers]
    if any(each["refused"] for each in found):
        raise RuntimeError("a debit was refused although there is plenty")
    return Run(
        wallets=len(ids),
        per_second=sum(each["debits"] for each in found) / seconds,
        p50=max(each["p50"] for each in found) * 1_000,
        p99=max(each["p99"] for each in found) * 1_000,
    )


@contextmanager
def _filled(kind: str, accounts: int) -> Iterator[tuple[Site, list[int]]]:
    """Wallets with plenty of credits, by the ids of their accounts."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        path = Path(folder)
        if kind == "sqlite":
            yield _fill(Site(f"sqlite:///{path / 'debits.db'}", path), accounts)
        else:
            with PostgresServer() as postgres:
                yield _fill(Site(postgres.create_database("debits"), path), accounts)


def _fill(made: Site, accounts: int) -> tuple[Site, list[int]]:
    made.fill(accounts)
    with made.app.app_context():
        now = made.app.extensions["portal"].clock.now()
        with transaction() as session:
            ids = list(session.scalars(select(Wallet.account_id).order_by(Wallet.id)))
            for account_id in ids:
                credit(session, account_id, PLENTY, reason="manual", now=now)
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
        db.engine.dispose()
    return made, ids
