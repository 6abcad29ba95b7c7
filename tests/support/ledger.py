"""The ledger check at the end of a test: whatever happened, the books agree."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal.clock import clock
from portal.db import reading, snapshot
from portal.parts import Parts
from portal.services.ledger_check import Difference, check_ledger

__all__ = ["differences", "the_books_agree"]

_PAST = timedelta(days=2_000)  # all of the demo's history


def differences(parts: Parts, since: datetime | None = None) -> list[Difference]:
    """What `flask ledger check` would print, over all charges there are, or those made `since`."""
    now = clock.now()
    return list(
        check_ledger(
            snapshot, reading, parts.gateway, since or now - _PAST, now + timedelta(days=1)
        )
    )


def the_books_agree(parts: Parts, since: datetime | None = None) -> None:
    """No difference, or the test fails with each of them.

    `since` leaves the demo's past out, which a provider that is not the demo's never saw.
    """
    found = [str(one) for one in differences(parts, since)]
    assert found == [], "\n".join(found)
