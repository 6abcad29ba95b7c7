"""The measured process of tests/benchmarks/renewals.py: runs what is due once, and tells of it.

python -m tests.benchmarks.renewal_worker 2026-11-25T12:00:00+00:00
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from time import perf_counter, process_time

from sqlalchemy import func, select

from portal.app import create_app
from portal.clock import clock
from portal.db import reading
from portal.jobs.renewals import run_renewals
from portal.jobs.worker import settle_in
from portal.models import BillingPeriod, Subscription


def _peak_memory() -> int:
    """The most memory that was resident, in bytes (getrusage's is that of the forking parent)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(x for x in status.splitlines() if x.startswith("VmHWM")).split()[1])


def main() -> None:
    """Renew, then print what it took as one line of JSON."""
    now = datetime.fromisoformat(sys.argv[1])
    clock.fix(now)
    app = create_app()
    settle_in()
    with app.app_context():
        begun, used = perf_counter(), process_time()
        run_renewals(app.extensions["portal"], {}, now)
        seconds, cpu = perf_counter() - begun, process_time() - used
        with reading() as connection:
            renewed = connection.scalar(
                select(func.count()).select_from(BillingPeriod).where(BillingPeriod.opened_at == now,
                                                                      BillingPeriod.number > 3)
            )  # fmt: skip
            renewed += connection.scalar(
                select(func.count())
                .select_from(BillingPeriod)
                .where(BillingPeriod.opened_at == now, BillingPeriod.number == 1,
                       BillingPeriod.starts_on >= now.date())
            )  # fmt: skip
            renewed += connection.scalar(
                select(func.count()).select_from(Subscription).where(Subscription.status == "ended")
            )
            parked = connection.scalar(
                select(func.count())
                .select_from(Subscription)
                .where(Subscription.parked_at.is_not(None))
            )
    print(
        json.dumps(
            {
                "renewed": renewed,
                "parked": parked,
                "seconds": seconds,
                "cpu": cpu,
                "memory": _peak_memory(),
            }
        )
    )


if __name__ == "__main__":
    main()
