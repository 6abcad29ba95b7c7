"""The demo's mailbox, and the days to which its clock can be moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.models import Account, BillingPeriod, DemoMail, Subscription

__all__ = ["Mail", "MailRow", "Renewal", "get_mail", "get_next_renewal", "list_mails"]


@dataclass(frozen=True, slots=True)
class MailRow:
    """An e-mail as the list shows it."""

    id: int
    sent_at: datetime
    recipient: str
    subject: str
    locale: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A whole e-mail; attachments have filename, media_type, size and content (base64)."""

    id: int
    sent_at: datetime
    recipient: str
    sender: str
    reply_to: str
    subject: str
    locale: str
    text_body: str
    html_body: str
    attachments: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Renewal:
    """The day a subscription renews, and whose it is."""

    on: date
    account_name: str
    time_zone: str


_LIST = (
    select(DemoMail.id, DemoMail.sent_at, DemoMail.recipient, DemoMail.subject, DemoMail.locale)
    .order_by(DemoMail.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_MAIL = select(
    DemoMail.id,
    DemoMail.sent_at,
    DemoMail.recipient,
    DemoMail.sender,
    DemoMail.reply_to,
    DemoMail.subject,
    DemoMail.locale,
    DemoMail.text_body,
    DemoMail.html_body,
    DemoMail.attachments,
).where(DemoMail.id == bindparam("id"))
_NEXT_RENEWAL = (
    select(BillingPeriod.ends_on, Account.name, Account.time_zone)
    .join(Subscription, Subscription.id == BillingPeriod.subscription_id)
    .join(Account, Account.id == Subscription.account_id)
    .where(
        BillingPeriod.is_current,
        BillingPeriod.ends_on > bindparam("after"),
        Subscription.status == "active",
    )
    .order_by(BillingPeriod.ends_on, BillingPeriod.id)
    .limit(1)
)


def list_mails(connection: Connection, *, limit: int, offset: int) -> tuple[MailRow, ...]:
    """What the demo sent, the newest first."""
    rows = connection.execute(_LIST, {"limit": limit, "offset": offset})
    return tuple(MailRow(*row) for row in rows)


def get_mail(connection: Connection, mail_id: int) -> Mail | None:
    """One e-mail, or None."""
    row = connection.execute(_MAIL, {"id": mail_id}).first()
    return Mail(*row) if row is not None else None


def get_next_renewal(connection: Connection, after: date) -> Renewal | None:
    """The first renewal of any account after a day, or None."""
    row = connection.execute(_NEXT_RENEWAL, {"after": after}).first()
    return Renewal(*row) if row is not None else None
