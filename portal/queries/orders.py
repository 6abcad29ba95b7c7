"""An order as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all, fetch_first
from portal.domain.money import Money
from portal.domain.order_lines import SUBSCRIPTION_KINDS
from portal.models import (
    AddOn,
    Checkout,
    Invoice,
    InvoiceLine,
    Member,
    Order,
    OrderLine,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    Person,
    Plan,
    Product,
    Quote,
    Subscription,
    SubscriptionItem,
)
from portal.queries.members import MOST_ADMINS, AdminRow

__all__ = [
    "CheckoutRow", "OrderLineRow", "OrderRow", "get_checkout", "get_order", "get_payment_step",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order with its latest attempt and its invoice, where there are any.

    `invoiced_from` is the last first day of what the invoice's lines are for.
    """

    id: int
    number: str
    status: str
    quote_id: int
    quote_number: str
    placed_at: datetime
    placed_on: date
    placed_by: str
    paid_at: datetime | None
    provisioned_at: datetime | None
    failure: dict[str, Any] | None
    currency: str
    net: Money
    tax: Money
    gross: Money
    tax_details: dict[str, Any]
    buyer: dict[str, Any]
    attempt_id: int | None
    attempt_status: str | None
    action_url: str | None
    invoice_number: str | None
    invoice_status: str | None
    method_kind: str | None
    method_brand: str | None
    method_last4: str | None
    invoiced_from: date | None


@dataclass(frozen=True, slots=True)
class OrderLineRow:
    """One line as it was charged, with the keys that name it: those of its item, where it has one.

    `details` are what it sold (see Sold and SoldOnce of portal.domain.order_lines); they outlive the
    item.
    """

    kind: str
    quantity: int
    unit_price: Money
    discount_basis_points: int
    days_left: int | None
    days: int | None
    net: Money
    discount: Money
    product_key: str | None
    plan_key: str | None
    add_on_key: str | None
    package_key: str | None
    details: dict[str, Any] | None

    @property
    def per_seat(self) -> bool:
        """Whether its quantity counts licences."""
        counts = self.kind in SUBSCRIPTION_KINDS or self.kind == "coming"
        return counts and (self.details or {}).get("per_seat", True) is True


@dataclass(frozen=True, slots=True)
class CheckoutRow:
    """What was chosen so far on the way to an order."""

    contact_member_id: int | None
    contact_name: str
    contact_email: str
    contact_member_name: str | None
    contact_member_email: str | None
    payment_method_id: int | None
    completed: bool


_LAST_ATTEMPT = (
    select(func.max(PaymentAttempt.id))
    .join(Payment, Payment.id == PaymentAttempt.payment_id)
    .where(Payment.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
)
_INVOICED_FROM = (
    select(func.max(InvoiceLine.period_starts_on))
    .where(InvoiceLine.invoice_id == Invoice.id)
    .correlate(Invoice)
    .scalar_subquery()
)
_ORDER = (
    select(
        Order.id,
        Order.number,
        Order.status,
        Order.quote_id,
        Quote.number,
        Order.placed_at,
        Order.placed_on,
        Person.name,
        Order.paid_at,
        Order.provisioned_at,
        Order.failure,
        Order.currency,
        Order.net_minor,
        Order.tax_minor,
        Order.gross_minor,
        Order.tax,
        Order.buyer,
        PaymentAttempt.id,
        PaymentAttempt.status,
        PaymentAttempt.action_url,
        Invoice.number,
        Invoice.status,
        PaymentMethod.kind,
        PaymentMethod.brand,
        PaymentMethod.last4,
        _INVOICED_FROM,
    )
    .join(Quote, Quote.id == Order.quote_id)
    .join(Person, Person.id == Order.placed_by_id)
    .outerjoin(PaymentAttempt, PaymentAttempt.id == _LAST_ATTEMPT)
    .outerjoin(PaymentMethod, PaymentMethod.id == PaymentAttempt.method_id)
    .outerjoin(Invoice, Invoice.order_id == Order.id)
    .where(Order.account_id == bindparam("account_id"), Order.id == bindparam("order_id"))
)
_LINES = (
    select(
        OrderLine.kind,
        OrderLine.quantity,
        OrderLine.unit_minor,
        OrderLine.discount_basis_points,
        OrderLine.days_left,
        OrderLine.days,
        OrderLine.net_minor,
        OrderLine.discount_minor,
        Product.key,
        Plan.key,
        AddOn.key,
        AddOn.package_key,
        OrderLine.details,
    )
    .outerjoin(SubscriptionItem, SubscriptionItem.id == OrderLine.item_id)
    .outerjoin(Subscription, Subscription.id == SubscriptionItem.subscription_id)
    .outerjoin(Product, Product.id == Subscription.product_id)
    .outerjoin(Plan, Plan.id == SubscriptionItem.plan_id)
    .outerjoin(AddOn, AddOn.id == SubscriptionItem.add_on_id)
    .where(OrderLine.order_id == bindparam("order_id"))
    .order_by(OrderLine.position)
)
_CHOSEN = (
    Checkout.contact_member_id,
    Checkout.contact_name,
    Checkout.contact_email,
    Person.name,
    Person.email,
    Checkout.payment_method_id,
    Checkout.completed,
)
_CHECKOUT = (
    select(*_CHOSEN)
    .join(Quote, Quote.id == Checkout.quote_id)
    .outerjoin(Member, Member.id == Checkout.contact_member_id)
    .outerjoin(Person, Person.id == Member.person_id)
    .where(Quote.account_id == bindparam("account_id"), Quote.id == bindparam("quote_id"))
)

# What was chosen and who may be chosen, in one statement: a row an admin, or one row without.
_ADMIN, _ADMIN_PERSON = Member.__table__.alias("admin"), Person.__table__.alias("admin_person")
_PAYMENT_STEP = (
    select(
        _ADMIN.c.id, _ADMIN_PERSON.c.id, _ADMIN_PERSON.c.name, _ADMIN_PERSON.c.email,
        Checkout.id, *_CHOSEN,
    )
    .select_from(Quote)
    .outerjoin(Checkout, Checkout.quote_id == Quote.id)
    .outerjoin(Member, Member.id == Checkout.contact_member_id)
    .outerjoin(Person, Person.id == Member.person_id)
    .outerjoin(
        _ADMIN,
        (_ADMIN.c.account_id == Quote.account_id)
        & (_ADMIN.c.role == "admin")
        & (_ADMIN.c.status != "deactivated"),
    )
    .outerjoin(_ADMIN_PERSON, _ADMIN_PERSON.c.id == _ADMIN.c.person_id)
    .where(Quote.account_id == bindparam("account_id"), Quote.id == bindparam("quote_id"))
    .order_by(_ADMIN_PERSON.c.name, _ADMIN.c.id)
    .limit(MOST_ADMINS)
)  # fmt: skip


def get_order(
    connection: Connection, account_id: int, order_id: int
) -> tuple[OrderRow, tuple[OrderLineRow, ...]] | None:
    """One order of the account with its lines, or None (also for another account's)."""
    row = fetch_first(connection, _ORDER, account_id=account_id, order_id=order_id)
    if row is None:
        return None
    currency = row[11]
    sums = [Money(minor, currency) for minor in row[12:15]]
    order = OrderRow(*(*row[:12], *sums, *row[15:]))
    lines = tuple(
        OrderLineRow(
            *(
                *line[:2],
                Money(line[2], currency),
                *line[3:6],
                *(Money(minor, currency) for minor in line[6:8]),
                *line[8:],
            )
        )
        for line in fetch_all(connection, _LINES, order_id=order_id)
    )
    return order, lines


def get_checkout(connection: Connection, account_id: int, quote_id: int) -> CheckoutRow | None:
    """What was chosen for a quote of the account, or None where nothing was yet."""
    row = fetch_first(connection, _CHECKOUT, account_id=account_id, quote_id=quote_id)
    return CheckoutRow(*row) if row is not None else None


def get_payment_step(
    connection: Connection, account_id: int, quote_id: int
) -> tuple[CheckoutRow | None, list[AdminRow]]:
    """What was chosen for a quote of the account, and its admins by name, invited ones included."""
    rows = fetch_all(connection, _PAYMENT_STEP, account_id=account_id, quote_id=quote_id)
    chosen = CheckoutRow(*rows[0][5:]) if rows and rows[0][4] is not None else None
    return chosen, [AdminRow(*row[:4]) for row in rows if row[0] is not None]
