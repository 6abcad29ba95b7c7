"""An owed invoice as its page shows it: why, when the next try is, what can be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from portal.domain.catalogue import Dunning
from portal.queries.owed import OwedInvoice
from portal.web.orders.declines import decline_sentence

__all__ = ["OwedCard", "owed_cards"]


@dataclass(frozen=True, slots=True)
class OwedCard:
    """One invoice: `why` in words, `retry_on` the next try by itself, `late` past its due date.

    `is_waiting`: nothing is asked of the customer, a payment is on its way.
    """

    invoice: OwedInvoice
    why: str
    retry_on: date | None
    late: bool
    is_waiting: bool


def owed_cards(
    invoices: Iterable[OwedInvoice], *, policy: Dunning, has_method: bool, today: date
) -> list[OwedCard]:
    """The cards of the page, in the order of `invoices`."""
    return [
        OwedCard(
            one,
            _why(one, has_method),
            _retry_on(one, policy, has_method),
            late=one.due_on < today,
            is_waiting=one.status == "pending" or one.is_checked,
        )
        for one in invoices
    ]


def _why(one: OwedInvoice, has_method: bool) -> str:
    if one.by_transfer:
        return ""
    if one.reason == "taken_back":
        return _("Your bank took the payment back.")
    if one.reason:
        return decline_sentence({"code": one.reason})
    return "" if has_method else _("There is no payment method that could be charged.")


def _retry_on(one: OwedInvoice, policy: Dunning, has_method: bool) -> date | None:
    """The day of the next automatic try; None where it only waits for the customer."""
    if one.case_status != "open" or one.suspended or one.stopped or one.by_transfer:
        return None
    if not has_method or one.next_on is None or one.started_on is None:
        return None
    return one.next_on if (one.next_on - one.started_on).days in policy.retry_days else None
