"""Asking for a smaller package of an add-on at a renewal, or for no more of it (C1, S4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.changes import plan_add_on_removal, plan_add_on_switch
from portal.domain.errors import DomainError
from portal.domain.subscriptions import ItemState
from portal.models import ScheduledChange
from portal.queries.prices import get_price_book
from portal.services.audit import Actor
from portal.services.plan_changes import require_alone
from portal.services.scheduling import Opened, open_subscription, schedule_as_shown

__all__ = ["ask_add_on_removal", "ask_package_change"]


def ask_package_change(
    session: Session,
    account_id: int,
    subscription_id: int,
    add_on_key: str,
    package_key: str,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> ScheduledChange:
    """Let another package of an add-on wait for the renewal confirmed as `shown`; errors as the plan's."""
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    item = _item(opened, add_on_key)
    add_on = catalogue.add_on(opened.state.product_key, add_on_key)
    if package_key not in {package.key for package in add_on.offered_packages}:
        raise DomainError("not_offered")
    require_alone(opened, catalogue, add_on=add_on_key)
    book = get_price_book(session.connection(), opened.account.currency)
    planned = plan_add_on_switch(
        opened.state, item.item_id, package_key, book, opened.today,
        catalogue.policy.change_notice_days,
    )  # fmt: skip
    return schedule_as_shown(session, opened, planned, shown, actor=actor, now=now)


def ask_add_on_removal(
    session: Session,
    account_id: int,
    subscription_id: int,
    add_on_key: str,
    *,
    shown: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> ScheduledChange:
    """Let an add-on end at the renewal confirmed as `shown`; errors as the plan's, and `item_unknown`."""
    opened = open_subscription(session, account_id, subscription_id, catalogue=catalogue, now=now)
    item = _item(opened, add_on_key)
    require_alone(opened, catalogue, add_on=add_on_key)
    planned = plan_add_on_removal(
        opened.state, item.item_id, opened.today, catalogue.policy.change_notice_days
    )
    return schedule_as_shown(session, opened, planned, shown, actor=actor, now=now)


def _item(opened: Opened, add_on_key: str) -> ItemState:
    for item in opened.state.items:
        if item.add_on_key == add_on_key:
            return item
    raise DomainError("item_unknown")
