"""A payment whose outcome is awaited on a page: collected, looked up again, given up (M1, Q1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import flash
from flask_babel import gettext as _

from portal.db import transaction
from portal.payments.gateway import Patience
from portal.services.collecting import abandon_attempt, collect_attempt, refresh_attempt
from portal.web.signed_in import parts, stop_reading

__all__ = ["collect", "flash_still_checked", "give_up", "look_up"]

Told = TypeVar("Told")


def collect(attempt_id: int) -> None:
    """Charge an attempt that was just reserved; its page tells the outcome, known yet or not."""
    _at_provider(collect_attempt, attempt_id)


def look_up(attempt_id: int) -> bool:
    """Ask the provider what became of the attempt; False if it cannot tell yet."""
    return _at_provider(refresh_attempt, attempt_id)


def give_up(attempt_id: int) -> None:
    """Cancel the attempt at the provider; says so where that could not be done yet."""
    if not _at_provider(abandon_attempt, attempt_id):
        flash(_("The payment could not be cancelled yet. Try again in a moment."), "warn")


def _at_provider(work: Callable[..., Told], attempt_id: int) -> Told:
    """Do it while a person waits; no transaction is open meanwhile."""
    here = parts()
    stop_reading()
    return work(
        transaction,
        here.gateway,
        attempt_id,
        catalogue=here.catalogue,
        public_url=here.settings.public_url,
        patience=Patience.ON_SCREEN,
        now=here.clock.now,
    )


def flash_still_checked() -> None:
    """Say that the outcome is still awaited, and that waiting is safe."""
    flash(_("The payment is still being checked. Nothing is charged twice."), "info")
