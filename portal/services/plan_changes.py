"""Asking for another plan at a renewal: a downgrade, or what costs no more today (C1, S4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.changes import plan_plan_change
from portal.domain.errors import DomainError
from portal.domain.purchases import why_not_alone
from portal.models import ScheduledChange
from portal.queries.prices import get_price_book
from portal.services.audit import Actor
from portal.services.scheduling import Opened, open_subscription, schedule_as_shown

__all__ = ["ask_plan_change", "require_alone"]


def ask_plan_change(
    session: Session,
    account_id: int,
    subscription_id: int,
    plan_key: str,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
    asked_at: datetime | None = None,
) -> ScheduledChange:
    """Let plan `plan_key` wait for the renewal that was confirmed as `shown`.

    `asked_at` counts for the notice where a request was sent earlier (S4). DomainError as
    `plan_plan_change` and `schedule_as_shown`, and `not_offered`, `not_self_service` (`reason`).
    """
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    product = catalogue.product(opened.state.product_key)
    if plan_key not in {plan.key for plan in product.offered_plans}:
        raise DomainError("not_offered")
    if actor.kind != "staff":
        require_alone(opened, catalogue, plan=plan_key)
    book = get_price_book(session.connection(), opened.account.currency)
    planned = plan_plan_change(
        opened.state, plan_key, book, opened.asked_on(asked_at),
        catalogue.policy.change_notice_days,
    )  # fmt: skip
    return schedule_as_shown(
        session, opened, planned, shown, actor=actor, now=now, asked_at=asked_at
    )


def require_alone(
    opened: Opened, catalogue: Catalogue, *, plan: str | None = None, add_on: str | None = None
) -> None:
    """Raise `not_self_service` where the customer may not change this alone."""
    reason = why_not_alone(
        opened.state, opened.state.product_key, catalogue, opened.account.payment_terms,
        plan=plan, add_on=add_on,
    )  # fmt: skip
    if reason is not None:
        raise DomainError("not_self_service", reason=reason)
