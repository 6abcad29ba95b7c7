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
from portal.domain.requests import RequestKind
from portal.extensions import db
from portal.models import (
    Account,
    BillingPeriod,
    ChangeRequest,
    Invoice,
    Order,
    Person,
    RequestMessage,
    ScheduledChange,
    ServiceRequest,
    SignInSession,
    StaffMember,
    Subscription,
    SupportMessage,
    SupportReply,
)
from portal.parts import Parts
from portal.services.audit import SYSTEM
from portal.services.crediting import credit_invoice
from portal.web.access import PUBLIC
from tests.guards.site import (
    EXECUTIVE,
    OPERATOR,
    Owner,
    Route,
    furnish,
    rest_values,
    routes,
    with_rest,
)
from tests.support.bulk import Customer, Customers
from tests.support.bulk_desk import DeskCustomers
from tests.support.buying import LUMIERE, account_named
from tests.support.client import PortalClient
from tests.support.requests import asked_for

LICENCES_PAGE, ANY_PAGE = 4, 6
MANY = 10_000

# The three addresses to which the provider's pages send people back; both are idempotent.
MAY_WRITE = {"orders.back_from_bank", "owed.back_from_bank", "payment_method.returned"}
# A file with everything of a year, or of the account: a statement for each file and each thousand
# rows of it, so that memory stays bounded. tests/web/data_export holds that they use indexes.
WHOLE_ACCOUNT = {"data_export.archive", "invoices.year_archive", "wallet.history_file"}
# SCAN of a table; an index that SQLite makes for one query; the search for a highest id.
_WHOLE_TABLE = re.compile(r"^SCAN (?!CONSTANT|\(|anon_)|AUTOMATIC|^SEARCH \w+$")
# What a page of the desk reads by another statement.
DESK_QUERIES = {
    "/desk/accounts": ("?q=atelier", "?q=de+atelier", "?q=a%40b.example", "?q=KAN-2026-00001",
                       "?after=A~1", "?q=atelier&after=atelier~1"),
    "/desk/tasks": ("?state=done", "?kind=overhang", "?after=2026-01-01T00:00:00%2B00:00~1"),
    "/desk/overdue": ("?after=2026-01-01~1",),
    "/desk/support": ("?state=answered", "?state=closed", "?after=2026-01-01T00:00:00%2B00:00~1"),
    "/desk/support/packages": ("?state=closed",),
}  # fmt: skip
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
    """Every GET route, signed in as an admin, as the vendor's people, and as nobody."""
    rest = rest_values(app)
    clients = [PortalClient(app) for _ in range(4)]
    for client, email in zip(clients, (owner.email, EXECUTIVE, OPERATOR), strict=False):
        client.sign_in(email)
    wrong: list[str] = []
    for client in clients:  # the last of them is nobody
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
            "request_id": _request(session, customer),
            "service_id": _package(session, customer),
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


def _package(session: Session, customer: Customer) -> int:
    """Asked for, and delivered."""
    request = ServiceRequest(
        account_id=customer.account_id, package_key="done-for-you", status="done",
        asked_by_id=customer.person_id, asked_at=clock.now(), changed_at=clock.now(),
        closed_at=clock.now(),
    )  # fmt: skip
    session.add(request)
    session.flush()
    return int(request.id)


def _request(session: Session, customer: Customer) -> int:
    """To the account executive, with a message."""
    request = ChangeRequest(
        account_id=customer.account_id, kind="fewer_seats", item_id=customer.item_ids[0],
        quantity=1, details="Help!", status="sent", sent_at=clock.now(),
        sent_on=clock.now().date(), sent_by_id=customer.person_id,
    )  # fmt: skip
    session.add(request)
    session.flush()
    session.add(
        RequestMessage(request_id=request.id, at=clock.now(), author_id=customer.person_id,
                       from_staff=False, text="Soon?")
    )  # fmt: skip
    return int(request.id)


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
        if route.access != PUBLIC
        and route.endpoint not in WHOLE_ACCOUNT | MAY_WRITE
        and not route.is_of_staff
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


def test_the_desk_does_not_grow_with_the_customers(app: Flask, parts: Parts) -> None:
    """A handful and thousands of customers, requests, tasks, overdue transfers: few statements."""
    clients = [PortalClient(app) for _ in range(2)]
    for client, email in zip(clients, (EXECUTIVE, OPERATOR), strict=True):
        client.sign_in(email)
    with app.app_context(), transaction() as session:
        served = session.scalars(
            select(StaffMember.id)
            .join(Person, Person.id == StaffMember.person_id)
            .where(Person.email == EXECUTIVE)
        ).one()
        first = session.scalar(select(Account.id).where(Account.account_executive_id == served))
    lists = [
        f"{route.path({'account_id': first})}{query}"
        for route in routes(app, "GET")
        if route.is_of_staff and route.arguments <= {"account_id"}
        for query in ("", *DESK_QUERIES.get(route.rule, ()))
    ]
    before = [fetch(client, path)[1].count for client in clients for path in lists]
    with app.app_context(), transaction() as session:
        customers = DeskCustomers(session.connection(), parts.catalogue, clock.now(), locale="en")
        crowd = [customers.add((2,), members=1, invoices=1) for _ in range(MANY // 20)]
        customers.put_on_desk(crowd, executive_id=served)
        customers.write()
    wrong: list[str] = []
    for (client, path), few in zip(
        [(client, path) for client in clients for path in lists], before, strict=True
    ):
        answer, seen = fetch(client, path)
        if seen.count != few or seen.count > ANY_PAGE:
            wrong.append(f"{path} takes {few} statements, then {seen.count}")
        assert len(answer.data) < 80_000, path
    assert not wrong, "\n".join(wrong)


def test_the_desk_does_not_grow_with_one_customer(app: Flask, parts: Parts) -> None:
    """A customer with 10,000 of everything takes the statements of one with a handful."""
    client = PortalClient(app)
    client.sign_in(OPERATOR)
    with app.app_context(), transaction() as session:
        customers = Customers(session.connection(), parts.catalogue, clock.now(), locale="en")
        small = customers.add((2, 2, 2), members=1, invoices=1)
        large = customers.add((MANY + 50, 2, 2), members=12)
        customers.add_members(large, MANY)
        customers.add_invoices(large, MANY)
        customers.add_events(large, MANY)
        customers.add_quotes(large, MANY // 10)
        customers.add_uses(small, 1)
        customers.add_uses(large, MANY)
        setups = [customers.add_setup(customer) for customer in (small, large)]
        customers.write()
        for _ in range(MANY // 100):
            _request(session, large)
            _message(session, large)
            _package(session, large)
    few, lots = values_of(app, small, setups[0]), values_of(app, large, setups[1])
    wrong: list[str] = []
    for route in routes(app, "GET"):
        if not (route.is_of_staff and "account_id" in route.arguments <= few.keys()):
            continue
        (first, one), (second, many) = (fetch(client, route.path(own)) for own in (few, lots))
        assert first.status_code == second.status_code, route.rule
        if one.count != many.count or many.count > ANY_PAGE:
            wrong.append(f"{route.rule} takes {one.count} and {many.count} statements")
        assert len(second.data) < 80_000, route.rule
    assert not wrong, "\n".join(wrong)


def test_the_desk_reads_what_it_is_about_to_do_with_few_statements(
    app: Flask, parts: Parts
) -> None:
    """The invoice of a request with its price, and a trial that may be extended."""
    client = PortalClient(app)
    client.sign_in(OPERATOR)
    with app.app_context():
        request_id = asked_for(parts, RequestKind.MORE_SEATS)
        with transaction() as session:
            asking = account_named(session, LUMIERE).id
            trial = session.scalars(
                select(Subscription).where(Subscription.status == "trial").limit(1)
            ).one()
            trying = f"/desk/accounts/{trial.account_id}/trials/{trial.id}"
    for path in (f"/desk/accounts/{asking}/requests/{request_id}/invoice", trying):
        answer, seen = fetch(client, path)
        assert answer.status_code == 200, path
        assert not seen.writes, path
        assert seen.count <= ANY_PAGE, f"{path} takes {seen.count} statements"


def test_pages_find_their_rows_by_an_index(app: Flask, database: Any, owner: Owner) -> None:
    """No page reads a whole table: it would cost every customer what all customers have."""
    if database.name != "sqlite":
        pytest.skip("SQLite says how it answers whatever the tables hold; PostgreSQL does not")
    rest = rest_values(app)
    admin, executive, operator = (PortalClient(app) for _ in range(3))
    admin.sign_in(owner.email)
    executive.sign_in(EXECUTIVE)
    operator.sign_in(OPERATOR)
    of_customers = [(admin, route, "") for route in of_the_account(app)]
    at_the_desk = [
        (client, route, query)
        for client in (executive, operator)
        for route in routes(app, "GET")
        if route.is_of_staff
        for query in ("", *DESK_QUERIES.get(route.rule, ()))
    ]
    # At the desk all that is open may be read: an index of that alone is as short as the list.
    of_what_is_open = {
        str(index.name)
        for table in db.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    wrong: list[str] = []
    for client, route, query in of_customers + at_the_desk:
        _, seen = fetch(client, with_rest(route, owner.values, rest) + query)
        with app.app_context(), db.engine.connect() as connection:
            for statement, parameters in zip(seen.statements, seen.parameters, strict=True):
                if not re.match(r"\s*(SELECT|WITH)\b", statement):
                    continue
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                wrong += [
                    f"{route.rule}: {row[3]} in {statement}"
                    for row in plan
                    if _WHOLE_TABLE.search(row[3])
                    and not (route.is_of_staff and set(row[3].split()) & of_what_is_open)
                ]
    assert not wrong, "\n".join(wrong)
