"""Pages read with few statements, of a number that does not grow, and a GET writes nothing.

At most 4 statements for the licences page and 6 for any other, session and person included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.clock import clock
from portal.db import transaction
from portal.extensions import db
from portal.models import (
    BillingPeriod,
    Invoice,
    Order,
    ScheduledChange,
    SignInSession,
    SupportMessage,
    SupportReply,
)
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.crediting import credit_invoice
from portal.web.access import PUBLIC
from tests.guards.site import Owner, Route, furnish, rest_values, routes, with_rest
from tests.support.bulk import Customer, Customers
from tests.support.client import PortalClient

LICENCES_PAGE, ANY_PAGE = 4, 6
MANY = 10_000

# The three addresses to which the provider's pages send people back; both are idempotent.
MAY_WRITE = {"orders.back_from_bank", "owed.back_from_bank", "payment_method.returned"}
# A file with everything of a year, or of the account: a statement for each file and each thousand
# rows of it, so that memory stays bounded. tests/web/data_export holds that they use indexes.
WHOLE_ACCOUNT = {"data_export.archive", "invoices.year_archive", "wallet.history_file"}
# SCAN of a table; an index that SQLite makes for one query; the search for a highest id.
_WHOLE_TABLE = re.compile(r"^SCAN (?!CONSTANT|\(|anon_)|AUTOMATIC|^SEARCH \w+$")
_READS = re.compile(r"\s*(SELECT|WITH|PRAGMA)\b", re.IGNORECASE)
_AROUND = re.compile(r"\s*(BEGIN|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA)\b", re.IGNORECASE)


@dataclass
class Seen:
    """What one request sent to the database, with the parameters."""

    statements: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    @property
    def writes(self) -> list[str]:
        return [s for s in self.statements if not _READS.match(s) and not _AROUND.match(s)]

    @property
    def count(self) -> int:
        return len([s for s in self.statements if not _AROUND.match(s)])


@contextmanager
def watching(app: Flask) -> Iterator[Seen]:
    """Every statement of every connection of the app."""
    with app.app_context():
        engine = db.engine
    seen = Seen()

    def note(_connection, _cursor, statement, parameters, *_more):  # type: ignore[no-untyped-def]
        seen.statements.append(statement)
        seen.parameters.append(parameters)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fetch(client: PortalClient, path: str) -> tuple[TestResponse, Seen]:
    """GET, whatever the answer; no page may fail."""
    with watching(client.app) as seen:
        answer = client.browser.get(path)
    assert answer.status_code < 500, f"{path} answered {answer.status_code}"
    return answer, seen


@pytest.fixture
def owner(app: Flask, parts: Parts) -> Owner:
    return furnish(app, parts)[0]


def test_a_get_writes_nothing_and_takes_few_statements(app: Flask, owner: Owner) -> None:
    """Every GET route, signed in as an admin and as nobody."""
    rest = rest_values(app)
    admin, nobody = PortalClient(app), PortalClient(app)
    admin.sign_in(owner.email)
    wrong: list[str] = []
    for client in (admin, nobody):
        for route in routes(app, "GET"):
            _, seen = fetch(client, with_rest(route, owner.values, rest))
            if route.endpoint in MAY_WRITE:
                continue
            if seen.writes:
                wrong.append(f"{route.rule} writes: {seen.writes}")
            if route.endpoint in WHOLE_ACCOUNT:
                continue
            most = LICENCES_PAGE if route.rule == "/licences" else ANY_PAGE
            if seen.count > most:
                wrong.append(f"{route.rule} takes {seen.count} statements, not {most}")
    assert not wrong, "\n".join(wrong)


def test_the_exceptions_are_the_return_addresses(app: Flask) -> None:
    """Only what the payment pages lead back to may write on a GET, and both exist."""
    found = {route.endpoint for route in routes(app, "GET") if route.rule.endswith("/return")}
    assert found == MAY_WRITE


def values_of(app: Flask, customer: Customer, setup_id: int) -> dict[str, Any]:
    """What the addresses of a generated customer are made of."""
    with app.app_context(), transaction() as session:
        return {
            "account_id": customer.account_id,
            "change_id": _waiting_reduction(session, customer),
            "credit_note": _credit_note(session, app, customer),
            "member_id": customer.member_ids[0],
            "message_id": _message(session, customer),
            "subscription_id": customer.subscription_ids[0],
            "quote_id": customer.open_quote_id,
            "setup_id": setup_id,
            "number": session.scalar(
                select(func.max(Invoice.number)).where(Invoice.account_id == customer.account_id)
            ),
            "order_id": session.scalar(
                select(func.max(Order.id)).where(Order.account_id == customer.account_id)
            ),
            "session_id": session.scalar(
                select(SignInSession.id).where(SignInSession.person_id == customer.person_id)
            ),
            "year": clock.now().year,
            "plan_key": "enterprise",
            "add_on_key": "appointments",
            "package_key": "basic",
            "product_key": "sign",
            "service_key": "together",
        }


def _message(session: Session, customer: Customer) -> int:
    """To the vendor, with an answer."""
    message = SupportMessage(
        account_id=customer.account_id, author_id=customer.person_id, about="Help", text="Help!",
        status="answered", sent_at=clock.now(), changed_at=clock.now(),
    )  # fmt: skip
    session.add(message)
    session.flush()
    session.add(
        SupportReply(message_id=message.id, at=clock.now(), author_id=customer.person_id,
                     from_staff=True, text="Here it comes.")
    )  # fmt: skip
    return int(message.id)


def _credit_note(session: Session, app: Flask, customer: Customer) -> str:
    """A cent less of one of the invoices."""
    invoice = session.scalars(
        select(Invoice).where(Invoice.account_id == customer.account_id).limit(1)
    ).one()
    return credit_invoice(
        session, invoice, reason="renewal_changed", amounts={1: 1}, actor=SYSTEM, now=clock.now(),
        catalogue=app.extensions["portal"].catalogue,
    ).number  # fmt: skip


def _waiting_reduction(session: Session, customer: Customer) -> int:
    """One seat fewer of the first subscription, at the end of its period."""
    period = select(BillingPeriod).where(
        BillingPeriod.subscription_id == customer.subscription_ids[0], BillingPeriod.is_current
    )
    change = ScheduledChange(
        subscription_id=customer.subscription_ids[0], item_id=customer.item_ids[0], kind="seats",
        delta=-1, target={}, effective_on=session.scalars(period).one().ends_on,
        status="waiting", asked_at=clock.now(), asked_by_id=customer.person_id,
    )  # fmt: skip
    session.add(change)
    session.flush()
    return int(change.id)


def as_admin_of(app: Flask, token: str) -> PortalClient:
    client = PortalClient(app)
    with client.browser.session_transaction() as cookie:
        cookie["_user_id"] = token
    return client


def of_the_account(app: Flask) -> list[Route]:
    """The routes that show something of the account, but not all that there is."""
    return [
        route
        for route in routes(app, "GET")
        if route.access != PUBLIC and route.endpoint not in WHOLE_ACCOUNT | MAY_WRITE
    ]


def test_pages_do_not_grow_with_the_account(app: Flask, parts: Parts) -> None:
    """1 and 10,000 members, licences, invoices, events: the same number of statements."""
    with app.app_context(), transaction() as session:
        customers = Customers(session.connection(), parts.catalogue, clock.now(), locale="en")
        small = customers.add((2, 2, 2), members=1, invoices=1)
        middle = customers.add((30, 2, 2), members=20, invoices=1)
        large = customers.add((MANY + 50, 2, 2), members=12)
        customers.add_members(large, MANY)
        customers.add_invoices(large, MANY)
        customers.add_events(large, MANY)
        customers.add_quotes(large, MANY // 10)
        customers.add_uses(small, 1)
        customers.add_uses(large, MANY)
        setups = {}
        for customer, token in ((small, "small"), (middle, "middle"), (large, "large")):
            customers.sign_in(customer, token)
            setups[token] = customers.add_setup(customer)
        customers.write()
        _waiting_reduction(session, middle)
        for _ in range(MANY // 100):
            _message(session, large)

    one, many = as_admin_of(app, "small"), as_admin_of(app, "large")
    values = values_of(app, small, setups["small"]), values_of(app, large, setups["large"])
    wrong: list[str] = []
    for route in of_the_account(app):
        (first, few), (second, lots) = (
            fetch(client, route.path(own)) for client, own in zip((one, many), values, strict=True)
        )
        assert first.status_code == second.status_code, route.rule
        most = LICENCES_PAGE if route.rule == "/licences" else ANY_PAGE
        if lots.count > most or few.count > most:
            wrong.append(f"{route.rule} takes {few.count} and {lots.count} statements, not {most}")
        if lots.count != few.count:
            wrong.append(
                f"{route.rule} takes {few.count} statements for one, {lots.count} for many"
            )
    assert not wrong, "\n".join(wrong)

    # The page shows the first holders and how many more there are, be it 20 or 10,000.
    some, _ = fetch(as_admin_of(app, "middle"), "/licences")
    all_of_them, _ = fetch(many, "/licences")
    assert some.status_code == all_of_them.status_code == 200
    assert abs(len(all_of_them.data) - len(some.data)) < 300
    for path in (
        "/invoices",
        "/quotes",
        "/activity",
        "/members",
        "/wallet",
        "/wallet/history",
        f"/licences/{large.subscription_ids[0]}",
    ):
        assert len(fetch(many, path)[0].data) < 80_000, path


def test_pages_find_their_rows_by_an_index(app: Flask, database: Any, owner: Owner) -> None:
    """No page reads a whole table: it would cost every customer what all customers have."""
    if database.name != "sqlite":
        pytest.skip("SQLite says how it answers whatever the tables hold; PostgreSQL does not")
    admin, rest = PortalClient(app), rest_values(app)
    admin.sign_in(owner.email)
    wrong: list[str] = []
    for route in of_the_account(app):
        _, seen = fetch(admin, with_rest(route, owner.values, rest))
        with app.app_context(), db.engine.connect() as connection:
            for statement, parameters in zip(seen.statements, seen.parameters, strict=True):
                if not re.match(r"\s*(SELECT|WITH)\b", statement):
                    continue
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                wrong += [
                    f"{route.rule}: {row[3]} in {statement}"
                    for row in plan
                    if _WHOLE_TABLE.search(row[3])
                ]
    assert not wrong, "\n".join(wrong)
