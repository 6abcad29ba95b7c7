"""Cancelling a subscription, with its durable confirmation (C3).

The change itself is written by `portal.services.scheduling`, as every change that waits; it is
taken back there too, which tells everybody.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.changes import plan_cancellation
from portal.domain.errors import DomainError
from portal.models import CreditNote, Invoice, ScheduledChange
from portal.services.audit import Actor
from portal.services.cancellation_mails import confirm_cancellation
from portal.services.renewal_reissue import ENDS
from portal.services.scheduling import open_subscription, schedule_change

__all__ = ["REASONS", "cancel_subscription"]

REASONS = ("too_expensive", "not_used", "missing_feature", "other_product", "business_changes",
           "other")  # fmt: skip
"""What a customer may give as the reason, in the order of the form; giving one is optional."""


def cancel_subscription(
    session: Session,
    account_id: int,
    subscription_id: int,
    *,
    shown_on: date,
    reason: str = "",
    comment: str = "",
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> ScheduledChange:
    """End the subscription at the renewal that S4 leaves, and confirm it to everybody concerned.

    `shown_on` is the first day without access that the customer saw: DomainError
    `cancellation_moved` (`day`, the last one with access) where it is another by now, so that
    nobody is bound for longer than the screen said. Else as `open_subscription` and
    `plan_cancellation`.
    """
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    planned = plan_cancellation(
        opened.state, reason, opened.today, catalogue.policy.change_notice_days, comment
    )
    effective_on = planned.time.effective_on
    if effective_on != shown_on:
        raise DomainError("cancellation_moved", day=effective_on - timedelta(days=1))
    change = schedule_change(session, opened, planned, actor=actor, now=now)
    confirm_cancellation(
        session,
        opened.account,
        product_key=opened.state.product_key,
        subscription_id=subscription_id,
        change_id=change.id,
        today=opened.today,
        effective_on=effective_on,
        credited=_credited(session, subscription_id, now),
        catalogue=catalogue,
        actor=actor,
        now=now,
    )
    return change


def _credited(session: Session, subscription_id: int, now: datetime) -> str:
    """The number of the invoice issued ahead that this cancellation has credited, else empty."""
    query = (
        select(Invoice.number)
        .join(CreditNote, CreditNote.invoice_id == Invoice.id)
        .where(
            Invoice.subscription_id == subscription_id,
            CreditNote.reason == ENDS,
            CreditNote.issued_at == now,
        )
    )
    return session.scalars(query).first() or ""
