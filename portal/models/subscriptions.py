"""Subscriptions, their terms and periods, seats and who holds them."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Id,
    Instant,
    OptionalInstant,
    append_only,
    one_of,
    reference,
)

_UNPAID_TRIAL = "status IN ('trial', 'read_only')"

# Written out, not bound: so both databases see that the partial index of the trials holds it.
UNPAID_TRIAL = text(f"subscription.{_UNPAID_TRIAL}")


class Subscription(db.Model):
    """One product of one account; one that has not ended per account and product.

    `anchor_day` never changes (P1) and is set by the paid start; a trial has none (C5). A trial's
    `trial_ends_on` is its last day; over unpaid, it is read_only since `read_only_from`.
    """

    __tablename__ = "subscription"
    id: Mapped[Id]
    account_id: Mapped[int] = reference("account.id", index=False)
    product_id: Mapped[int] = reference("product.id", index=False)
    status: Mapped[Code]
    anchor_day: Mapped[int | None]
    started_on: Mapped[date]
    trial_ends_on: Mapped[date | None]
    read_only_from: Mapped[date | None]
    ended_on: Mapped[date | None]
    overhang: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Instant]
    parked_at: Mapped[OptionalInstant]
    parked_error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    __table_args__ = (
        one_of("status", "trial", "read_only", "active", "suspended", "ended"),
        CheckConstraint("anchor_day BETWEEN 1 AND 31", name="anchor_day"),
        CheckConstraint(
            "status NOT IN ('trial', 'read_only') OR trial_ends_on IS NOT NULL",
            name="trial_ends_on",
        ),
        CheckConstraint(
            "status <> 'read_only' OR read_only_from IS NOT NULL", name="read_only_from"
        ),
        Index("ix_subscription_account_id", "account_id"),
        Index(
            "uq_subscription_live",
            "account_id",
            "product_id",
            unique=True,
            sqlite_where=text("status <> 'ended'"),
            postgresql_where=text("status <> 'ended'"),
        ),
        Index(
            "ix_subscription_trial",
            "trial_ends_on",
            "id",
            sqlite_where=text(_UNPAID_TRIAL),
            postgresql_where=text(_UNPAID_TRIAL),
        ),
        Index(
            "ix_subscription_overhang",
            "id",
            sqlite_where=text("overhang > 0"),
            postgresql_where=text("overhang > 0"),
        ),
        Index(
            "ix_subscription_parked",
            "parked_at",
            sqlite_where=text("parked_at IS NOT NULL"),
            postgresql_where=text("parked_at IS NOT NULL"),
        ),
    )


class Term(db.Model):
    """A run of periods of one interval; period k starts k intervals after its first month (P1)."""

    __tablename__ = "term"
    id: Mapped[Id]
    subscription_id: Mapped[int] = reference("subscription.id", index=False)
    number: Mapped[int]
    interval: Mapped[Code]
    first_year: Mapped[int]
    first_month: Mapped[int]
    __table_args__ = (
        UniqueConstraint("subscription_id", "number"),
        one_of("interval", "month", "quarter", "year"),
    )


class BillingPeriod(db.Model):
    """Half-open local dates [starts_on, ends_on); points to the one renewal invoice (P2).

    `number` counts the periods of its term from 1.
    `is_current` marks the period a subscription is in: one each.
    """

    __tablename__ = "billing_period"
    id: Mapped[Id]
    subscription_id: Mapped[int] = reference("subscription.id", index=False)
    term_id: Mapped[int] = reference("term.id", index=False)
    number: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    is_current: Mapped[bool]
    renewal_invoice_id: Mapped[int | None] = reference("invoice.id", nullable=True)
    opened_at: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]
    __table_args__ = (
        UniqueConstraint("subscription_id", "starts_on"),
        CheckConstraint("starts_on < ends_on", name="order"),
        Index(
            "uq_billing_period_current",
            "subscription_id",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
        Index(
            "ix_billing_period_due",
            "ends_on",
            "id",
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
    )


class SubscriptionItem(db.Model):
    """The plan or an add-on of a subscription, its quantity and its pinned price (C4).

    `quantity` is the sum of the item's seat entries, kept here so that reading is cheap.
    """

    __tablename__ = "subscription_item"
    id: Mapped[Id]
    subscription_id: Mapped[int] = reference("subscription.id", index=False)
    kind: Mapped[Code]
    plan_id: Mapped[int | None] = reference("plan.id", index=False, nullable=True)
    add_on_id: Mapped[int | None] = reference("add_on.id", index=False, nullable=True)
    per_seat: Mapped[bool]
    quantity: Mapped[int]
    price_id: Mapped[int | None] = reference("price.id", index=False, nullable=True)
    added_at: Mapped[Instant]
    removed_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("kind", "plan", "add_on"),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint(
            "(kind = 'plan' AND plan_id IS NOT NULL AND add_on_id IS NULL)"
            " OR (kind = 'add_on' AND add_on_id IS NOT NULL AND plan_id IS NULL)",
            name="subject",
        ),
        Index("ix_subscription_item_subscription_id", "subscription_id"),
        Index(
            "uq_subscription_item_plan",
            "subscription_id",
            unique=True,
            sqlite_where=text("kind = 'plan' AND removed_at IS NULL"),
            postgresql_where=text("kind = 'plan' AND removed_at IS NULL"),
        ),
    )


class SeatEntry(db.Model):
    """One change of an item's seats: the append-only seat ledger."""

    __tablename__ = "seat_entry"
    id: Mapped[Id]
    item_id: Mapped[int] = reference("subscription_item.id")
    at: Mapped[Instant]
    effective_on: Mapped[date]
    change: Mapped[int]
    quantity_after: Mapped[int]
    reason: Mapped[Code]
    order_line_id: Mapped[int | None] = reference("order_line.id", index=False, nullable=True)
    scheduled_change_id: Mapped[int | None] = reference(
        "scheduled_change.id", index=False, nullable=True
    )
    actor_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    __table_args__ = (
        one_of(
            "reason",
            "start",
            "order",
            "reduction",
            "plan_change",
            "removal",
            "lapse",
            "correction",
            "import",
        ),
        CheckConstraint("quantity_after >= 0", name="quantity_after"),
        # One order line is granted once, whatever happens twice (Q4).
        UniqueConstraint("order_line_id"),
    )


append_only(SeatEntry.__table__)


class Assignment(db.Model):
    """One seat of one per-seat item held by a member; an invited member's seat is reserved."""

    __tablename__ = "assignment"
    id: Mapped[Id]
    item_id: Mapped[int] = reference("subscription_item.id", index=False)
    member_id: Mapped[int] = reference("member.id")
    assigned_at: Mapped[Instant]
    freed_at: Mapped[OptionalInstant]
    freed_because: Mapped[str | None] = mapped_column(db.String(40))
    __table_args__ = (
        Index(
            "uq_assignment_held",
            "item_id",
            "member_id",
            unique=True,
            sqlite_where=text("freed_at IS NULL"),
            postgresql_where=text("freed_at IS NULL"),
        ),
        Index(
            "ix_assignment_latest",
            "item_id",
            "assigned_at",
            "id",
            sqlite_where=text("freed_at IS NULL"),
            postgresql_where=text("freed_at IS NULL"),
        ),
    )


_WAITS = "status = 'waiting'"

# Written out, not bound: so both databases see that the partial index of what waits holds it.
WAITING_CHANGE = text(f"scheduled_change.{_WAITS}")


class ScheduledChange(db.Model):
    """Waits for a renewal and can be undone; a reduction is stored as a delta (S3, C2).

    One waits per item, kind and renewal; a change of the whole subscription has no item.
    """

    __tablename__ = "scheduled_change"
    id: Mapped[Id]
    subscription_id: Mapped[int] = reference("subscription.id")
    item_id: Mapped[int | None] = reference("subscription_item.id", index=False, nullable=True)
    kind: Mapped[Code]
    delta: Mapped[int | None]
    target: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    effective_on: Mapped[date]
    status: Mapped[Code]
    asked_at: Mapped[Instant]
    asked_by_id: Mapped[int | None] = reference("person.id", index=False, nullable=True)
    settled_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("kind", "seats", "plan", "period", "add_on", "cancel"),
        one_of("status", "waiting", "applied", "undone", "replaced"),
        CheckConstraint("delta IS NULL OR delta < 0", name="delta"),
        Index(
            "uq_scheduled_change_waiting",
            "subscription_id",
            text("coalesce(item_id, 0)"),
            "kind",
            "effective_on",
            unique=True,
            sqlite_where=text(_WAITS),
            postgresql_where=text(_WAITS),
        ),
        Index(
            "ix_scheduled_change_due",
            "effective_on",
            sqlite_where=text(_WAITS),
            postgresql_where=text(_WAITS),
        ),
    )


class Entitlement(db.Model):
    """What the vendor's product must grant, one row a subscription; `version` only grows (Q6)."""

    __tablename__ = "entitlement"
    id: Mapped[Id]
    subscription_id: Mapped[int] = reference("subscription.id", index=False)
    version: Mapped[int]
    grants: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[Instant]
    acknowledged_version: Mapped[int] = mapped_column(default=0)
    acknowledged_at: Mapped[OptionalInstant]
    __table_args__ = (UniqueConstraint("subscription_id"),)
