"""`make bench`: the pages as ratios to the floor; renewals and debits per second; the desk.

Portal and floor are measured in the same interleaved rounds, floor and page side by side, so that
whatever else the machine does meets both. Requests per second and CPU are medians of the rounds'
ratios: 0.80 means that the portal answers 80 requests while the floor answers 100.

    python -m tests.benchmarks [--quick] [--database sqlite|postgresql] [--accounts 2000]
    python -m tests.benchmarks --part renewals [--size 10000] [--database postgresql]
    python -m tests.benchmarks --part debits [--quick] [--database postgresql]
    python -m tests.benchmarks --part desk [--accounts 100000] [--database postgresql]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.debits import bench_debits
from tests.benchmarks.desk import bench_desk
from tests.benchmarks.renewals import bench_renewals
from tests.benchmarks.servers import ROOT, THREADS, Server
from tests.benchmarks.site import Page, Site
from tests.support.postgres import PostgresServer

TARGET, AIM = 0.6, 0.8  # of the floor's requests per second, for the licences page
MOST_MEMORY = 100  # MB (of 2**20 bytes) a worker
MOST_START = 1.5  # seconds from process start to the first full page
STARTS = 3


@dataclass(frozen=True, slots=True)
class Slice:
    """One measured second or so of one page."""

    per_second: float
    cpu: float  # seconds a request
    p50: float  # milliseconds
    p99: float
    size: int


def measure(server: Server, request: bytes, count: int, seconds: float) -> Slice:
    """Send `request` from another process and see what it took."""
    job = {
        "port": server.port, "request": request.decode("latin-1"), "threads": THREADS,
        "count": count, "seconds": seconds,
    }  # fmt: skip
    before = server.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=json.dumps(job), capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=seconds + 60,
    )  # fmt: skip
    cpu = server.cpu_seconds() - before
    found = json.loads(done.stdout)
    if found["failed"] or not found["requests"]:
        raise RuntimeError(
            f"{found['failed']} of {found['requests']} requests were not answered 200"
        )
    return Slice(
        found["requests"] / found["seconds"], cpu / found["requests"], found["p50"], found["p99"],
        found["bytes"],
    )  # fmt: skip


@contextmanager
def site(kind: str, accounts: int) -> Iterator[Site]:
    """A filled database of one kind."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        path = Path(folder)
        if kind == "sqlite":
            made = Site(f"sqlite:///{path / 'bench.db'}", path)
            made.fill(accounts)
            yield made
        else:
            with PostgresServer() as postgres:
                made = Site(postgres.create_database("bench"), path)
                made.fill(accounts)
                yield made


def bench(kind: str, accounts: int, rounds: int, count: int, seconds: float) -> bool:
    """Measure on one database, print the table; whether the target was reached."""
    with site(kind, accounts) as made:
        pages, floor_request = made.pages(), made.floor_page()
        log = made.folder / "gunicorn.log"
        start = fastest_start(made, pages[0], log)
        with (
            Server("wsgi:app", made.environment, log) as portal,
            Server("tests.benchmarks.floor:app", made.floor_environment, log) as floor,
        ):
            portal.start(pages[0].request)
            floor.start(floor_request)
            for page in pages:
                measure(portal, page.request, 80, 2)
            measure(floor, floor_request, 80, 2)
            found: dict[str, list[tuple[Slice, Slice]]] = defaultdict(list)
            for number in range(rounds):
                for page in pages:
                    pair = [(floor, floor_request), (portal, page.request)]
                    if number % 2:  # who comes first must not matter
                        pair.reverse()
                    slices = {s: measure(s, request, count, seconds) for s, request in pair}
                    found[page.name].append((slices[floor], slices[portal]))
            memory, floor_memory = portal.memory(), floor.memory()
    return report(kind, accounts, pages, found, memory, floor_memory, start)


def fastest_start(made: Site, page: Page, log: Path) -> float:
    """Seconds from process start to the first full page: the best of a few, on a shared machine."""
    seconds = []
    for _ in range(STARTS):
        with Server("wsgi:app", made.environment, log) as server:
            seconds.append(server.start(page.request))
    return min(seconds)


def report(
    kind: str,
    accounts: int,
    pages: list[Page],
    found: dict[str, list[tuple[Slice, Slice]]],
    memory: int,
    floor_memory: int,
    start: float,
) -> bool:
    """Print the table of one database; whether the licences page reached its target."""
    print(f"\n{kind}, {accounts} accounts; ratios to the floor, medians of the rounds")
    head = (
        "page",
        "req/s",
        "p50",
        "p99",
        "CPU/req",
        "SQL",
        "bytes",
        "here: req/s",
        "CPU ms",
        "p99 ms",
    )
    rows: list[tuple[str, ...]] = [head]
    floors = [pair[0] for pairs in found.values() for pair in pairs]
    rows.append(
        ("floor", "1.00", "1.00", "1.00", "1.00", "3", str(floors[0].size), *_absolute(floors))
    )
    licences = 0.0
    for page in pages:
        pairs = found[page.name]
        speed = statistics.median(ours.per_second / base.per_second for base, ours in pairs)
        if page.name == "licences":
            licences = speed
        ratios = [
            statistics.median(getattr(ours, what) / getattr(base, what) for base, ours in pairs)
            for what in ("p50", "p99", "cpu")
        ]
        ours = [pair[1] for pair in pairs]
        rows.append(
            (
                page.name, f"{speed:.2f}", *(f"{ratio:.2f}" for ratio in ratios),
                str(page.statements), str(ours[0].size), *_absolute(ours),
            )
        )  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        print("  " + "  ".join(cells))
    print(
        f"  worker memory {memory / 2**20:.0f} MB (at most {MOST_MEMORY}; "
        f"the floor's {floor_memory / 2**20:.0f})"
    )
    print(f"  first full page {start:.2f} s after process start (at most {MOST_START})")
    reached = licences >= TARGET
    verdict = "reaches" if reached else "MISSES"
    print(f"  the licences page {verdict} {TARGET} of the floor: {licences:.2f} (aim {AIM})")
    return reached and memory <= MOST_MEMORY * 2**20 and start <= MOST_START


def _absolute(slices: list[Slice]) -> tuple[str, str, str]:
    return (
        f"{statistics.median(s.per_second for s in slices):.0f}",
        f"{statistics.median(s.cpu for s in slices) * 1000:.2f}",
        f"{statistics.median(s.p99 for s in slices):.1f}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer customers, fewer rounds")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--accounts", type=int, help="how many customers to generate")
    parser.add_argument(
        "--part", choices=["pages", "renewals", "debits", "desk"], help="only this one"
    )
    parser.add_argument("--size", type=int, nargs="+", help="how many subscriptions renew")
    given = parser.parse_args()
    accounts = given.accounts or (300 if given.quick else 2000)
    rounds, count, seconds = (4, 400, 1.0) if given.quick else (8, 600, 1.5)
    kinds = [given.database] if given.database else ["sqlite", "postgresql"]
    sizes = given.size or ([2_000] if given.quick else [10_000, 100_000])
    reached = []
    for kind in kinds:
        if given.part in (None, "pages"):
            reached.append(bench(kind, accounts, rounds, count, seconds))
        if given.part in (None, "renewals"):
            reached.append(bench_renewals(kind, sizes))
        if given.part in (None, "debits"):
            reached.append(bench_debits(kind, 64, 3.0 if given.quick else 10.0))
        if given.part in (None, "desk"):
            reached.append(bench_desk(kind, given.accounts or (5_000 if given.quick else 100_000)))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
