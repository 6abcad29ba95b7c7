"""What keeps an account's payment method from being removed, beside its coming renewals."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, bindparam, cast, exists, literal, null, select, union_all
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.payment_methods import MethodNeed, NeedKind
from portal.models import Invoice, Order, Payment, PaymentAttempt, TopUp, Wallet

__all__ = ["list_owed"]

_MOST = 50
_MINE: Any = bindparam("account_id")
# An order that was placed, and a charge that may still arrive, whatever its order says by now.
_ORDERS = select(literal("order"), Order.number, Order.id).where(
    Order.account_id == _MINE,
    Order.status.in_(("placed", "requires_action"))
    | exists().where(
        Payment.order_id == Order.id,
        PaymentAttempt.payment_id == Payment.id,
        PaymentAttempt.settled_at.is_(None),
    ),
)
_INVOICES = select(literal("invoice"), Invoice.number, Invoice.id).where(
    Invoice.account_id == _MINE, Invoice.status.in_(("open", "pending"))
)
# Paid otherwise, while its charge was on its way: what became of that is not known yet (M1).
_PAYMENTS = select(literal("payment"), Invoice.number, Invoice.id).where(
    Payment.account_id == _MINE,
    Payment.order_id.is_(None),
    PaymentAttempt.payment_id == Payment.id,
    PaymentAttempt.settled_at.is_(None),
    Invoice.id == Payment.invoice_id,
    Invoice.status.not_in(("open", "pending")),
)
_TOP_UPS = select(literal("top_up"), literal(""), cast(null(), BigInteger)).where(
    Wallet.account_id == _MINE,
    Wallet.auto_top_up | exists().where(TopUp.wallet_id == Wallet.id, TopUp.status == "open"),
)
_OWED: Any = union_all(_INVOICES, _PAYMENTS, _ORDERS, _TOP_UPS).limit(_MOST)


def list_owed(connection: Connection, account_id: int) -> list[MethodNeed]:
    """Open and pending invoices, payments without an outcome, orders being paid, an automatic
    top-up: one statement."""
    rows = fetch_all(connection, _OWED, account_id=account_id)
    found = [MethodNeed(NeedKind(kind), name, None, ref) for kind, name, ref in rows]
    return sorted(found, key=lambda need: (need.kind, need.name))
