"""Asking for another billing period: monthly, quarterly or yearly from a renewal on (C1, C4, S4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.changes import PlannedChange, plan_period_change
from portal.domain.errors import DomainError
from portal.domain.period_options import why_no_period_change
from portal.domain.periods import Interval
from portal.queries.prices import get_price_book
from portal.services.audit import Actor
from portal.services.scheduling import open_subscription, schedule_as_shown

__all__ = ["ask_for_period"]


def ask_for_period(
    session: Session,
    account_id: int,
    subscription_id: int,
    interval: Interval,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    asked_at: datetime | None = None,
) -> PlannedChange:
    """Let another billing period wait for the renewal that S4 leaves; asked twice, it waits once.

    `asked_at` counts for the notice where a request was sent earlier (S4); what waits for a later
    renewal moves with it, as it was shown (C2). DomainError as `open_subscription`,
    `plan_period_change` and `schedule_as_shown`; `not_self_service` where the customer does not
    change it alone.
    """
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    reason = why_no_period_change(opened.state, catalogue, opened.account.payment_terms)
    if reason not in (None, "ends") and actor.kind != "staff":
        raise DomainError("not_self_service", reason=reason)
    book = get_price_book(session.connection(), opened.account.currency)
    planned = plan_period_change(
        opened.state, interval, book, opened.asked_on(asked_at),
        catalogue.policy.change_notice_days,
    )  # fmt: skip
    schedule_as_shown(session, opened, planned, shown, actor=actor, now=now, asked_at=asked_at)
    return planned
