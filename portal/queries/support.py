"""What the support pages and the vendor's commands read: messages, service packages' requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from portal.db import fetch_all
from portal.domain.money import Money
from portal.models import (
    Account,
    Order,
    OrderLine,
    Person,
    Price,
    ServiceRequest,
    SupportMessage,
    SupportReply,
)

__all__ = [
    "MessageRow", "Said", "ServiceRequestRow", "WaitingMessage", "WaitingRequest", "get_message",
    "list_messages", "list_package_prices", "list_service_requests", "list_waiting_messages",
    "list_waiting_requests",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message in a list."""

    id: int
    about: str
    status: str
    sent_at: datetime
    changed_at: datetime
    author: str


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a conversation: the message itself, or a reply."""

    at: datetime
    by: str
    from_staff: bool
    text: str


@dataclass(frozen=True, slots=True)
class ServiceRequestRow:
    """Where an account's request for a package stands; the order where it was bought."""

    id: int
    package_key: str
    status: str
    answer: str
    asked_at: datetime
    changed_at: datetime
    asked_by: str
    order_id: int | None
    order_number: str | None


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message as the vendor's queue shows it."""

    id: int
    status: str
    changed_at: datetime
    account: str
    author_email: str
    about: str


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request for a package as the vendor's queue shows it."""

    id: int
    status: str
    changed_at: datetime
    account: str
    asker_email: str
    package_key: str


_MESSAGES = (
    select(
        SupportMessage.id,
        SupportMessage.about,
        SupportMessage.status,
        SupportMessage.sent_at,
        SupportMessage.changed_at,
        Person.name,
    )
    .join(Person, Person.id == SupportMessage.author_id)
    .where(SupportMessage.account_id == bindparam("account_id"))
    .order_by(SupportMessage.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)

_REPLIER = Person.__table__.alias("replier")
# The message and what was said after it, in one statement: a row a reply, or one row without.
_MESSAGE = (
    select(
        SupportMessage.id,
        SupportMessage.about,
        SupportMessage.status,
        SupportMessage.sent_at,
        SupportMessage.changed_at,
        Person.name,
        SupportMessage.text,
        SupportReply.at,
        _REPLIER.c.name,
        SupportReply.from_staff,
        SupportReply.text,
    )
    .join(Person, Person.id == SupportMessage.author_id)
    .outerjoin(SupportReply, SupportReply.message_id == SupportMessage.id)
    .outerjoin(_REPLIER, _REPLIER.c.id == SupportReply.author_id)
    .where(SupportMessage.id == bindparam("message_id"))
    .order_by(SupportReply.id)
)
_MESSAGE_OF_ACCOUNT = _MESSAGE.where(SupportMessage.account_id == bindparam("account_id"))

_PRICES = select(Price.service_package_key, Price.unit_minor).where(
    Price.retired_at.is_(None),
    Price.currency == bindparam("currency"),
    Price.service_package_key.is_not(None),
)
_REQUESTS = (
    select(
        ServiceRequest.id,
        ServiceRequest.package_key,
        ServiceRequest.status,
        ServiceRequest.answer,
        ServiceRequest.asked_at,
        ServiceRequest.changed_at,
        Person.name,
        Order.id,
        Order.number,
    )
    .join(Person, Person.id == ServiceRequest.asked_by_id)
    .outerjoin(OrderLine, OrderLine.id == ServiceRequest.order_line_id)
    .outerjoin(Order, Order.id == OrderLine.order_id)
    .where(ServiceRequest.account_id == bindparam("account_id"))
    .order_by(ServiceRequest.id.desc())
    .limit(bindparam("limit"))
)

_WAITING_MESSAGES = (
    select(
        SupportMessage.id,
        SupportMessage.status,
        SupportMessage.changed_at,
        Account.name,
        Person.email,
        SupportMessage.about,
    )
    .join(Account, Account.id == SupportMessage.account_id)
    .join(Person, Person.id == SupportMessage.author_id)
    .order_by(SupportMessage.changed_at, SupportMessage.id)
    .limit(bindparam("limit"))
)
_WAITING_REQUESTS = (
    select(
        ServiceRequest.id,
        ServiceRequest.status,
        ServiceRequest.changed_at,
        Account.name,
        Person.email,
        ServiceRequest.package_key,
    )
    .join(Account, Account.id == ServiceRequest.account_id)
    .join(Person, Person.id == ServiceRequest.asked_by_id)
    .where(ServiceRequest.closed_at.is_(None))
    .order_by(ServiceRequest.changed_at, ServiceRequest.id)
    .limit(bindparam("limit"))
)

# More than a company buys of what is for its beginning; the latest are the ones that matter.
_MOST_REQUESTS = 50


def list_messages(
    connection: Connection, account_id: int, *, limit: int, offset: int = 0
) -> list[MessageRow]:
    """The account's messages, the newest first."""
    rows = fetch_all(connection, _MESSAGES, account_id=account_id, limit=limit, offset=offset)
    return [MessageRow(*row) for row in rows]


def get_message(
    connection: Connection, account_id: int | None, message_id: int
) -> tuple[MessageRow, tuple[Said, ...]] | None:
    """A message of the account with all that was said, or None (also for another account's).

    Without an account any message: for the vendor's people.
    """
    if account_id is None:
        rows = fetch_all(connection, _MESSAGE, message_id=message_id)
    else:
        rows = fetch_all(
            connection, _MESSAGE_OF_ACCOUNT, account_id=account_id, message_id=message_id
        )
    if not rows:
        return None
    message = MessageRow(*rows[0][:6])
    first = Said(message.sent_at, message.author, False, rows[0][6])
    return message, (first, *(Said(*row[7:]) for row in rows if row[7] is not None))


def list_package_prices(connection: Connection, currency: str) -> dict[str, Money]:
    """What each service package costs in a currency, without VAT, by its key."""
    rows = fetch_all(connection, _PRICES, currency=currency)
    return {key: Money(minor, currency) for key, minor in rows}


def list_service_requests(connection: Connection, account_id: int) -> list[ServiceRequestRow]:
    """The account's requests for packages and those it bought, the newest first."""
    rows = fetch_all(connection, _REQUESTS, account_id=account_id, limit=_MOST_REQUESTS)
    return [ServiceRequestRow(*row) for row in rows]


def list_waiting_messages(
    connection: Connection, *, everything: bool, limit: int
) -> list[WaitingMessage]:
    """Messages of all accounts that wait for an answer, the longest first; or every message."""
    statement = _WAITING_MESSAGES
    if not everything:
        statement = statement.where(SupportMessage.status == "new")
    return [WaitingMessage(*row) for row in fetch_all(connection, statement, limit=limit)]


def list_waiting_requests(connection: Connection, *, limit: int) -> list[WaitingRequest]:
    """Requests of all accounts that are not closed, the longest first."""
    return [WaitingRequest(*row) for row in fetch_all(connection, _WAITING_REQUESTS, limit=limit)]
