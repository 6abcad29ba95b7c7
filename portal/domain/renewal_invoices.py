"""The invoices that renewals bring, priced whole: what a page shows ahead is what is issued (I1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from portal.domain.pricing import PricedLine, document_totals
from portal.domain.renewals import NextPeriod, plan_next_invoice, plan_renewals
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.tax import TaxDecision, Totals

__all__ = ["ComingInvoices", "RenewalInvoice", "plan_coming_invoices", "plan_renewal_invoice"]


@dataclass(frozen=True, slots=True)
class RenewalInvoice:
    """The invoice of one renewal: its lines with the items as they will be, and its totals (I1).

    `renewal` is the plan it comes from; without lines nothing is invoiced.
    """

    renewal: NextPeriod
    lines: tuple[tuple[ItemState, PricedLine], ...]
    totals: Totals
    decision: TaxDecision

    @property
    def state(self) -> SubscriptionState:
        """The subscription in its new period."""
        return self.renewal.after


@dataclass(frozen=True, slots=True)
class ComingInvoices:
    """Every invoice of the next renewal date; `ending` are the subscriptions that end by it."""

    on: date
    invoices: tuple[RenewalInvoice, ...]
    totals: Totals
    decision: TaxDecision
    ending: tuple[SubscriptionState, ...]


def plan_renewal_invoice(
    renewal: NextPeriod, decision: TaxDecision, currency: str
) -> RenewalInvoice:
    """The invoice of a planned renewal: one VAT rate for all of its lines."""
    items = {item.item_id: item for item in renewal.after.items}
    return RenewalInvoice(
        renewal=renewal,
        lines=tuple((items[line.item_id or 0], line) for line in renewal.lines),
        totals=document_totals((line.net for line in renewal.lines), decision.rate, currency),
        decision=decision,
    )


def plan_coming_invoices(
    states: Iterable[SubscriptionState], decision: TaxDecision, currency: str
) -> ComingInvoices | None:
    """The invoices of the earliest renewal date, one a subscription; None if none goes on.

    The sum is `plan_next_invoice`'s: that of the invoices' totals, each with its own VAT (I1).
    """
    known = list(states)
    coming = plan_next_invoice(known, decision, currency)
    if coming is None:
        return None
    return ComingInvoices(
        on=coming.on,
        invoices=tuple(
            plan_renewal_invoice(plan, decision, currency)
            for _state, plan in plan_renewals(known)
            if plan.on == coming.on and not plan.ends
        ),
        totals=Totals(coming.net, (), coming.tax, coming.gross),
        decision=decision,
        ending=coming.ending,
    )
