"""The desk with 100,000 customers: its queue and its search, by statements and milliseconds.

Measured inside the process, a request at a time, as an account executive who serves a few hundred
customers and as an operator who serves them all. What is common is looked for too: a word that
every name has, and one beside it that few have.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import event, text
from werkzeug.test import Client

from portal.db import transaction
from portal.domain.permissions import StaffRole
from portal.extensions import db
from portal.models import SignInSession
from portal.services.staff import create_staff_member
from portal.web.signed_in import token_hash
from tests.benchmarks.site import HOST, Site
from tests.support.bulk import NAMES
from tests.support.bulk_desk import DeskCustomers
from tests.support.postgres import PostgresServer

__all__ = ["bench_desk"]

TRIES = 15
SLOWEST = 100  # milliseconds, the median of a page, on either database
MOST_STATEMENTS = 6
_TRADES = ("Bakkerij", "Garage", "Atelier", "Studio", "Drukkerij", "Kapsalon", "Werkzeugbau")
_OF_EXECUTIVE = 300  # every so manyth customer is the account executive's
_BUSY = 50  # every so manyth has something at the desk
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One page, asked for some times by one person."""

    who: str
    name: str
    statements: int
    median: float
    slowest: float


def bench_desk(kind: str, accounts: int) -> bool:
    """Measure on one kind of database, print the table; whether every page was quick enough."""
    with _filled(kind, accounts) as (made, number):
        logging.disable(logging.INFO)
        found = [
            _ask(made, who, name, path)
            for who in ("executive", "operator")
            for name, path in _pages(accounts, number)
        ]
    print(f"\n{kind}: the desk with {accounts} customers")
    print(f"  {'who':10} {'page':34} {'SQL':>4} {'median ms':>10} {'slowest ms':>11}")
    for one in found:
        print(f"  {one.who:10} {one.name:34} {one.statements:4d} {one.median:10.1f} "
              f"{one.slowest:11.1f}")  # fmt: skip
    reached = all(one.median <= SLOWEST and one.statements <= MOST_STATEMENTS for one in found)
    print(f"  {'reaches' if reached else 'MISSES'} {SLOWEST} ms and {MOST_STATEMENTS} statements")
    return reached


def _pages(accounts: int, number: str) -> list[tuple[str, str]]:
    place = accounts // 2 // _OF_EXECUTIVE * _OF_EXECUTIVE + 1  # one of the account executive's
    customer = place + 2  # the first account is the site's own
    return [
        ("queue", "/desk"),
        ("overdue", "/desk/overdue"),
        ("tasks", "/desk/tasks"),
        ("customers by name", "/desk/accounts"),
        ("customers, a page far behind", "/desk/accounts?after=Studio~1"),
        ("search: a rare word", f"/desk/accounts?q=nr{place}"),
        ("search: a common word", "/desk/accounts?q=holding"),
        ("search: a common and a rare word", f"/desk/accounts?q=holding+nr{place}"),
        ("search: two common words", "/desk/accounts?q=holding+garage"),
        ("search: nothing", "/desk/accounts?q=zzzz"),
        ("search: an e-mail address", f"/desk/accounts?q=b{customer}%40bulk.example"),
        ("search: a customer's number", f"/desk/accounts?q={customer}"),
        ("search: an invoice", f"/desk/accounts?q={number}"),
        ("one customer", f"/desk/accounts/{customer}"),
    ]


def _ask(made: Site, who: str, name: str, path: str) -> Asked:
    browser = Client(made.app)
    cookie = made.signed({"_user_id": who, "_fresh": True})
    browser.set_cookie("portal", cookie, domain=HOST)
    counted = 0

    def count(*_more: object) -> None:
        nonlocal counted
        counted += 1

    with made.app.app_context():
        engine = db.engine
    times = []
    for _ in range(TRIES):
        counted = 0
        event.listen(engine, "before_cursor_execute", count)
        begun = perf_counter()
        answer = browser.get(path, base_url=f"http://{HOST}")
        times.append((perf_counter() - begun) * 1_000)
        event.remove(engine, "before_cursor_execute", count)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    times.sort()
    return Asked(who, name, counted, times[len(times) // 2], times[-1])


@contextmanager
def _filled(kind: str, accounts: int) -> Iterator[tuple[Site, str]]:
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        path = Path(folder)
        if kind == "sqlite":
            made = Site(f"sqlite:///{path / 'desk.db'}", path)
            yield made, _fill(made, accounts)
        else:
            with PostgresServer() as postgres:
                made = Site(postgres.create_database("desk"), path)
                yield made, _fill(made, accounts)


def _fill(made: Site, accounts: int) -> str:
    """The customers, in chunks that fit into memory; the number of one of their invoices."""
    made.fill(1)
    with made.app.app_context():
        parts = made.app.extensions["portal"]
        now = parts.clock.now()
        with transaction() as session:
            executive = create_staff_member(session, "executive@bench.example", "Executive",
                                            role=StaffRole.ACCOUNT_EXECUTIVE, now=now)  # fmt: skip
            operator = create_staff_member(session, "operator@bench.example", "Operator",
                                           role=StaffRole.OPERATOR, now=now)  # fmt: skip
            for token, person_id in (("executive", executive.person_id),
                                     ("operator", operator.person_id)):  # fmt: skip
                session.add(_session_of(token, person_id, now))
        for first in range(0, accounts, _CHUNK):
            with transaction() as session:
                customers = DeskCustomers(session.connection(), parts.catalogue, now, locale="en")
                busy = []
                for place in range(first, min(first + _CHUNK, accounts)):
                    if place % _BUSY == 0:
                        busy.append(customers.add((2,), members=1, invoices=1))
                        continue
                    name = f"{_TRADES[place % 7]} {NAMES[place % 8]} Nr{place} Holding"
                    served = executive.id if place % _OF_EXECUTIVE == 1 else None
                    customers.add_bare(name, served)
                customers.put_on_desk(busy, executive_id=executive.id)
                customers.write(analyze=False)
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE"))
            number = connection.scalar(text("SELECT max(number) FROM invoice"))
        db.engine.dispose()
    return str(number)


def _session_of(token: str, person_id: int, now: datetime) -> SignInSession:
    return SignInSession(
        person_id=person_id, token_hash=token_hash(token), created_at=now, rotated_at=now,
        expires_at=now + timedelta(hours=12),
    )  # fmt: skip
