"""What is sold. Names and texts stand in the catalogue file; here is what other rows point to."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.extensions import db
from portal.models.columns import (
    Code,
    Currency,
    Id,
    Instant,
    Minor,
    OptionalInstant,
    one_of,
    reference,
)


class Product(db.Model):
    """A product of the catalogue by its key; never deleted, only retired."""

    __tablename__ = "product"
    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(40), unique=True)
    retired_at: Mapped[OptionalInstant]


class Plan(db.Model):
    """A plan of a product; `rank` tells an upgrade from a downgrade (C1)."""

    __tablename__ = "plan"
    id: Mapped[Id]
    product_id: Mapped[int] = reference("product.id", index=False)
    key: Mapped[Code]
    rank: Mapped[int]
    retired_at: Mapped[OptionalInstant]
    __table_args__ = (UniqueConstraint("product_id", "key"),)


class AddOn(db.Model):
    """One package of an add-on, for example Beyond of customer appointments."""

    __tablename__ = "add_on"
    id: Mapped[Id]
    product_id: Mapped[int] = reference("product.id", index=False)
    key: Mapped[Code]
    package_key: Mapped[Code]
    per_seat: Mapped[bool]
    rank: Mapped[int]
    retired_at: Mapped[OptionalInstant]
    __table_args__ = (UniqueConstraint("product_id", "key", "package_key"),)


class Price(db.Model):
    """One price, net, for one seat or unit and one interval. A change makes a new row."""

    __tablename__ = "price"
    id: Mapped[Id]
    plan_id: Mapped[int | None] = reference("plan.id", nullable=True)
    add_on_id: Mapped[int | None] = reference("add_on.id", nullable=True)
    credit_pack_key: Mapped[str | None] = mapped_column(String(40))
    service_package_key: Mapped[str | None] = mapped_column(String(40))
    interval: Mapped[Code]
    currency: Mapped[Currency]
    unit_minor: Mapped[Minor]
    created_at: Mapped[Instant]
    retired_at: Mapped[OptionalInstant]
    __table_args__ = (
        one_of("interval", "month", "quarter", "year", "once"),
        CheckConstraint("unit_minor >= 0", name="unit_minor"),
        CheckConstraint(
            "CASE WHEN plan_id IS NULL THEN 0 ELSE 1 END"
            " + CASE WHEN add_on_id IS NULL THEN 0 ELSE 1 END"
            " + CASE WHEN credit_pack_key IS NULL THEN 0 ELSE 1 END"
            " + CASE WHEN service_package_key IS NULL THEN 0 ELSE 1 END = 1",
            name="one_subject",
        ),
        Index(
            "uq_price_current",
            "currency",  # first: pages read all that is sold in one
            text("coalesce(plan_id, 0)"),
            text("coalesce(add_on_id, 0)"),
            text("coalesce(credit_pack_key, '')"),
            text("coalesce(service_package_key, '')"),
            "interval",
            unique=True,
            sqlite_where=text("retired_at IS NULL"),
            postgresql_where=text("retired_at IS NULL"),
        ),
    )
