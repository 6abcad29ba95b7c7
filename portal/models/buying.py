"""Cart, quote, checkout, order: from what is wanted to what was bought."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Currency,
    Id,
    Instant,
    LongText,
    Minor,
    Name,
    OptionalInstant,
    append_only,
    one_of,
    reference,
)

LINE_KINDS = (
    "seats",
    "plan_credit",
    "plan_charge",
    "add_on",
    "credits",
    "service",
    "free",
    "start",
    "coming",
)
"""free: an account executive's own words and price. coming: what an order adds to a period that was
invoiced ahead already (I3)."""


class Cart(db.Model):
    """What a person is about to buy for an account: one open cart each.

    `message` and `valid_until` are what an account executive has typed so far to send with a quote.
    """

    __tablename__ = "cart"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    person_id: Mapped[int] = reference("person.id", index=False)
    status: Mapped[Code]
    created_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    message: Mapped[LongText] = mapped_column(default="")
    valid_until: Mapped[date | None]
    __table_args__ = (
        one_of("status", "open", "ordered", "emptied"),
        Index(
            "uq_cart_open",
            "account_id",
            "person_id",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )


class CartLine(db.Model):
    """One wish of a cart; for seats `quantity` is the new total of the item, never the difference.

    A discount stands in the cart of an account executive alone, who prepares a quote in it.
    """

    __tablename__ = "cart_line"
    id: Mapped[Id]
    cart_id: Mapped[int] = reference("cart.id", index=False)
    kind: Mapped[Code]
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    subject_key: Mapped[str] = mapped_column(String(120), default="")
    quantity: Mapped[int]
    discount_basis_points: Mapped[int] = mapped_column(default=0)
    discount_minor: Mapped[Minor] = mapped_column(default=0)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (
        one_of("kind", *LINE_KINDS),
        Index(
            "uq_cart_line",
            "cart_id",
            "kind",
            text("coalesce(item_id, 0)"),
            "subject_key",
            unique=True,
        ),
    )


_OPEN = "status = 'open'"

# Written out, not bound: so both databases see that the partial index of open quotes holds it.
OPEN_QUOTE = text(f"quote.{_OPEN}")


class Quote(db.Model):
    """Pins unit prices, discounts and lines (Q2). `valid_until` is the account's last local day.

    `version` grows with every change of status, so a stale click is noticed.
    """

    __tablename__ = "quote"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    number: Mapped[str] = mapped_column(String(40), unique=True)
    status: Mapped[Code]
    source: Mapped[Code]
    cart_id: Mapped[int | None] = reference("cart.id", index=False, nullable=True)
    currency: Mapped[Currency]
    created_at: Mapped[Instant]
    created_on: Mapped[date]
    valid_until: Mapped[date]
    created_by_id: Mapped[int] = reference("person.id", index=False)
    message: Mapped[LongText] = mapped_column(default="")
    decline_reason: Mapped[LongText] = mapped_column(default="")
    closed_at: Mapped[OptionalInstant]
    superseded_by_id: Mapped[int | None] = reference("quote.id", index=False, nullable=True)
    version: Mapped[int] = mapped_column(default=1)
    __table_args__ = (
        one_of("status", "open", "accepted", "declined", "expired", "superseded", "withdrawn"),
        one_of("source", "cart", "staff"),
        # What expires, and what is reminded of before.
        Index(
            "ix_quote_open",
            "valid_until",
            "id",
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
    )


class QuoteLine(db.Model):
    """One line with its pinned unit price; the proration is of the day the order is placed (Q2)."""

    __tablename__ = "quote_line"
    id: Mapped[Id]
    quote_id: Mapped[int] = reference("quote.id", index=False)
    position: Mapped[int]
    kind: Mapped[Code]
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    price_id: Mapped[int | None] = reference("price.id", index=False, nullable=True)
    quantity: Mapped[int]
    unit_minor: Mapped[Minor]
    discount_basis_points: Mapped[int] = mapped_column(default=0)
    discount_minor: Mapped[Minor] = mapped_column(default=0)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (
        UniqueConstraint("quote_id", "position"),
        one_of("kind", *LINE_KINDS),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("discount_basis_points BETWEEN 0 AND 10000", name="discount"),
        CheckConstraint("discount_minor >= 0", name="discount_minor"),
    )


class QuoteSubject(db.Model):
    """What a quote would change. `holds` while it is open or its payment is unresolved (Q1)."""

    __tablename__ = "quote_subject"
    id: Mapped[Id]
    quote_id: Mapped[int] = reference("quote.id")
    subject: Mapped[str] = mapped_column(String(80))
    holds: Mapped[bool]
    __table_args__ = (
        UniqueConstraint("quote_id", "subject"),
        Index(
            "uq_quote_subject_held",
            "subject",
            unique=True,
            sqlite_where=text("holds"),
            postgresql_where=text("holds"),
        ),
    )


class Checkout(db.Model):
    """What was chosen on the way to an order, kept when the customer goes back: one a quote."""

    __tablename__ = "checkout"
    id: Mapped[Id]
    quote_id: Mapped[int] = reference("quote.id", index=False)
    contact_member_id: Mapped[int | None] = reference("member.id", index=False, nullable=True)
    contact_name: Mapped[Name] = mapped_column(default="")
    contact_email: Mapped[str] = mapped_column(String(254), default="")
    payment_method_id: Mapped[int | None] = reference(
        "payment_method.id", index=False, nullable=True
    )
    completed: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[Instant]
    __table_args__ = (UniqueConstraint("quote_id"),)


_NOT_ENDED = "status NOT IN ('failed', 'abandoned')"

# Written out, not bound: so both databases see that the partial index of live orders holds it.
LIVE_ORDER = text(f"customer_order.{_NOT_ENDED}")


class Order(db.Model):
    """A placed quote. At most one that has not failed per quote, so one checkout has one effect (Q4).

    placed → requires_action | processing | failed | abandoned; paid (granted) → done. That of a
    bank-transfer customer is invoiced first, and granted once the transfer is booked (Q3).
    """

    __tablename__ = "customer_order"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id")
    quote_id: Mapped[int] = reference("quote.id", index=False)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    status: Mapped[Code]
    currency: Mapped[Currency]
    net_minor: Mapped[Minor]
    tax_minor: Mapped[Minor]
    gross_minor: Mapped[Minor]
    tax: Mapped[dict[str, Any]] = mapped_column(JSON)
    buyer: Mapped[dict[str, Any]] = mapped_column(JSON)
    contact: Mapped[dict[str, Any]] = mapped_column(JSON)
    placed_at: Mapped[Instant]
    placed_on: Mapped[date]
    placed_by_id: Mapped[int] = reference("person.id", index=False)
    paid_at: Mapped[OptionalInstant]
    provisioned_at: Mapped[OptionalInstant]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int] = mapped_column(default=1)
    __table_args__ = (
        one_of(
            "status", "placed", "requires_action", "invoiced", "failed", "abandoned", "paid", "done"
        ),
        # What waits for a transfer: it lapses at a renewal.
        Index(
            "ix_customer_order_invoiced",
            "account_id",
            sqlite_where=text("status = 'invoiced'"),
            postgresql_where=text("status = 'invoiced'"),
        ),
        Index(
            "uq_customer_order_quote",
            "quote_id",
            unique=True,
            sqlite_where=text(_NOT_ENDED),
            postgresql_where=text(_NOT_ENDED),
        ),
    )


class OrderLine(db.Model):
    """One line as it was shown and charged, with its formula. Append-only."""

    __tablename__ = "order_line"
    id: Mapped[Id]
    order_id: Mapped[int] = reference("customer_order.id", index=False)
    position: Mapped[int]
    kind: Mapped[Code]
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    price_id: Mapped[int | None] = reference("price.id", index=False, nullable=True)
    quantity: Mapped[int]
    unit_minor: Mapped[Minor]
    discount_basis_points: Mapped[int]
    discount_minor: Mapped[Minor] = mapped_column(default=0)
    days_left: Mapped[int | None]
    days: Mapped[int | None]
    period_starts_on: Mapped[date | None]
    period_ends_on: Mapped[date | None]
    net_minor: Mapped[Minor]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (UniqueConstraint("order_id", "position"), one_of("kind", *LINE_KINDS))


append_only(OrderLine.__table__)
