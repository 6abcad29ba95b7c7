"""Removing an account's payment method, only where nothing will be charged (M3)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.payment_methods import plan_method_needs
from portal.domain.periods import local_date
from portal.models import PaymentMethod
from portal.queries.method_needs import list_owed
from portal.queries.subscriptions import list_subscription_states
from portal.services.audit import Actor, record
from portal.services.locks import lock_account
from portal.services.method_detaching import retire_method, shown_of

__all__ = ["default_method_of", "remove_method"]


def default_method_of(session: Session, account_id: int) -> PaymentMethod | None:
    """The method that the account's charges use."""
    return session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.is_default,
            PaymentMethod.removed_at.is_(None),
        )
    ).one_or_none()


def remove_method(
    session: Session, account_id: int, method_id: int, *, actor: Actor, now: datetime
) -> bool:
    """Take the method out of use and have the provider forget it; False: it is removed already.

    `method_id` is the one that was shown. DomainError `method_unknown` where it is not the
    account's, `method_needed` while something will be charged with it.
    """
    account = lock_account(session, account_id)
    shown = session.get(PaymentMethod, method_id)
    if shown is None or shown.account_id != account_id:
        raise DomainError("method_unknown")
    method = default_method_of(session, account_id)
    if method is None or method.id != method_id:
        return False  # pressed twice, or replaced since
    connection = session.connection()
    today = local_date(now, account.time_zone)
    states = list_subscription_states(connection, account_id, today)
    if plan_method_needs(states, list_owed(connection, account_id)):
        raise DomainError("method_needed")
    retire_method(session, method, now)
    record(
        session,
        "payment_method_removed",
        actor=actor,
        now=now,
        account_id=account_id,
        subject=method.brand,
        old=shown_of(method),
    )
    return True
