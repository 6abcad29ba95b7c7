"""How an account pays: its methods, and its visits to the provider's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.engine import Connection

from portal.models import MethodSetup, PaymentMethod

__all__ = [
    "METHOD_COLUMNS", "MethodSetupRow", "PaymentMethodRow", "get_default_method", "get_method_setup",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PaymentMethodRow:
    """A method in use: never a number, only what may be shown. `brand` of a debit is the bank."""

    id: int
    kind: str
    brand: str
    last4: str
    expires_year: int | None
    expires_month: int | None
    funding: str
    mandate_ref: str
    is_default: bool
    added_at: datetime


@dataclass(frozen=True, slots=True)
class MethodSetupRow:
    """A visit to the provider's page; `refusal` says why the method was not taken."""

    id: int
    status: str
    page_url: str
    return_path: str
    refusal: str | None
    payment_method_id: int | None


METHOD_COLUMNS = (
    PaymentMethod.id,
    PaymentMethod.kind,
    PaymentMethod.brand,
    PaymentMethod.last4,
    PaymentMethod.expires_year,
    PaymentMethod.expires_month,
    PaymentMethod.funding,
    PaymentMethod.mandate_ref,
    PaymentMethod.is_default,
    PaymentMethod.added_at,
)
"""The columns of a `PaymentMethodRow`, for pages that read more beside it."""

_DEFAULT: Select[*tuple[Any, ...]] = (
    select(*METHOD_COLUMNS)
    .where(
        PaymentMethod.account_id == bindparam("account"),
        PaymentMethod.removed_at.is_(None),
        PaymentMethod.is_default,
    )
    .order_by(PaymentMethod.id.desc())
    .limit(1)
)

_SETUP: Select[*tuple[Any, ...]] = select(
    MethodSetup.id,
    MethodSetup.status,
    MethodSetup.page_url,
    MethodSetup.return_path,
    MethodSetup.refusal,
    MethodSetup.payment_method_id,
).where(MethodSetup.account_id == bindparam("account"), MethodSetup.id == bindparam("setup"))


def get_default_method(connection: Connection, account_id: int) -> PaymentMethodRow | None:
    """The method that the account's charges use, or None."""
    row = connection.execute(_DEFAULT, {"account": account_id}).first()
    return PaymentMethodRow(*row) if row is not None else None


def get_method_setup(
    connection: Connection, account_id: int, setup_id: int
) -> MethodSetupRow | None:
    """The account's own visit `setup_id`, or None."""
    row = connection.execute(_SETUP, {"account": account_id, "setup": setup_id}).first()
    return MethodSetupRow(*row) if row is not None else None
