"""Our payments and refunds beside the provider's charges, page by page.

Used by the ledger check, which prints what differs, and by the nightly reconciliation, which
heals what it can. No connection is held while the provider is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.engine import Connection

from portal.domain.disputes import Dispute, is_money_gone
from portal.domain.money import Money
from portal.domain.orders import AttemptStatus
from portal.models import Payment, PaymentAttempt, PaymentDispute, Refund
from portal.payments.gateway import (
    ChargeRecord,
    ChargeStatus,
    Gateway,
    GatewayRefused,
    Patience,
)

__all__ = ["ChargeDifference", "compare_charges"]

_PAGE = 500
_SKEW = timedelta(hours=1)
"""The attempt is stored before its charge is made, and clocks differ."""


@dataclass(frozen=True, slots=True)
class ChargeDifference:
    """A charge that our rows do not tell like the provider; `attempt_id` where it is one of ours.

    Codes: `charge_unknown` (money that no payment of ours accounts for), `charge_not_settled` (we
    have not taken its outcome yet), `charge_amount`, `charge_state`, `charge_refunded`,
    `charge_disputed` (we know of no dispute, or tell it otherwise), and `charge_missing` (we call
    it paid, the provider does not know it).
    """

    code: str
    subject: str
    ours_minor: int
    theirs_minor: int
    currency: str
    ref: str
    attempt_id: int | None = None
    payment_id: int | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Ours:
    attempt_id: int
    status: str
    gateway_ref: str | None
    payment_id: int
    account_id: int
    payment_status: str
    amount_minor: int
    currency: str
    made_minor: int
    asked_minor: int

    @property
    def has_money(self) -> bool:
        return self.payment_status == "succeeded"


# What our refunds gave back: those that the provider took, and those that may be on their way.
_MADE = func.coalesce(
    func.sum(case((Refund.status.in_(("pending", "succeeded")), Refund.amount_minor), else_=0)), 0
)
_ASKED = func.coalesce(func.sum(case((Refund.status != "failed", Refund.amount_minor), else_=0)), 0)
_OURS = (
    select(
        PaymentAttempt.id,
        PaymentAttempt.status,
        PaymentAttempt.gateway_ref,
        Payment.id,
        Payment.account_id,
        Payment.status,
        Payment.amount_minor,
        Payment.currency,
        _MADE,
        _ASKED,
    )
    .join(Payment, Payment.id == PaymentAttempt.payment_id)
    .outerjoin(Refund, Refund.payment_id == Payment.id)
    .group_by(PaymentAttempt.id, Payment.id)
)


def compare_charges(
    reading: Callable[[], AbstractContextManager[Connection]],
    gateway: Gateway,
    since: datetime,
    until: datetime,
) -> Iterator[ChargeDifference]:
    """What differs among the charges made from `since` up to `until`, both ways.

    GatewayUnknown where the provider's books cannot be read.
    """
    if gateway.name == "none":
        return
    seen: set[str] = set()
    charges = gateway.list_charges(since, until)
    while page := list(islice(charges, _PAGE)):
        with reading() as connection:
            by_ref, by_payment = _ours_of(connection, page)
        for charge in page:
            ours = by_ref.get(charge.ref) or by_payment.get(_payment_id(charge.reference) or 0)
            seen.add(charge.ref)
            disputes = _disputes(reading, gateway, ours) if charge.disputed else None
            yield from _compare(charge, ours, disputes)
    yield from _missing(reading, gateway, seen, since, until)


def _ours_of(
    connection: Connection, page: Iterable[ChargeRecord]
) -> tuple[dict[str, _Ours], dict[int, _Ours]]:
    """Our attempts by the charge's ref; and by payment those whose call never came back (M1)."""
    refs = [charge.ref for charge in page]
    # A charge that was tried again has several attempts: the last one tells.
    by_ref = {
        row[2]: _read(row)
        for row in connection.execute(
            _OURS.where(PaymentAttempt.gateway_ref.in_(refs)).order_by(PaymentAttempt.id)
        )
    }
    unnamed = [_payment_id(charge.reference) for charge in page if charge.ref not in by_ref]
    payments = [number for number in unnamed if number is not None]
    if not payments:
        return by_ref, {}
    rows = connection.execute(
        _OURS.where(
            PaymentAttempt.payment_id.in_(payments), PaymentAttempt.gateway_ref.is_(None)
        ).order_by(PaymentAttempt.id)
    )
    return by_ref, {row[3]: _read(row) for row in rows}


def _read(row: Any) -> _Ours:
    (attempt_id, status, gateway_ref, payment_id, account_id, payment_status, amount, currency,
     made, asked) = row  # fmt: skip
    return _Ours(
        attempt_id, status, gateway_ref, payment_id, account_id, payment_status, amount, currency,
        int(made), int(asked),
    )  # fmt: skip


def _payment_id(reference: str) -> int | None:
    word, _, number = reference.partition(":")
    # The database's ids have 18 digits at most; anything longer is nobody's.
    if word != "payment" or not (number.isascii() and number.isdecimal() and len(number) <= 18):
        return None
    return int(number)


def _disputes(
    reading: Callable[[], AbstractContextManager[Connection]], gateway: Gateway, ours: _Ours | None
) -> list[Dispute]:
    """The disputes that we know of a payment, as the provider tells them now."""
    if ours is None:
        return []
    query = select(PaymentDispute.gateway_ref).where(PaymentDispute.payment_id == ours.payment_id)
    with reading() as connection:
        refs = [str(row[0]) for row in connection.execute(query.order_by(PaymentDispute.id))]
    found = []
    for ref in refs:
        try:
            told = gateway.get_dispute(ref, Patience.BACKGROUND)
        except GatewayRefused:
            continue  # not told of any more: then it says nothing of the money
        found.append(Dispute(told.state, told.amount))
    return found


def _is_there(reversed_: bool, ours: _Ours, disputes: list[Dispute]) -> bool:
    """Whether the money of a charge that succeeded is still with us.

    A disputed debit is told as reversed for ever, also once its dispute is won.
    """
    if not disputes:
        return not reversed_
    charged = Money(ours.amount_minor, ours.currency)
    return not is_money_gone(disputes, charged, Money(ours.made_minor, ours.currency))


def _compare(
    charge: ChargeRecord, ours: _Ours | None, disputes: list[Dispute] | None
) -> Iterator[ChargeDifference]:
    """`disputes` are those that we know of a charge that is disputed, else None."""
    arrived = charge.status is ChargeStatus.SUCCEEDED
    if ours is not None:
        arrived = arrived and _is_there(charge.reversed, ours, disputes or [])
    else:
        arrived = arrived and not charge.reversed
    theirs = charge.amount.minor if arrived else 0
    if ours is None:
        if arrived:
            yield ChargeDifference("charge_unknown", f"charge {charge.ref}", 0, theirs,
                                   charge.amount.currency, charge.ref)  # fmt: skip
        return

    def differs(code: str, ours_minor: int, theirs_minor: int) -> ChargeDifference:
        return ChargeDifference(
            code, f"charge {charge.ref}, payment {ours.payment_id} is {ours.payment_status}",
            ours_minor, theirs_minor, charge.amount.currency, charge.ref, ours.attempt_id,
            ours.payment_id, ours.account_id,
        )  # fmt: skip

    if (ours.amount_minor, ours.currency) != (charge.amount.minor, charge.amount.currency):
        yield differs("charge_amount", ours.amount_minor, charge.amount.minor)
        return
    if disputes == [] and not charge.reversed:
        yield differs("charge_disputed", ours.amount_minor if ours.has_money else 0, 0)
    elif ours.has_money != arrived and disputes:
        yield differs("charge_disputed", ours.amount_minor if ours.has_money else 0, theirs)
    elif ours.has_money != arrived:
        waits = ours.status not in (AttemptStatus.SUCCEEDED, AttemptStatus.CANCELLED)
        code = "charge_not_settled" if arrived and waits else "charge_state"
        yield differs(code, ours.amount_minor if ours.has_money else 0, theirs)
    elif arrived and not ours.made_minor <= charge.refunded.minor <= ours.asked_minor:
        yield differs("charge_refunded", ours.made_minor, charge.refunded.minor)


def _missing(
    reading: Callable[[], AbstractContextManager[Connection]],
    gateway: Gateway,
    seen: set[str],
    since: datetime,
    until: datetime,
) -> Iterator[ChargeDifference]:
    """Payments of that time that arrived, as we say, and that the provider did not list."""
    after = 0
    while True:
        with reading() as connection:
            rows = [
                _read(row)
                for row in connection.execute(
                    _OURS.where(
                        PaymentAttempt.id > after,
                        PaymentAttempt.created_at >= since,
                        PaymentAttempt.created_at < until - _SKEW,
                        PaymentAttempt.status == AttemptStatus.SUCCEEDED.value,
                    )
                    .order_by(PaymentAttempt.id)
                    .limit(_PAGE)
                )
            ]
        if not rows:
            return
        for ours in rows:
            if ours.gateway_ref is None or ours.gateway_ref not in seen:
                yield from _ask(gateway, ours, _disputes(reading, gateway, ours))
        after = rows[-1].attempt_id


def _ask(gateway: Gateway, ours: _Ours, disputes: list[Dispute]) -> Iterator[ChargeDifference]:
    """One that was not listed may be older than the attempt that succeeded: read it alone."""
    theirs: Any = 0
    if ours.gateway_ref is not None:
        try:
            charge = gateway.get_charge(ours.gateway_ref, Patience.BACKGROUND)
        except GatewayRefused:
            charge = None
        if charge is not None and charge.status is ChargeStatus.SUCCEEDED:
            theirs = charge.amount.minor if _is_there(charge.reversed, ours, disputes) else 0
    expected = ours.amount_minor if ours.has_money else 0
    if theirs != expected:
        yield ChargeDifference(
            "charge_missing", f"payment {ours.payment_id}, charge {ours.gateway_ref or 'unnamed'}",
            expected, theirs, ours.currency, ours.gateway_ref or "", ours.attempt_id,
            ours.payment_id, ours.account_id,
        )  # fmt: skip
