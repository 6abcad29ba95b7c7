"""Booking a bank transfer: what the money does to an invoice, and to the account's balance (M6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.domain.errors import DomainError
from portal.domain.money import Money

__all__ = ["TransferPlan", "plan_deposit", "plan_payout", "plan_transfer"]

_VOID = ("credited", "written_off")


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """`paid` of the amount pays the invoice, of which `left` is open then; the rest is owed."""

    amount: Money
    paid: Money
    left: Money
    to_balance: Money

    @property
    def key(self) -> str:
        """What was shown and is booked: any other effect by now is another key, and is shown first."""
        return f"{self.paid.minor}:{self.left.minor}:{self.to_balance.minor}"

    @property
    def settles(self) -> bool:
        """Whether nothing of the invoice is open afterwards."""
        return self.left.is_zero


def plan_transfer(
    status: str, number: str, still_open: Money, amount: Money, received_on: date, today: date
) -> TransferPlan:
    """A transfer for an invoice of which `still_open` is to be paid.

    DomainError `transfer_nothing`, `transfer_other_currency` (`currency`), `transfer_in_future`;
    `transfer_for_void`, `transfer_for_paid`, `transfer_while_collected`, each with the `number`.
    Money for an invoice that is paid or void is booked for the balance: `plan_deposit`.
    """
    _check(amount, still_open.currency, received_on, today)
    if status in _VOID:
        raise DomainError("transfer_for_void", number=number)
    if status == "pending":
        raise DomainError("transfer_while_collected", number=number)
    if status == "paid" or still_open.minor <= 0:
        raise DomainError("transfer_for_paid", number=number)
    paid = min(amount, still_open)
    return TransferPlan(amount, paid, still_open - paid, amount - paid)


def plan_deposit(amount: Money, currency: str, received_on: date, today: date) -> TransferPlan:
    """A transfer that pays no invoice: all of it is owed to the customer. DomainError as above."""
    _check(amount, currency, received_on, today)
    zero = Money.zero(currency)
    return TransferPlan(amount, zero, zero, amount)


def plan_payout(balance: Money, amount: Money) -> Money:
    """What is left of a balance after `amount` of it was paid back.

    DomainError `payout_nothing`, `payout_beyond_balance` (`maximum`).
    """
    if amount.minor <= 0:
        raise DomainError("payout_nothing")
    if amount > balance:
        raise DomainError("payout_beyond_balance", maximum=balance)
    return balance - amount


def _check(amount: Money, currency: str, received_on: date, today: date) -> None:
    if amount.currency != currency:
        raise DomainError("transfer_other_currency", currency=currency)
    if amount.minor <= 0:
        raise DomainError("transfer_nothing")
    if received_on > today:
        raise DomainError("transfer_in_future")
