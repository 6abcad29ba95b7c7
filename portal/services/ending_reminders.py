"""Finding the subscriptions that end in a few days, and reminding their admins once (C3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.models import WAITING_CHANGE, Account, Product, ScheduledChange, Subscription
from portal.services.cancellation_mails import remind_of_end

__all__ = ["REMIND_BEFORE", "send_ending_reminders"]

REMIND_BEFORE = timedelta(days=7)
# The local date may be up to 14 hours ahead of UTC's; the exact day is each account's.
_DATE_LINE = timedelta(days=1)


def send_ending_reminders(session: Session, *, catalogue: Catalogue, now: datetime) -> int:
    """A reminder for each cancellation whose last day is within a week; how many ends were near.

    A person gets it once, however often this runs; late where no worker ran in time, but never
    once the subscription has ended.
    """
    rows = session.execute(
        select(ScheduledChange, Subscription.id, Product.key, Account)
        .join(Subscription, Subscription.id == ScheduledChange.subscription_id)
        .join(Product, Product.id == Subscription.product_id)
        .join(Account, Account.id == Subscription.account_id)
        .where(
            WAITING_CHANGE,
            ScheduledChange.kind == "cancel",
            ScheduledChange.effective_on <= now.date() + REMIND_BEFORE + _DATE_LINE,
            Subscription.status == "active",
        )
        .order_by(ScheduledChange.id)
    ).all()
    near = 0
    for change, subscription_id, product_key, account in rows:
        try:
            today = local_date(now, account.time_zone)
        except DomainError:
            continue  # its renewal is parked for the same reason; the others are reminded
        if not today < change.effective_on <= today + REMIND_BEFORE:
            continue
        near += 1
        remind_of_end(
            session,
            account,
            product_key=product_key,
            subscription_id=subscription_id,
            change_id=change.id,
            effective_on=change.effective_on,
            catalogue=catalogue,
            now=now,
        )
    return near
