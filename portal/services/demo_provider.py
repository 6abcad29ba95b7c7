"""The demo provider's days and post: what falls due there, and its webhooks to the portal."""

from __future__ import annotations

from datetime import datetime

from portal.db import Transaction
from portal.domain.catalogue import Catalogue
from portal.payments import demo_hosted_page
from portal.payments.demo_gateway import DemoGateway
from portal.payments.gateway import Gateway
from portal.services.gateway_events import receive_event

__all__ = ["deliver_demo_events"]


def deliver_demo_events(
    gateway: Gateway,
    transaction: Transaction,
    catalogue: Catalogue,
    now: datetime,
    ref: str | None = None,
) -> int:
    """Let the demo provider's time pass and hand its events to the webhook handler.

    With `ref` only the events of that object. Returns how many were taken; does nothing for any
    other gateway. For the worker's round, the moved clock and the demo's payment page. Raises the
    first error of an event that was not taken, after all the others.
    """
    if not isinstance(gateway, DemoGateway):
        return 0
    if ref is None:
        demo_hosted_page.pass_time(now)
    taken = 0
    failure: Exception | None = None
    for announcement in demo_hosted_page.announcements(gateway, now, ref):
        try:
            receive_event(
                announcement.event.body,
                announcement.event.headers,
                gateway=gateway,
                transaction=transaction,
                catalogue=catalogue,
                now=now,
            )
        except Exception as error:  # one that is not taken comes again and holds up no other
            failure = failure or error
            continue
        demo_hosted_page.mark_announced(announcement)
        taken += 1
    if failure is not None:
        raise failure
    return taken
