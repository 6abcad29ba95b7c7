"""Steps of a purchase for tests: who buys, with which card, how far it has come.

The service steps (`quoted`, `ready`, `placed`, `collected`) need an app context and write through
`transaction()`, as the edges do. The web steps (`WebPurchase`) are those of a browser without
JavaScript.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import transaction
from portal.domain.quotes import terms_key
from portal.extensions import db
from portal.models import (
    Account,
    Assignment,
    DemoObject,
    Invoice,
    Member,
    Order,
    PaymentAttempt,
    PaymentMethod,
    Person,
    Product,
    Quote,
    SeatEntry,
    Subscription,
    SubscriptionItem,
)
from portal.parts import Parts
from portal.payments.demo_gateway import seed_method
from portal.payments.demo_numbers import TEST_NUMBERS, TestNumber
from portal.payments.gateway import MethodKind, Patience
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor
from portal.services.carts import save_seat_cart
from portal.services.checkout import Contact, save_choice, save_contact
from portal.services.collecting import collect_attempt
from portal.services.ordering import PlacedOrder, place_order
from portal.services.quoting import preview_quote, quote_cart
from tests.support.client import PortalClient
from tests.support.html import Page

ATELIER, MUELLER = "Atelier Noordzee BV", "Müller & Söhne Werkzeugbau GmbH"
LUMIERE, OFFICINE = "Lumière Conseil SAS", "Officine Valdarno S.p.A."
BRIGHTWATER = "Brightwater Studio Ltd"

LOTTE = "lotte.verbeke@atelier-noordzee.example"  # admin, English
PIETER = "pieter.claes@atelier-noordzee.example"  # admin, Dutch
AN = "an.declercq@atelier-noordzee.example"  # billing admin
JONAS = "jonas.wittevrongel@atelier-noordzee.example"  # member
KAREL = "karel.ostyn@atelier-noordzee.example"  # deactivated
KATRIN = "katrin.mueller@mueller-soehne.example"  # German, SEPA debit
CAMILLE = "camille.roussel@lumiere-conseil.example"  # French, bank transfer
GIULIA = "giulia.ferrante@officine-valdarno.example"  # Italian, five products, an open quote
AMELIA = "amelia.hart@brightwater.example"  # a trial

CARD = "4242424242424242"
THREE_D_SECURE = "4000002760003184"
NO_MONEY = "4000000000009995"
DEBIT = "AT611904300234573201"
DEBIT_FAILS = "AT861904300235473202"
DEBIT_REVERSED = "AT591904300235473203"


def test_number(number: str) -> TestNumber:
    """One of the demo provider's test numbers."""
    return next(test for test in TEST_NUMBERS if test.number == number)


test_number.__test__ = False  # type: ignore[attr-defined]  # pytest: not a test


def account_named(session: Session, name: str) -> Account:
    """A demo customer."""
    return session.scalars(select(Account).where(Account.name == name)).one()


def member_of(session: Session, account: str, email: str) -> Member:
    """The membership of a person in a demo customer."""
    query = (
        select(Member)
        .join(Person, Person.id == Member.person_id)
        .where(Person.email == email, Member.account_id == account_named(session, account).id)
    )
    return session.scalars(query).one()


def plan_item(session: Session, account: str, product: str = "crm") -> SubscriptionItem:
    """The item that is the plan of one of a customer's products."""
    query = (
        select(SubscriptionItem)
        .join(Subscription, Subscription.id == SubscriptionItem.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .where(
            Subscription.account_id == account_named(session, account).id,
            Product.key == product,
            SubscriptionItem.kind == "plan",
        )
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one()


def use_method(session: Session, account: str, number: str) -> int:
    """Make a test number the account's default method, as if its page had been visited."""
    row, test = account_named(session, account), test_number(number)
    card = test.kind is MethodKind.CARD
    year, month = (2034, 12) if card else (None, None)
    session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.account_id == row.id, PaymentMethod.removed_at.is_(None))
        .values(is_default=False, removed_at=clock.now())
    )
    customer, ref = seed_method(
        session, f"{row.id}:{number}", test.kind.value, test.brand, test.last4, year, month,
        behaviour=test.behaviour.value, now=clock.now(),
    )  # fmt: skip
    row.gateway_customer = customer
    method = PaymentMethod(
        account_id=row.id, kind=test.kind.value, gateway_ref=ref, brand=test.brand,
        last4=test.last4, expires_year=year, expires_month=month, funding=test.funding,
        is_default=True, added_at=clock.now(),
    )  # fmt: skip
    session.add(method)
    session.flush()
    return int(method.id)


def actor_of(session: Session, email: str) -> Actor:
    """A person as the one who acts."""
    person = session.scalars(select(Person).where(Person.email == email)).one()
    return Actor("person", person.name, person.id)


# --- the steps of a purchase, by services ------------------------------------------------------


def quoted(
    parts: Parts,
    *,
    account: str = ATELIER,
    email: str = LOTTE,
    added: int = 3,
    totals: dict[int, int] | None = None,
    replaces: Iterable[int] = (),
) -> int:
    """A cart was saved and quoted; the quote's id. `totals` by item id, else `added` to the CRM."""
    now = clock.now()
    with transaction() as session:
        row, actor = account_named(session, account), actor_of(session, email)
        if totals is None:
            item = plan_item(session, account)
            totals = {item.id: item.quantity + added}
        assert actor.person_id is not None
        cart = save_seat_cart(session, row.id, actor.person_id, totals, now)
        quote = quote_cart(
            session, cart, catalogue=parts.catalogue, actor=actor, replaces=list(replaces), now=now
        )
        return int(quote.id)


def ready(parts: Parts, quote_id: int, contact: Contact | None = None) -> None:
    """The payment step was completed, by default with the account's first admin as contact."""
    with transaction() as session:
        quote = session.get_one(Quote, quote_id)
        account_id = quote.account_id
        if contact is None:
            query = select(func.min(Member.id)).where(
                Member.account_id == account_id, Member.role == "admin"
            )
            contact = Contact(session.scalar(query))
        method = session.scalar(
            select(PaymentMethod.id).where(
                PaymentMethod.account_id == account_id, PaymentMethod.is_default
            )
        )
        save_contact(
            session, account_id, quote_id, contact, clock.now(), may_manage_members=True
        )  # fmt: skip
        save_choice(
            session, account_id, quote_id, payment_method_id=method, completed=True, now=clock.now()
        )


def shown_terms(parts: Parts, quote_id: int) -> str:
    """The key of the terms that the service order shows today."""
    with transaction() as session:
        quote = session.get_one(Quote, quote_id)
        connection = session.connection()
        account = session.get_one(Account, quote.account_id)
        row = get_quote(connection, account.id, quote_id)
        assert row is not None
        today = clock.today(account.time_zone)
        priced = preview_quote(
            row.lines,
            list_subscription_states(connection, account.id, today),
            get_account_buying(connection, account.id),
            parts.catalogue,
            today,
        )
        return terms_key(priced)


def placed(
    parts: Parts, quote_id: int, *, email: str = LOTTE, shown: str | None = None
) -> PlacedOrder:
    """The service order was placed; nothing is collected yet."""
    shown = shown if shown is not None else shown_terms(parts, quote_id)
    with transaction() as session:
        return place_order(
            session,
            session.get_one(Quote, quote_id).account_id,
            quote_id,
            shown=shown,
            catalogue=parts.catalogue,
            actor=actor_of(session, email),
            now=clock.now(),
        )


def order_ready_to_pay(parts: Parts, **cart: Any) -> PlacedOrder:
    """Everything up to the placed order with its reserved attempt."""
    quote_id = quoted(parts, **cart)
    ready(parts, quote_id)
    return placed(parts, quote_id, email=cart.get("email", LOTTE))


def collected(parts: Parts, attempt_id: int | None) -> bool:
    """The request's own call to the provider."""
    assert attempt_id is not None
    return collect_attempt(
        transaction,
        parts.gateway,
        attempt_id,
        catalogue=parts.catalogue,
        public_url=parts.settings.public_url,
        patience=Patience.ON_SCREEN,
        now=clock.now,
    )


# --- what there is -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a purchase may have changed, to be compared as one value."""

    order: str
    attempts: tuple[str, ...]
    invoices: tuple[tuple[int, str, int], ...]
    seats: int
    ledger: int
    quote: str


def outcome_of(session: Session, order_id: int) -> Outcome:
    """What became of an order, its money and its seats."""
    session.expire_all()
    order = session.get_one(Order, order_id)
    account = session.get_one(Account, order.account_id)
    item = plan_item(session, account.name)
    attempts = session.scalars(
        select(PaymentAttempt.status)
        .where(PaymentAttempt.idempotency_key.like(f"pi:order-{order_id}:%"))
        .order_by(PaymentAttempt.id)
    )
    invoices = session.execute(
        select(Invoice.gross_minor, Invoice.status, Invoice.paid_minor).where(
            Invoice.order_id == order_id
        )
    )
    ledger = session.scalar(select(func.sum(SeatEntry.change)).where(SeatEntry.item_id == item.id))
    return Outcome(
        order=order.status,
        attempts=tuple(attempts),
        invoices=tuple((row[0], row[1], row[2]) for row in invoices),
        seats=item.quantity,
        ledger=int(ledger or 0),
        quote=session.get_one(Quote, order.quote_id).status,
    )


def charges(session: Session) -> list[DemoObject]:
    """The charges in the demo provider's books, without those of the demo's past."""
    session.expire_all()
    query = (
        select(DemoObject)
        .where(DemoObject.kind == "charge", ~DemoObject.ref.like("demo_pi_seed_%"))
        .order_by(DemoObject.id)
    )
    return list(session.scalars(query))


def held_by(session: Session, item_id: int) -> list[int]:
    """The members who hold a licence of an item now."""
    query = select(Assignment.member_id).where(
        Assignment.item_id == item_id, Assignment.freed_at.is_(None)
    )
    return list(session.scalars(query))


def row_counts(session: Session) -> dict[str, int]:
    """How many rows each table has: what changed nothing leaves them as they are."""
    tables = db.metadata.sorted_tables
    return {
        table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
    }


def speak(client: PortalClient, email: str, locale: str) -> None:
    """Let a person's pages be in `locale`, so that a test can read them."""
    with client.app.app_context(), transaction() as session:
        session.execute(update(Person).where(Person.email == email).values(locale=locale))


# --- the steps of a purchase, in a browser without JavaScript ----------------------------------


class WebPurchase:
    """One person buys seats of one product through the pages."""

    def __init__(self, client: PortalClient, email: str, locale: str = "en") -> None:
        self.client = client
        speak(client, email, locale)
        client.sign_in(email)
        client.get("/licences")
        self.add_url = next((link for link in self.page.links() if link.endswith("/add")), "")
        self.quote_url = self.order_url = ""

    @property
    def page(self) -> Page:
        """The page on screen."""
        assert self.client.page is not None
        return self.client.page

    @property
    def text(self) -> str:
        """Its text."""
        return self.page.text()

    @property
    def quote_id(self) -> int:
        """The quote that was made."""
        return int(self.quote_url.rpartition("/")[2])

    @property
    def order_id(self) -> int:
        """The order that was placed."""
        return int(self.order_url.rpartition("/")[2])

    @property
    def payment_url(self) -> str:
        """The payment step."""
        return f"/checkout/{self.quote_id}/payment"

    @property
    def service_order_url(self) -> str:
        """The service order."""
        return f"/checkout/{self.quote_id}/service-order"

    def open_form(self) -> dict[str, Any]:
        """The form of new totals, as the browser would send it."""
        self.client.get(self.add_url)
        return self.page.fields("seats")

    def save_cart(self, added: int = 3) -> None:
        """Add seats to the first item, save, and look at the quote."""
        fields = self.open_form()
        first = next(name for name in fields if name.startswith("item_"))
        fields[first] = str(int(fields[first]) + added)
        answer = self.client.post(self.add_url, {**fields, "action": "save"})
        self.quote_url = answer.headers["Location"]
        self.client.follow(answer)

    def complete_payment(self, **changed: str) -> None:
        """Fill the payment step in and go to the service order."""
        self.client.get(self.payment_url)
        fields = {**self.page.fields("payment"), **changed, "action": "save"}
        answer = self.client.post(self.payment_url, fields)
        assert answer.headers["Location"] == self.service_order_url
        self.client.follow(answer)

    def terms(self) -> str:
        """The key of the amount that the service order shows."""
        return str(self.page.fields()["shown"])

    def place(self) -> None:
        """Press the button that spends money, and look at the order."""
        answer = self.client.post(self.service_order_url, {"shown": self.terms()})
        self.order_url = answer.headers["Location"]
        assert self.order_url.startswith("/orders/"), self.order_url
        self.client.follow(answer)

    def buy(self, added: int = 3, **changed: str) -> None:
        """From the licences page to the order's."""
        self.save_cart(added)
        self.complete_payment(**changed)
        self.place()
