"""A measured client of tests/benchmarks/debits.py: books text messages for some seconds.

    python -m tests.benchmarks.debit_client NAME SECONDS ACCOUNT_ID…

It says `ready`, waits for a line, and ends with one line of JSON.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle
from time import perf_counter

from portal.app import create_app
from portal.db import transaction
from portal.services.wallet_debits import debit_wallet


def main() -> None:
    """Book until the time is over, one transaction a debit, as the API does."""
    name, seconds, *accounts = sys.argv[1:]
    app = create_app()
    parts = app.extensions["portal"]
    wallets = cycle([int(each) for each in accounts])
    spans: list[float] = []
    refused = 0

    def book(key: str) -> bool:
        with transaction() as session:
            return debit_wallet(
                session, next(wallets), "sms", quantity=1, key=key, catalogue=parts.catalogue,
                now=parts.clock.now(),
            ).is_accepted  # fmt: skip

    with app.app_context():
        for number in range(20):
            book(f"{name}:warm:{number}")
        print("ready", flush=True)
        sys.stdin.readline()
        end = perf_counter() + float(seconds)
        while (begun := perf_counter()) < end:
            refused += not book(f"{name}:{len(spans)}")
            spans.append(perf_counter() - begun)
    spans.sort()
    print(json.dumps({"debits": len(spans), "refused": refused, "p50": spans[len(spans) // 2],
                      "p99": spans[len(spans) * 99 // 100]}))  # fmt: skip


if __name__ == "__main__":
    main()
