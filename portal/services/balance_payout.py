"""Paying an account's balance back to the customer's bank: recorded here, transferred at the bank (M6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.money import Money
from portal.domain.transfers import plan_payout
from portal.models import AccountBalance
from portal.services.audit import Actor, record
from portal.services.balances import get_balance
from portal.services.locks import lock_account
from portal.services.transfer_mails import tell_of_payout

__all__ = ["pay_back_balance"]


def pay_back_balance(
    session: Session,
    account_id: int,
    amount: Money,
    *,
    shown: Money,
    note: str,
    actor: Actor,
    now: datetime,
) -> Money:
    """Take `amount` off the balance, as it is transferred back; what is left of it.

    `shown` is the balance on screen: another one by now (a second click, a renewal) is
    `balance_changed`. DomainError as `plan_payout`.
    """
    account = lock_account(session, account_id)
    balance = Money(get_balance(session, account_id), account.currency)
    if balance != shown:
        raise DomainError("balance_changed", balance=balance)
    left = plan_payout(balance, amount)
    entry = AccountBalance(
        account_id=account_id,
        at=now,
        amount_minor=-amount.minor,
        currency=amount.currency,
        reason="paid_back",
        note=note,
    )
    session.add(entry)
    session.flush()
    record(session, "balance_paid_back", actor=actor, now=now, account_id=account_id,
           subject=account.name,
           new={"amount_minor": amount.minor, "currency": amount.currency})  # fmt: skip
    tell_of_payout(session, account, entry.id, amount, left, now)
    session.flush()
    return left
