"""Reminding of an open quote three days before its last one, where its customer is (Q1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from portal.domain.catalogue import Catalogue
from portal.domain.errors import DomainError
from portal.domain.periods import local_date
from portal.domain.quotes import REMINDER_DAYS, is_reminder_due
from portal.models import OPEN_QUOTE, Account, OutboxMessage, Quote
from portal.queries.invoiced_ahead import list_invoiced_ahead
from portal.queries.quotes import get_account_buying, get_quote
from portal.queries.subscriptions import list_subscription_states
from portal.services.quote_mails import tell_buyers
from portal.services.quoting import preview_quote

__all__ = ["remind_of_expiring_quotes"]

# The local date may be a day before or after UTC's.
_DATE_LINE = timedelta(days=1)


def remind_of_expiring_quotes(
    session: Session, *, catalogue: Catalogue, now: datetime, after: tuple[date, int], limit: int
) -> tuple[date, int] | None:
    """Write the mails that are due of the next `limit` open quotes beyond `after`.

    Returns where to go on, None where all were looked at. A quote that fits its subscription no
    more is not spoken of, and nothing is told twice.
    """
    today = now.date()
    found = session.execute(
        select(Quote, Account)
        .join(Account, Account.id == Quote.account_id)
        .where(
            OPEN_QUOTE,
            Quote.valid_until >= today - _DATE_LINE,
            Quote.valid_until <= today + timedelta(days=REMINDER_DAYS) + _DATE_LINE,
            tuple_(Quote.valid_until, Quote.id) > after,
        )
        .order_by(Quote.valid_until, Quote.id)
        .limit(limit)
    ).all()
    due = [(q, a) for q, a in found if _is_due(q, a, now)]
    told = _told(session, [quote for quote, _account in due])
    for quote, account in due:
        gross = None if quote.id in told else _gross(session, quote, account, catalogue, now)
        if gross is not None:
            tell_buyers(session, account, quote, "quote_expiring", now, gross_minor=gross)
    session.flush()
    if len(found) < limit:
        return None
    return found[-1][0].valid_until, found[-1][0].id


def _is_due(quote: Quote, account: Account, now: datetime) -> bool:
    try:
        today = local_date(now, account.time_zone)
    except DomainError:
        return False  # a time zone that is none: the others are told
    return is_reminder_due(quote.created_on, quote.valid_until, today)


def _told(session: Session, quotes: list[Quote]) -> set[int]:
    """Whose mails were written before: one statement, not a price for each in every hour."""
    accounts = {quote.account_id for quote in quotes}
    rows = session.execute(
        select(OutboxMessage.payload).where(
            OutboxMessage.account_id.in_(accounts), OutboxMessage.topic == "quote_expiring"
        )
    )
    return {row.payload["quote_id"] for row in rows}


def _gross(
    session: Session, quote: Quote, account: Account, catalogue: Catalogue, now: datetime
) -> int | None:
    connection = session.connection()
    row = get_quote(connection, account.id, quote.id)
    assert row is not None
    try:
        priced = preview_quote(
            row.lines,
            list_subscription_states(connection, account.id),
            get_account_buying(connection, account.id),
            catalogue,
            local_date(now, account.time_zone),
            list_invoiced_ahead(connection, account.id),
        )
    except DomainError:
        return None
    return priced.totals.gross.minor
