"""Telling admins a month and a week before a renewal that no method reaches it.

Their card will have expired by then, or none is saved (the old one was removed while the
subscription was cancelled, or can be charged no more). What was told is not told again; a card
that was replaced or renewed is not spoken of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.domain.errors import DomainError
from portal.domain.payment_methods import expires_before
from portal.domain.periods import local_date
from portal.models import OutboxMessage
from portal.queries.access_losses import list_known_keys
from portal.queries.admins import AdminOf, list_admins_of
from portal.queries.expiring_cards import ExpiringCard, list_expiring_cards
from portal.services.bulk_rows import as_json, insert_rows

__all__ = ["REMINDER_DAYS", "due_reminder", "remind_of_expiring_cards"]

REMINDER_DAYS = (30, 7)
"""So many local days before the renewal the admins are reminded."""

# The local date may be a day before or after UTC's.
_DATE_LINE = timedelta(days=1)
_EXPIRING, _MISSING = "card_expiring", "payment_method_missing"
_COLUMNS = (
    "account_id", "kind", "topic", "recipient", "locale", "payload", "dedupe_key", "status",
    "created_at", "available_at", "attempts", "fence", "last_error",
)  # fmt: skip


def due_reminder(renews_on: date, today: date) -> int | None:
    """Which reminder (its days) of a renewal is due on the local day `today`, if any.

    A worker that was down sends the latest alone; from the renewal on there is none.
    """
    if today >= renews_on:
        return None
    due = (days for days in sorted(REMINDER_DAYS) if today >= renews_on - timedelta(days=days))
    return next(due, None)


def remind_of_expiring_cards(
    session: Session, *, now: datetime, after: tuple[date, int] | None, limit: int
) -> tuple[date, int] | None:
    """Write the mails that are due of the next `limit` renewals beyond `after`.

    Returns where to go on, None where all were looked at. Four statements, however many there are.
    """
    today = now.date()
    connection = session.connection()
    cards = list_expiring_cards(
        connection,
        first=today - _DATE_LINE,
        last=today + timedelta(days=max(REMINDER_DAYS)) + _DATE_LINE,
        after=after or (date.min, 0),
        limit=limit,
    )
    if not cards:
        return None
    due = [(card, days) for card in cards if (days := _due_of(card, now)) is not None]
    admins = list_admins_of(connection, {card.account_id for card, _ in due})
    # Several subscriptions of an account renew on one day: one mail.
    wanted = {
        _key(card, days, admin): (card, admin)
        for card, days in due
        for admin in admins[card.account_id]
    }
    known = list_known_keys(connection, list(wanted))
    insert_rows(
        connection, OutboxMessage.__table__, _COLUMNS,
        [_row(key, card, admin, now) for key, (card, admin) in wanted.items() if key not in known],
    )  # fmt: skip
    return cards[-1].renews_on, cards[-1].period_id


def _due_of(card: ExpiringCard, now: datetime) -> int | None:
    has_card = card.method_id is not None
    if has_card and not expires_before(card.expires_year, card.expires_month, card.renews_on):
        return None
    try:
        return due_reminder(card.renews_on, local_date(now, card.time_zone))
    except DomainError:
        return None  # its renewal is parked for the same reason; the others are told


def _key(card: ExpiringCard, days: int, admin: AdminOf) -> str:
    what = (
        f"{_MISSING}:{card.account_id}"
        if card.method_id is None
        else f"{_EXPIRING}:{card.method_id}"
    )
    return f"{what}:{card.renews_on.isoformat()}:{days}:{admin.member_id}"


def _row(key: str, card: ExpiringCard, admin: AdminOf, now: datetime) -> Sequence[object]:
    payload: dict[str, object] = {
        "account_name": card.account_name,
        "renews_on": card.renews_on.isoformat(),
    }
    if card.method_id is not None:
        payload |= {
            "brand": card.brand,
            "last4": card.last4,
            "expires_year": card.expires_year,
            "expires_month": card.expires_month,
        }
    topic = _MISSING if card.method_id is None else _EXPIRING
    return (
        card.account_id, "mail", topic, admin.email, admin.locale, as_json(payload), key,
        "waiting", now, now, 0, 0, "",
    )  # fmt: skip
