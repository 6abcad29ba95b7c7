"""The URL map as the guards walk it: every rule with real values in its address.

A route with an argument that is not known here fails the guards, so that whoever adds one also
says whether it names something of a customer (OWNED) and how to find one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from portal.clock import clock
from portal.db import transaction
from portal.extensions import db
from portal.mail.mailbox import DemoMailbox
from portal.mail.transport import RenderedMail
from portal.models import (
    Account,
    AccountNote,
    BankEntry,
    BankStatement,
    ChangeRequest,
    Consent,
    CreditGrant,
    CreditNote,
    DemoMail,
    DemoObject,
    DeskTask,
    Invoice,
    Member,
    Order,
    Payment,
    Person,
    Quote,
    RequestMessage,
    RequestStep,
    ScheduledChange,
    ServiceRequest,
    SignInLink,
    SignInSession,
    StaffMember,
    Subscription,
    SupportMessage,
)
from portal.parts import Parts
from portal.services.support_messages import send_message
from portal.web.access import access_of, staff_permission
from portal.web.signed_in import token_hash
from tests.support.buying import (
    ATELIER,
    KATRIN,
    LOTTE,
    MUELLER,
    THREE_D_SECURE,
    account_named,
    actor_of,
    collected,
    order_ready_to_pay,
    plan_item,
    use_method,
)
from tests.support.changes import wait_for_fewer_seats
from tests.support.client import PortalClient
from tests.support.crediting import credited

__all__ = [
    "ABSENT",
    "EXECUTIVE",
    "OPERATOR",
    "OWNED",
    "Owner",
    "Route",
    "contents",
    "furnish",
    "owner_of",
    "routes",
]

EXECUTIVE, OPERATOR = "hugo.peeters@kanto.example", "greta.wouters@kanto.example"
"""The vendor's people: who serves the first of the two customers, and who serves everyone."""

LINK_TOKEN = "a-sign-in-link-of-the-guards-0123456789"

OWNED = frozenset(
    {"account_id", "change_id", "credit_note", "member_id", "message_id", "note_id", "number",
     "order_id", "quote_id", "request_id", "session_id", "setup_id", "subscription_id", "task_id",
     "entry_id", "grant_id", "payment_id", "service_id", "statement_id"}
)  # fmt: skip
"""Arguments that name something of one account or one person."""

ABSENT: dict[str, Any] = dict.fromkeys(OWNED, 987654321) | {
    "credit_note": "KAN-CN-1999-00001",
    "number": "KAN-1999-00001",
}
"""Values that name nothing."""

_REST = frozenset(
    {"add_on_key", "digest", "job_id", "locale", "mail_id", "name", "outbox_id", "package_key", "place", "plan_key",
     "product_key", "ref", "service_key", "token", "year"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """One rule and one method."""

    rule: str
    endpoint: str
    method: str
    access: str
    arguments: frozenset[str]

    @property
    def is_owned(self) -> bool:
        """Whether its address names something of a customer."""
        return bool(self.arguments & OWNED)

    @property
    def is_of_staff(self) -> bool:
        """Whether it is a route of the desk."""
        return staff_permission(self.access) is not None

    def path(self, values: dict[str, Any]) -> str:
        """Its address with `values`."""
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), self.rule)


@dataclass(frozen=True, slots=True)
class Owner:
    """A customer with everything that addresses can name."""

    email: str
    values: dict[str, Any]


def routes(app: Flask, *methods: str) -> list[Route]:
    """Every route of the app that answers one of `methods`."""
    found = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        arguments = frozenset(rule.arguments)
        unknown = arguments - OWNED - _REST
        assert not unknown, f"{rule.rule}: tell tests/guards/site.py what {sorted(unknown)} is"
        access = access_of(app.view_functions[rule.endpoint])
        assert access is not None, f"{rule.rule} declares no permission"
        found += [
            Route(rule.rule, rule.endpoint, method, access, arguments)
            for method in methods
            if method in _methods(rule)
        ]
    return found


def _methods(rule: Rule) -> set[str]:
    return set(rule.methods or ())


def furnish(app: Flask, parts: Parts) -> tuple[Owner, Owner]:
    """Give two customers an order, an invoice, a visit to the payment page; each with its admin."""
    owners = []
    for email, account in ((LOTTE, ATELIER), (KATRIN, MUELLER)):
        client = PortalClient(app)
        client.sign_in(email)
        client.get("/billing/payment-method")
        client.post("/billing/payment-method/setups", {})
        with app.app_context():
            if email == LOTTE:  # a payment that waits for the bank
                with transaction() as session:
                    use_method(session, account, THREE_D_SECURE)
            placed = order_ready_to_pay(parts, account=account, email=email)
            collected(parts, placed.attempt_id)
            wait_for_fewer_seats(parts, account, email=email)
            credited(parts, account, amounts={1: 100})
            with transaction() as session:
                send_message(
                    session, account_named(session, account).id, "Guards", "Who goes there?",
                    catalogue=parts.catalogue, actor=actor_of(session, email), now=clock.now(),
                )  # fmt: skip
            with transaction() as session:
                _put_on_the_desk(session, account_named(session, account))
            owners.append(owner_of(email, account))
    with app.app_context(), transaction() as session:
        person = session.scalars(select(Person).where(Person.email == LOTTE)).one()
        session.add(
            SignInLink(
                person_id=person.id, token_hash=token_hash(LINK_TOKEN), created_at=clock.now(),
                expires_at=clock.now() + timedelta(minutes=10),
            )
        )  # fmt: skip
        session.add(
            Consent(
                member_id=owners[0].values["member_id"], subject="deactivation",
                token_hash=token_hash(LINK_TOKEN), words="I agree.", locale="en",
                asked_at=clock.now(), asked_by_id=person.id, details={"when": "now"},
            )
        )  # fmt: skip
    with app.app_context():
        DemoMailbox("portal@kanto.example").send(_mail())
    return owners[0], owners[1]


def _put_on_the_desk(session: Session, account: Account) -> None:
    """A note, a task, a request; the first customer is the account executive's, the other nobody's."""
    hugo = session.scalars(select(Person).where(Person.email == EXECUTIVE)).one()
    served_by = select(StaffMember.id).where(StaffMember.person_id == hugo.id)
    account.account_executive_id = session.scalar(served_by) if account.name == ATELIER else None
    session.add(AccountNote(account_id=account.id, at=clock.now(), author_id=hugo.id,
                            text="Who goes there?"))  # fmt: skip
    session.add(DeskTask(account_id=account.id, kind="overhang", created_at=clock.now(),
                         dedupe_key=f"guards:{account.id}", details={"licences": 1}))  # fmt: skip
    asker = session.scalars(
        select(Member.person_id).where(Member.account_id == account.id, Member.role == "admin")
    ).first()
    _put_money_on_the_desk(session, account, hugo.id)
    session.add(ServiceRequest(
        account_id=account.id, package_key="done-for-you", status="asked", wishes="Who goes there?",
        asked_by_id=asker, asked_at=clock.now(), changed_at=clock.now(),
    ))  # fmt: skip
    request = ChangeRequest(
        account_id=account.id, kind="fewer_seats", item_id=plan_item(session, account.name).id,
        quantity=1, details="Who goes there?", status="sent", sent_at=clock.now(),
        sent_on=clock.now().date(), sent_by_id=asker,
    )  # fmt: skip
    session.add(request)
    session.flush()
    session.add(RequestStep(request_id=request.id, at=clock.now(), status="sent", author_id=asker,
                            from_staff=False))  # fmt: skip
    session.add(RequestMessage(request_id=request.id, at=clock.now(), author_id=asker,
                               from_staff=False, text="Who goes there?"))  # fmt: skip


def _put_money_on_the_desk(session: Session, account: Account, hugo_id: int) -> None:
    """Credits to approve, and a bank statement: that of the second customer is an operator's import."""
    greta = session.scalars(select(Person).where(Person.email == OPERATOR)).one()
    importer = hugo_id if account.name == ATELIER else greta.id
    session.add(CreditGrant(account_id=account.id, credits=5_000, reason="Who goes there?",
                            status="waiting", asked_by_id=hugo_id, asked_at=clock.now()))  # fmt: skip
    statement = BankStatement(iban="BE68539007547034", number="1", currency="EUR", entries=1,
                              imported_at=clock.now(), imported_by_id=importer)  # fmt: skip
    session.add(statement)
    session.flush()
    session.add(BankEntry(statement_id=statement.id, key=f"guards:{account.id}",
                          booked_on=clock.now().date(), amount_minor=100, currency="EUR",
                          payer_text="Who goes there?", status="waiting"))  # fmt: skip
    session.flush()


def _mail() -> RenderedMail:
    from portal.mail.transport import Attachment

    return RenderedMail(
        recipient=LOTTE, subject="Guards", locale="en", text="Text", html="<p>Text</p>",
        message_id="<guards@kanto.example>", attachments=(Attachment("a.txt", "text/plain", b"a"),),
    )  # fmt: skip


def owner_of(email: str, account: str) -> Owner:
    """What belongs to that account, and to that person; needs an app context."""
    with transaction() as session:
        row = session.scalars(select(Account).where(Account.name == account)).one()
        person = session.scalars(select(Person).where(Person.email == email)).one()

        def latest(query: Select[Any]) -> Any:
            found = session.scalar(query)
            assert found is not None, query
            return found

        def of_account(table: Any, column: Any = None) -> Any:
            wanted = func.max(column if column is not None else table.id)
            return latest(select(wanted).where(table.account_id == row.id))

        setups = db.metadata.tables["method_setup"]
        values = {
            "account_id": row.id,
            "change_id": latest(
                select(func.max(ScheduledChange.id))
                .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
                .where(Subscription.account_id == row.id, ScheduledChange.kind == "seats")
            ),
            "credit_note": of_account(CreditNote, CreditNote.number),
            "member_id": latest(
                select(func.min(Member.id)).where(
                    Member.account_id == row.id, Member.person_id != person.id
                )
            ),
            "entry_id": latest(select(BankEntry.id).where(BankEntry.key == f"guards:{row.id}")),
            "grant_id": of_account(CreditGrant),
            "message_id": of_account(SupportMessage),
            "note_id": of_account(AccountNote),
            "number": of_account(Invoice, Invoice.number),
            "order_id": of_account(Order),
            "payment_id": of_account(Payment),
            "quote_id": of_account(Quote),
            "request_id": of_account(ChangeRequest),
            "service_id": of_account(ServiceRequest),
            "session_id": latest(
                select(func.max(SignInSession.id)).where(SignInSession.person_id == person.id)
            ),
            "setup_id": latest(select(func.max(setups.c.id)).where(setups.c.account_id == row.id)),
            "statement_id": latest(
                select(BankEntry.statement_id).where(BankEntry.key == f"guards:{row.id}")
            ),
            "subscription_id": latest(
                select(func.min(Subscription.id)).where(Subscription.account_id == row.id)
            ),
            "task_id": of_account(DeskTask),
        }
    return Owner(email, values)


def rest_values(app: Flask) -> dict[str, Any]:
    """Values of the arguments that belong to nobody."""
    asset = app.extensions["portal_assets"]["portal.css"]
    with app.app_context(), transaction() as session:
        return {
            "digest": asset.digest,
            "name": asset.name,
            "locale": "en",
            "job_id": 1,
            "outbox_id": 1,
            "mail_id": session.scalar(select(func.max(DemoMail.id))),
            "place": 0,
            "token": LINK_TOKEN,
            "year": 2026,
            "plan_key": "enterprise",
            "add_on_key": "appointments",
            "package_key": "basic",
            "product_key": "sign",
            "service_key": "together",
            "setups": session.scalar(select(DemoObject.ref).where(DemoObject.kind == "setup")),
            "charges": session.scalar(select(DemoObject.ref).where(DemoObject.kind == "charge")),
        }


def with_rest(route: Route, owned: dict[str, Any], rest: dict[str, Any]) -> str:
    """The address of a route with the values of an owner and of nobody."""
    values = owned | rest
    if "ref" in route.arguments:
        values["ref"] = rest["charges" if "charges" in route.rule else "setups"]
    return route.path(values)


def contents(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the sessions', to see whether anything has changed."""
    with app.app_context(), transaction() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(select(table))), key=repr)
            for table in db.metadata.sorted_tables
            if table.name != "sign_in_session"
        }


def addresses(
    app: Flask, owned: dict[str, Any], rest: dict[str, Any], *methods: str
) -> Iterator[tuple[Route, str]]:
    """Every route with its address."""
    for route in routes(app, *methods):
        yield route, with_rest(route, owned, rest)
