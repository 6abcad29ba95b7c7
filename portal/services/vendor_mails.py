"""Telling the vendor's people by mail: the support address, and the account executive if any."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.models import Account, Person, StaffMember
from portal.services.outbox import enqueue_mail

__all__ = ["tell_vendor"]


def tell_vendor(
    session: Session,
    topic: str,
    account: Account,
    author: Person,
    payload: Mapping[str, Any],
    *,
    catalogue: Catalogue,
    now: datetime,
) -> None:
    """Mail what `author` of the account wrote or did; an answer goes to them.

    A mailbox has no language of its own: it reads what the author speaks, as its answer will.
    """
    recipients = {catalogue.vendor.support.email: author.locale}
    executive = session.execute(
        select(Person.email, Person.locale)
        .join(StaffMember, StaffMember.person_id == Person.id)
        .where(StaffMember.id == account.account_executive_id, StaffMember.active)
    ).first()
    if executive is not None:
        recipients[executive.email] = executive.locale
    for recipient, locale in recipients.items():
        enqueue_mail(
            session,
            topic,
            recipient=recipient,
            locale=locale,
            payload={
                "account_name": account.name,
                "desk_account_id": account.id,
                "author_name": author.name,
                "author_email": author.email,
                **payload,
            },
            now=now,
            account_id=account.id,
        )
