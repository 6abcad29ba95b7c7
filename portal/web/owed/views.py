"""An owed invoice as its page shows it: why, when the next try is, what can be done."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.queries.owed import OwedInvoice
from portal.web.messages import smallest_sentence
from portal.web.orders.declines import decline_sentence

__all__ = ["OwedCard", "owed_cards"]

_TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class OwedCard:
    """One invoice: `product` that it renewed, `why` in words and what helps, `late` past its due date.

    `retry_on` is the next try by itself. `is_waiting`: nothing is asked of the customer, a payment
    is on its way, or the rest is less than can be charged (`too_small` says so). `needs_other_method`: the present one is not worth another try.
    """

    invoice: OwedInvoice
    product: str
    why: list[str]
    retry_on: date | None
    late: bool
    is_waiting: bool
    needs_other_method: bool
    too_small: str | None = None


def owed_cards(
    invoices: Iterable[OwedInvoice],
    *,
    catalogue: Catalogue,
    locale: str,
    has_method: bool,
    by_transfer: bool,
    today: date,
) -> list[OwedCard]:
    """The cards of the page, in the order of `invoices`."""
    cards = []
    for one in invoices:
        too_small = None if by_transfer else smallest_sentence(one.owed, "invoice_too_small")
        cards.append(
            OwedCard(
                one,
                product=_product(one, catalogue, locale),
                why=_why(one, has_method),
                retry_on=_retry_on(one, catalogue.policy.dunning.retry_days, has_method),
                late=one.due_on < today and too_small is None,
                is_waiting=one.status == "pending" or one.is_checked or too_small is not None,
                needs_other_method=_is_refused_for_good(one),
                too_small=too_small,
            )
        )
    return cards


def _product(one: OwedInvoice, catalogue: Catalogue, locale: str) -> str:
    if one.product_key is None:
        return ""
    return label_of(catalogue, one.product_key, None, None, None, locale)


def _is_refused_for_good(one: OwedInvoice) -> bool:
    """Whether a hard decline stopped the retries; money that was taken back may be paid again."""
    return one.stopped and one.reason != _TAKEN_BACK


def _why(one: OwedInvoice, has_method: bool) -> list[str]:
    if one.by_transfer:
        return []
    if one.reason == _TAKEN_BACK:
        return [
            decline_sentence({"code": one.reason}),
            _("It is not collected again by itself: pay it here, or replace the payment method."),
        ]
    if one.reason == "authentication_required":
        return [_("Your bank wants you to confirm this payment: pay it here, and it asks you.")]
    if _is_refused_for_good(one):
        return [
            decline_sentence({"code": one.reason}),
            _(
                "This payment method is not tried again. A new one is charged as soon as it is saved."
            ),
        ]
    if one.reason:
        return [decline_sentence({"code": one.reason})]
    return [] if has_method else [_("There is no payment method that could be charged.")]


def _retry_on(one: OwedInvoice, retry_days: Container[int], has_method: bool) -> date | None:
    """The day of the next automatic try; None where it only waits for the customer."""
    if one.case_status != "open" or one.suspended or one.stopped or one.by_transfer:
        return None
    if one.to_confirm:  # the bank waits for the customer, not for a day
        return None
    if not has_method or one.next_on is None or one.started_on is None:
        return None
    return one.next_on if (one.next_on - one.started_on).days in retry_days else None
