"""The books of the demo's payment provider: its objects, kept in the portal's own database.

No card number is ever kept: a method remembers its last four digits and how its test number
behaves (see `demo_numbers`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.clock import clock
from portal.db import reading
from portal.models import DemoObject
from portal.payments.gateway import GatewayRefused, MethodFacts, MethodKind

__all__ = [
    "add_object", "change_object", "find_object", "method_facts", "new_ref", "read_books",
    "seed_method",
]  # fmt: skip

_PREFIX = {"customer": "cus", "method": "pm", "setup": "cs", "charge": "pi", "refund": "re",
           "dispute": "dp"}  # fmt: skip


@contextmanager
def read_books() -> Iterator[Session]:
    """The books to read in, without the write lock."""
    with reading() as connection:
        session = Session(connection, autoflush=False)
        try:
            yield session
        finally:
            session.close()


def new_ref(kind: str) -> str:
    """A reference nobody can guess: it stands in the address of the provider's page."""
    return f"demo_{_PREFIX[kind]}_{secrets.token_hex(12)}"


def add_object(
    session: Session, kind: str, status: str, data: Mapping[str, Any], now: datetime,
    ref: str | None = None,
) -> DemoObject:  # fmt: skip
    """Write a new object into the books and give it its reference."""
    row = DemoObject(
        ref=ref or new_ref(kind), kind=kind, status=status, data=dict(data), created_at=now
    )
    session.add(row)
    session.flush()
    return row


def change_object(row: DemoObject, status: str | None = None, **data: Any) -> None:
    """Change the status or single values of an object (its JSON is replaced, never mutated)."""
    if status is not None:
        row.status = status
    if data:
        row.data = {**row.data, **data}


def find_object(session: Session, kind: str, ref: str, *, lock: bool = False) -> DemoObject:
    """The object of `ref`; GatewayRefused `customer_unknown`, `method_unknown`, … without one."""
    query = select(DemoObject).where(DemoObject.ref == ref, DemoObject.kind == kind)
    row: DemoObject | None = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise GatewayRefused(f"{kind}_unknown")
    return row


def method_facts(row: DemoObject) -> MethodFacts:
    """What the provider shows of a method."""
    data = row.data
    return MethodFacts(
        ref=row.ref,
        kind=MethodKind(data["method_kind"]),
        brand=data["brand"],
        last4=data["last4"],
        expires_year=data.get("expires_year"),
        expires_month=data.get("expires_month"),
        funding=data.get("funding", ""),
        mandate_ref=data.get("mandate_ref", ""),
    )


def seed_method(
    session: Session,
    account_ref: int | str,
    kind: str,
    brand: str,
    last4: str,
    exp_year: int | None = None,
    exp_month: int | None = None,
    *,
    behaviour: str = "ok",
    now: datetime | None = None,
) -> tuple[str, str]:
    """Write a customer and a method that works into the provider's books, for the demo's data.

    `account_ref` is the account's id (or any name that is its own); `kind` is card or
    sepa_debit; a debit has no expiry and its `brand` is the bank's name. Returns the references
    for `Account.gateway_customer` and `PaymentMethod.gateway_ref`. The caller commits.
    """
    at = now or clock.now()
    customer = f"demo_cus_{account_ref}"
    known = session.scalar(select(DemoObject.id).where(DemoObject.ref == customer))
    if known is None:
        add_object(session, "customer", "active", {"name": "", "email": ""}, at, ref=customer)
    debit = MethodKind(kind) is MethodKind.SEPA_DEBIT
    method = add_object(
        session,
        "method",
        "attached",
        {
            "customer": customer,
            "method_kind": kind,
            "brand": brand,
            "last4": last4,
            "expires_year": None if debit else exp_year,
            "expires_month": None if debit else exp_month,
            "funding": "" if debit else "credit",
            "mandate_ref": f"DEMO-{str(account_ref).upper()}-{last4}" if debit else "",
            "behaviour": behaviour,
        },
        at,
        ref=f"demo_pm_{account_ref}_{kind}_{last4}",
    )
    return customer, method.ref
