"""Many rows, quickly: customers by the thousand for the benchmarks and for tests of growth.

    customers = Customers(connection, catalogue, now)
    first = customers.add(seats=(5, 4, 3))     # an account with three subscriptions, 12 licences
    customers.add_invoices(first, 10_000)
    customers.write()

Rows get their ids here and are written in one go: COPY on PostgreSQL, executemany on SQLite. They
look like the real ones to every query of a page; what only jobs read (jobs, outbox) is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, func, select, text

from portal.domain.catalogue import Catalogue
from portal.domain.periods import Interval, Term
from portal.domain.pricing import decide_vendor_tax
from portal.domain.quotes import subject_of_subscription
from portal.models import (
    Account,
    Assignment,
    AuditEvent,
    BillingPeriod,
    CreditEntry,
    Invoice,
    InvoiceLine,
    Member,
    MethodSetup,
    Order,
    OrderLine,
    Payment,
    PaymentMethod,
    Person,
    Plan,
    Price,
    Product,
    Quote,
    QuoteLine,
    QuoteSubject,
    SeatEntry,
    SignInSession,
    Subscription,
    SubscriptionItem,
    Wallet,
)
from portal.models import Term as TermRow
from portal.services.snapshots import seller_snapshot
from portal.web.signed_in import token_hash
from tests.support.bulk_writing import write_rows

__all__ = ["Customer", "Customers"]

INTERVAL, CURRENCY, RATE = "quarter", "EUR", 21
FORENAMES = ("Anna", "Bram", "Clara", "Dirk", "Elise", "Frank", "Greta", "Hugo", "Ines", "Jan")
NAMES = ("Peeters", "Janssens", "Maes", "Jacobs", "Mertens", "Willems", "Claes", "Goossens")


@dataclass(slots=True)
class Customer:
    """Ids of one generated account; the person is its first admin."""

    account_id: int
    person_id: int
    member_ids: list[int]
    subscription_ids: list[int] = field(default_factory=list)
    item_ids: list[int] = field(default_factory=list)
    open_quote_id: int = 0
    wallet_id: int = 0


@dataclass(frozen=True, slots=True)
class _Offer:
    """A plan with its price, as rows of the catalogue's tables."""

    product_id: int
    plan_id: int
    price_id: int
    unit_minor: int


class Customers:
    """Collects rows; `write()` inserts them. The catalogue must be in the database already."""

    def __init__(
        self, connection: Connection, catalogue: Catalogue, now: datetime, locale: str = "de"
    ) -> None:
        self.connection = connection
        self.catalogue = catalogue
        self.now = now
        self.locale = locale
        self.rows: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
        self._ids: dict[Any, int] = {}
        self._offers = self._read_offers()
        buyer = decide_vendor_tax(catalogue.vendor, "BE", None, "none")
        self._tax = {"treatment": buyer.treatment.value, "rate_country": "BE", "rate": str(RATE)}
        self._seller = seller_snapshot(catalogue.vendor)

    def add(
        self,
        seats: Sequence[int] = (5, 4, 3),
        *,
        members: int = 12,
        invoices: int = 8,
        locale: str | None = None,
    ) -> Customer:
        """One account: a subscription for each number of `seats`, one seat of each left free."""
        number = self._next_id(Account)
        account_id = self._row(Account, **self._account(number, locale or self.locale))
        member_ids = [
            self._member(account_id, number, place, locale or self.locale)
            for place in range(max(members, 1))
        ]
        person_id = self.rows[Person][-max(members, 1)]["id"]
        customer = Customer(account_id, person_id, member_ids)
        for offer, quantity in zip(self._offers, seats, strict=False):
            subscription_id, item_id = self._subscription(account_id, offer, quantity)
            for place, member_id in enumerate(member_ids[: max(quantity - 1, 0)]):
                self._assign(item_id, member_id, place)
            customer.subscription_ids.append(subscription_id)
            customer.item_ids.append(item_id)
        method_id = self._paying(customer)
        self.add_invoices(customer, invoices, method_id)
        self.add_quotes(customer, 2)
        self.add_events(customer, 10)
        customer.open_quote_id = self._quote(customer, "open", self.now, holds=True)
        return customer

    def add_members(self, customer: Customer, count: int, *, with_licence: bool = True) -> None:
        """`count` more people, each with a licence of the first subscription's plan."""
        first = len(customer.member_ids)
        for place in range(first, first + count):
            member_id = self._member(customer.account_id, customer.account_id, place, self.locale)
            if with_licence:
                self._assign(customer.item_ids[0], member_id, place)

    def add_invoices(self, customer: Customer, count: int, method_id: int | None = None) -> None:
        """`count` paid renewal invoices with a line and a payment each, one a day backwards."""
        offer = self._offers[0]
        net = offer.unit_minor * 12
        tax_minor = (net * RATE + 50) // 100
        groups = [{"rate": str(RATE), "net_minor": net, "tax_minor": tax_minor}]
        for place in range(count):
            at = self.now - timedelta(days=place % 900 + 1)
            sequence = self._next_id(Invoice)
            invoice_id = self._row(
                Invoice, account_id=customer.account_id, series="BULK", year=at.year,
                sequence=sequence, number=f"BULK-{at.year}-{sequence:07d}", kind="renewal",
                order_id=None, subscription_id=customer.subscription_ids[0], issued_at=at,
                issued_on=at.date(), due_on=at.date(), currency=CURRENCY, net_minor=net,
                tax_minor=tax_minor, gross_minor=net + tax_minor,
                tax={**self._tax, "groups": groups}, locale=self.locale, seller=self._seller,
                buyer=_buyer(customer.account_id), payment_terms="automatic",
                payment_reference="", status="paid", paid_minor=net + tax_minor, credited_minor=0,
                paid_at=at,
            )  # fmt: skip
            self._row(
                InvoiceLine, invoice_id=invoice_id, position=1, kind="seats",
                description="Kanto CRM Pro", item_id=customer.item_ids[0], quantity=12,
                unit_minor=offer.unit_minor, discount_basis_points=0, days_left=None, days=None,
                period_starts_on=at.date(), period_ends_on=at.date() + timedelta(days=91),
                net_minor=net, tax_rate=str(RATE), details=None,
            )  # fmt: skip
            self._row(
                Payment, account_id=customer.account_id, order_id=None, invoice_id=invoice_id,
                top_up_id=None, kind="automatic", amount_minor=net + tax_minor, refunded_minor=0,
                currency=CURRENCY, status="succeeded", method_id=method_id, bank_reference="",
                received_on=None, created_at=at, settled_at=at,
            )  # fmt: skip

    def add_quotes(self, customer: Customer, count: int) -> None:
        """`count` accepted quotes, each with its line and its order that was done."""
        for place in range(count):
            at = self.now - timedelta(days=place % 300 + 40)
            quote_id = self._quote(customer, "accepted", at, holds=False)
            net = self._offers[0].unit_minor
            order_id = self._row(
                Order, account_id=customer.account_id, quote_id=quote_id,
                number=f"O-{quote_id}", status="done", currency=CURRENCY, net_minor=net,
                tax_minor=0, gross_minor=net, tax={**self._tax, "groups": []},
                buyer=_buyer(customer.account_id), contact={"name": "Anna Peeters"},
                placed_at=at, placed_on=at.date(), placed_by_id=customer.person_id, paid_at=at,
                provisioned_at=at, failure=None, version=1,
            )  # fmt: skip
            self._row(
                OrderLine, order_id=order_id, position=1, kind="seats",
                item_id=customer.item_ids[0], price_id=self._offers[0].price_id, quantity=1,
                unit_minor=net, discount_basis_points=0, days_left=91, days=91,
                period_starts_on=at.date(), period_ends_on=at.date() + timedelta(days=91),
                net_minor=net, details=None,
            )  # fmt: skip

    def add_events(self, customer: Customer, count: int) -> None:
        """`count` entries of the activity page."""
        for place in range(count):
            self._row(
                AuditEvent, account_id=customer.account_id,
                at=self.now - timedelta(hours=count - place), actor_kind="person",
                actor_id=customer.person_id, actor_name="Anna Peeters",
                action="member_invited", subject=f"Person {place}", old=None,
                new={"email": f"person{place}@bulk.example", "role": "member"},
            )  # fmt: skip

    def add_uses(self, customer: Customer, count: int) -> None:
        """`count` uses of a credit each within a year, which leave none of as many bought."""
        first = self.now - timedelta(days=350)
        entry = {
            "wallet_id": customer.wallet_id, "order_line_id": None, "top_up_id": None, "note": "",
            "actor_id": None,
        }  # fmt: skip
        self._row(CreditEntry, **entry, at=first, change=count, balance_after=count,
                  reason="correction", usage_kind=None, idempotency_key=None, details=None)  # fmt: skip
        for place in range(count):
            self._row(
                CreditEntry, **entry, at=first + timedelta(days=349) * place / count, change=-1,
                balance_after=count - place - 1, reason="usage", usage_kind="sms",
                idempotency_key=f"bulk:{customer.wallet_id}:{place}", details={"quantity": 1},
            )  # fmt: skip

    def add_setup(self, customer: Customer) -> int:
        """A visit to the provider's page that was ended without a method; its id."""
        return self._row(
            MethodSetup, account_id=customer.account_id, person_id=customer.person_id,
            idempotency_key=f"bulk-setup-{customer.account_id}", gateway_ref=None, page_url="",
            return_path="/billing/payment-method", status="cancelled", refusal=None,
            payment_method_id=None, created_at=self.now, settled_at=self.now,
        )  # fmt: skip

    def sign_in(self, customer: Customer, token: str) -> None:
        """A session of the customer's first admin, known by `token`."""
        self._row(
            SignInSession, person_id=customer.person_id, account_id=customer.account_id,
            family=token[:32], token_hash=token_hash(token), created_at=self.now, rotated_at=self.now,
            expires_at=self.now + timedelta(hours=12), ended_at=None, browser="", address="",
        )  # fmt: skip

    def write(self, *, analyze: bool = True) -> None:
        """Insert everything collected so far, parents first."""
        write_rows(self.connection, self.rows)
        self.rows.clear()
        if analyze and self.connection.dialect.name == "postgresql":
            self.connection.execute(text("ANALYZE"))

    # --- rows ---------------------------------------------------------------------------------

    def _next_id(self, model: Any) -> int:
        if model not in self._ids:
            self._ids[model] = self.connection.scalar(select(func.max(model.id))) or 0
        return self._ids[model] + 1

    def _row(self, model: Any, **values: Any) -> int:
        row_id = self._next_id(model)
        self._ids[model] = row_id
        self.rows[model].append({**_unsaid(model), "id": row_id, **values})
        return row_id

    def _read_offers(self) -> list[_Offer]:
        rows = self.connection.execute(
            select(Product.id, Plan.id, Price.id, Price.unit_minor)
            .join(Plan, Plan.product_id == Product.id)
            .join(Price, Price.plan_id == Plan.id)
            .where(Price.interval == INTERVAL, Price.currency == CURRENCY,
                   Price.retired_at.is_(None), Product.key.in_(("crm", "desk", "sign")))
            .order_by(Product.id, Plan.rank.desc())
        )  # fmt: skip
        return list({row[0]: _Offer(*row) for row in rows}.values())

    def _account(self, number: int, locale: str) -> dict[str, Any]:
        return {
            "name": f"Company {number}", "locale": locale, "time_zone": "Europe/Brussels",
            "currency": CURRENCY, "payment_terms": "automatic", "account_executive_id": None,
            "vat_number": None, "vat_status": "none", "vat_checked_at": None,
            "billing_contact": "", "invoice_recipients": [], "gateway_customer": None,
            "created_at": self.now - timedelta(days=700), "external_ref": f"bulk-{number}",
            **{key: value for key, value in _buyer(number).items() if not key.startswith("vat")},
        }  # fmt: skip

    def _member(self, account_id: int, number: int, place: int, locale: str) -> int:
        added = self.now - timedelta(days=600, minutes=-place)
        name = f"{FORENAMES[place % len(FORENAMES)]} {NAMES[number % len(NAMES)]}"
        person_id = self._row(
            Person, email=f"p{place}.{number}@bulk.example", name=name, locale=locale,
            created_at=added,
        )  # fmt: skip
        role = ("admin", "billing_admin")[place] if place < 2 else "member"
        return self._row(
            Member, account_id=account_id, person_id=person_id, role=role, status="active",
            added_at=added, invited_by_id=None, deactivated_at=None,
        )  # fmt: skip

    def _subscription(self, account_id: int, offer: _Offer, quantity: int) -> tuple[int, int]:
        today = self.now.date()
        term = _running_term(today)
        first, current = term.start_of(0), 3
        subscription_id = self._row(
            Subscription, account_id=account_id, product_id=offer.product_id, status="active",
            anchor_day=term.anchor_day, started_on=first, trial_ends_on=None,
            read_only_from=None, ended_on=None, overhang=0, version=1, created_at=self.now,
            parked_at=None, parked_error=None,
        )  # fmt: skip
        term_id = self._row(
            TermRow, subscription_id=subscription_id, number=1, interval=INTERVAL,
            first_year=term.first_year, first_month=term.first_month,
        )  # fmt: skip
        for k in range(current + 1):
            self._row(
                BillingPeriod, subscription_id=subscription_id, term_id=term_id, number=k + 1,
                starts_on=term.start_of(k), ends_on=term.start_of(k + 1),
                is_current=k == current, renewal_invoice_id=None, opened_at=self.now,
                closed_at=None,
            )  # fmt: skip
        item_id = self._row(
            SubscriptionItem, subscription_id=subscription_id, kind="plan",
            plan_id=offer.plan_id, add_on_id=None, per_seat=True, quantity=quantity,
            price_id=offer.price_id, added_at=self.now, removed_at=None,
        )  # fmt: skip
        self._row(
            SeatEntry, item_id=item_id, at=self.now, effective_on=first, change=quantity,
            quantity_after=quantity, reason="start", order_line_id=None,
            scheduled_change_id=None, actor_id=None,
        )  # fmt: skip
        return subscription_id, item_id

    def _assign(self, item_id: int, member_id: int, place: int) -> None:
        self._row(
            Assignment, item_id=item_id, member_id=member_id,
            assigned_at=self.now - timedelta(days=500) + timedelta(seconds=place), freed_at=None,
            freed_because=None,
        )  # fmt: skip

    def _paying(self, customer: Customer) -> int:
        customer.wallet_id = self._row(
            Wallet, account_id=customer.account_id, balance=0, auto_top_up=False,
            threshold=None, pack_key=None, monthly_cap_minor=None, declines=0, next_try_at=None,
            top_up_asked=False,
        )  # fmt: skip
        return self._row(
            PaymentMethod, account_id=customer.account_id, kind="card",
            gateway_ref=f"bulk_pm_{customer.account_id}", brand="visa", last4="4242",
            expires_year=self.now.year + 3, expires_month=12, funding="credit", mandate_ref="",
            is_default=True, added_at=self.now, removed_at=None,
        )  # fmt: skip

    def _quote(self, customer: Customer, status: str, at: datetime, *, holds: bool) -> int:
        number = self._next_id(Quote)
        quote_id = self._row(
            Quote, account_id=customer.account_id, number=f"BULK-Q-{number}", status=status,
            source="cart", cart_id=None, currency=CURRENCY, created_at=at, created_on=at.date(),
            valid_until=at.date() + timedelta(days=30), created_by_id=customer.person_id,
            message="", decline_reason="", closed_at=None if holds else at,
            superseded_by_id=None, version=1,
        )  # fmt: skip
        self._row(
            QuoteLine, quote_id=quote_id, position=1, kind="seats", item_id=customer.item_ids[0],
            price_id=self._offers[0].price_id, quantity=3, unit_minor=self._offers[0].unit_minor,
            discount_basis_points=0, details=None,
        )  # fmt: skip
        self._row(
            QuoteSubject, quote_id=quote_id, holds=holds,
            subject=subject_of_subscription(customer.subscription_ids[0]),
        )  # fmt: skip
        return quote_id


def _running_term(today: date) -> Term:
    """A quarterly term in whose fourth period `today` is, well before the renewal."""
    months = 12 * today.year + today.month - 1 - (1 if today.day < 5 else 0) - 3 * 3
    return Term(Interval.QUARTER, months // 12, months % 12 + 1, 5)


def _buyer(number: int) -> dict[str, Any]:
    return {
        "company_name": f"Company {number}", "address_line1": f"Meir {number % 300 + 1}",
        "address_line2": "", "postal_code": "2000", "city": "Antwerpen", "country": "BE",
        "vat_number": None, "vat_status": "none", "billing_email": f"b{number}@bulk.example",
        "purchase_order": "",
    }  # fmt: skip


@cache
def _unsaid(model: Any) -> dict[str, Any]:
    """What a row has where nothing is said: the columns' own defaults, or NULL."""
    return {
        column.name: column.default.arg if column.default is not None else None
        for column in model.__table__.columns
        if column.nullable or (column.default is not None and column.default.is_scalar)
    }
