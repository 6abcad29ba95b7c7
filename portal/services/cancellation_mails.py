"""The e-mails around the end of a subscription: to every admin, in each one's language (C3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.models import Account, Member, Person
from portal.services.audit import Actor
from portal.services.outbox import enqueue_mail

__all__ = ["confirm_cancellation", "confirm_undo", "remind_of_end"]


def confirm_cancellation(
    session: Session,
    account: Account,
    *,
    product_key: str,
    subscription_id: int,
    change_id: int,
    today: date,
    effective_on: date,
    credited: str,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> None:
    """The durable confirmation, to the admins and to whoever cancelled.

    `credited` is the number of the invoice that was issued ahead and credited by it, or empty.
    """
    payload = {
        "subscription_id": subscription_id,
        "asked_by": actor.name,
        "asked_on": today.isoformat(),
        "last_day": _last_day(effective_on),
        "credited": credited,
    }
    _tell(session, "cancellation_confirmed", account, catalogue, product_key, payload,
          change_id, actor, now)  # fmt: skip


def confirm_undo(
    session: Session,
    account: Account,
    *,
    product_key: str,
    subscription_id: int,
    change_id: int,
    today: date,
    renews_on: date,
    catalogue: Catalogue,
    actor: Actor,
    now: datetime,
) -> None:
    """Word that the cancellation was taken back, to the same people."""
    payload = {
        "subscription_id": subscription_id,
        "undone_by": actor.name,
        "undone_on": today.isoformat(),
        "renews_on": renews_on.isoformat(),
    }
    _tell(session, "cancellation_undone", account, catalogue, product_key, payload,
          change_id, actor, now)  # fmt: skip


def remind_of_end(
    session: Session,
    account: Account,
    *,
    product_key: str,
    subscription_id: int,
    change_id: int,
    effective_on: date,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """The last reminder to download the data, to the admins; once a cancellation and person."""
    payload = {"subscription_id": subscription_id, "last_day": _last_day(effective_on)}
    _tell(session, "subscription_ending", account, catalogue, product_key, payload,
          change_id, None, now)  # fmt: skip


def _tell(
    session: Session,
    topic: str,
    account: Account,
    catalogue: Catalogue,
    product_key: str,
    payload: Mapping[str, Any],
    change_id: int,
    actor: Actor | None,
    now: datetime,
) -> None:
    product = catalogue.product(product_key)
    is_admin = (
        (Member.account_id == account.id) & (Member.role == "admin") & (Member.status == "active")
    )
    who = is_admin if actor is None else or_(is_admin, Person.id == actor.person_id)
    people = session.execute(
        select(Person.id, Person.email, Person.locale)
        .outerjoin(Member, (Member.person_id == Person.id) & (Member.account_id == account.id))
        .where(who)
        .order_by(Person.id)
    )
    for person_id, email, locale in people:
        enqueue_mail(
            session,
            topic,
            recipient=email,
            locale=locale,
            payload={
                **payload,
                "account_name": account.name,
                "product": product.name.in_(locale),
                "product_export_url": product.data_export_url,
            },
            now=now,
            account_id=account.id,
            dedupe_key=f"{topic}:{change_id}:{payload.get('last_day', '')}:{person_id}",
        )
    session.flush()


def _last_day(effective_on: date) -> str:
    return (effective_on - timedelta(days=1)).isoformat()
