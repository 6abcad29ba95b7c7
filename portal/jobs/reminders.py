"""The jobs that remind: of losing access (S6), a card that will have expired, a quote, a transfer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from portal.db import transaction
from portal.jobs.registry import register
from portal.parts import Parts
from portal.services.access_notices import remind_of_losses
from portal.services.card_expiry_notices import remind_of_expiring_cards
from portal.services.quote_reminders import remind_of_expiring_quotes
from portal.services.transfer_reminders import remind_of_transfers

__all__ = ["remind_of_access", "remind_of_awaited", "remind_of_cards", "remind_of_quotes"]

_BATCH = 500


@register("access_reminders", every=timedelta(hours=1))
def remind_of_access(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Write the mails that are due today where each customer is; one commit a batch."""
    after: tuple[date, int] | None = None
    while True:
        with transaction() as session:
            after = remind_of_losses(
                session, catalogue=parts.catalogue, now=now, after=after, limit=_BATCH
            )
        if after is None:
            return


@register("card_reminders", every=timedelta(hours=1))
def remind_of_cards(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Write the mails of cards that expire before the next renewal; one commit a batch."""
    after: tuple[date, int] | None = None
    while True:
        with transaction() as session:
            after = remind_of_expiring_cards(session, now=now, after=after, limit=_BATCH)
        if after is None:
            return


@register("quote_reminders", every=timedelta(hours=1))
def remind_of_quotes(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Write the mails of open quotes that end in three days; one commit a batch."""
    after: tuple[date, int] | None = (date.min, 0)
    while after is not None:
        with transaction() as session:
            after = remind_of_expiring_quotes(
                session, catalogue=parts.catalogue, now=now, after=after, limit=_BATCH
            )


@register("transfer_reminders", every=timedelta(hours=1))
def remind_of_awaited(parts: Parts, payload: Mapping[str, Any], now: datetime) -> None:
    """Write the mails of orders whose transfer is awaited; one commit a batch."""
    after: int | None = 0
    while after is not None:
        with transaction() as session:
            after = remind_of_transfers(session, now=now, after=after, limit=_BATCH)
