"""Deciding what is due for one subscription: the plan of the preview, and the invoice it brings.

Whatever may be wrong with a single subscription shows here, before anything is written: so one
that cannot be renewed is put aside and its batch goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from portal.domain.catalogue import Catalogue
from portal.domain.labels import label_of
from portal.domain.periods import local_date
from portal.domain.pricing import decide_vendor_tax
from portal.domain.renewal_invoices import plan_renewal_invoice
from portal.domain.renewals import (
    NextPeriod,
    is_invoiced_by,
    plan_next_period,
    plan_unpaid_end,
)
from portal.domain.tax import TaxDecision
from portal.services.bulk_rows import as_json
from portal.services.entitlements import Announcement, grants_of
from portal.services.renewal_loading import Payer, Renewing
from portal.services.snapshots import buyer_snapshot, tax_snapshot

__all__ = ["DraftInvoice", "Planner", "Step"]


@dataclass(frozen=True, slots=True)
class DraftInvoice:
    """A renewal invoice without its number; `lines` are in the order of InvoiceLine's columns:
    kind, description, item, quantity, unit, net. `tax` and `buyer` are JSON texts."""

    lines: tuple[tuple[str, str, int | None, int, int, int], ...]
    rate: str
    net_minor: int
    tax_minor: int
    gross_minor: int
    tax: str
    buyer: str


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to one subscription now: its next period is written, or entered, or both.

    `opens`: the period is written, with `invoice` if anything is to be paid. `enters`: the renewal
    day has come, so all that was planned takes effect. `overhang` are the licences in use beyond
    the new seats (S6). `differs`: an invoice issued ahead is not what the renewal came to be.
    """

    subscription_id: int
    payer: Payer
    renewing: Renewing
    plan: NextPeriod
    opens: bool
    enters: bool
    late: bool
    invoice: DraftInvoice | None
    overhang: int
    announcement: Announcement | None
    differs: bool


class Planner:
    """Plans the steps of a batch as of `now`; what is the same for many is worked out once."""

    def __init__(self, catalogue: Catalogue, now: datetime) -> None:
        self.catalogue = catalogue
        self.now = now
        self.today: Callable[[str], date] = cache(lambda time_zone: local_date(now, time_zone))
        self._tax: Callable[[str, str | None, str], TaxDecision] = cache(
            lambda country, number, status: decide_vendor_tax(
                catalogue.vendor, country, number, status
            )
        )
        self._label: Callable[..., str] = cache(
            lambda *keys_and_locale: label_of(catalogue, *keys_and_locale)
        )
        self._acknowledges: Callable[[str], bool] = cache(
            lambda product: catalogue.product(product).entitlement_url is not None
        )
        self._buyers: dict[int, str] = {}

    def plan(self, renewing: Renewing) -> Step | None:
        """The step that is due, None where nothing is; DomainError as `plan_next_period`."""
        state, payer = renewing.state, renewing.payer
        if state.status == "suspended":
            return self._end_unpaid(renewing)
        if not state.is_running or state.period is None:
            return None
        today = self.today(payer.buyer.time_zone)
        terms = payer.buyer.payment_terms
        on = state.period.end
        if not is_invoiced_by(on, today, self.catalogue.policy.change_notice_days, terms):
            return None
        enters = today >= on
        if not enters and renewing.following is not None:
            return None
        plan = plan_next_period(state)
        if not enters and plan.ends:
            return None
        opens = renewing.following is None and not plan.ends
        return Step(
            subscription_id=state.subscription_id,
            payer=payer,
            renewing=renewing,
            plan=plan,
            opens=opens,
            enters=enters,
            late=today > on,
            invoice=self._draft(payer, plan) if opens and plan.lines else None,
            overhang=_overhang(plan) if enters else state.overhang,
            announcement=self._announcement(renewing, plan) if enters else None,
            differs=enters and _differs(renewing, plan),
        )

    def _end_unpaid(self, renewing: Renewing) -> Step | None:
        """What is suspended on its renewal date ends, without another invoice (M5)."""
        state, payer = renewing.state, renewing.payer
        today = self.today(payer.buyer.time_zone)
        if state.period is None or today < state.period.end:
            return None
        plan = plan_unpaid_end(state)
        return Step(
            subscription_id=state.subscription_id,
            payer=payer,
            renewing=renewing,
            plan=plan,
            opens=False,
            enters=True,
            late=today > plan.on,
            invoice=None,
            overhang=0,
            announcement=self._announcement(renewing, plan),
            differs=False,
        )

    def _draft(self, payer: Payer, plan: NextPeriod) -> DraftInvoice:
        buyer = payer.buyer
        decision = self._tax(buyer.country, buyer.vat_number, buyer.vat_status)
        planned = plan_renewal_invoice(plan, decision, buyer.currency)
        totals = planned.totals
        product = plan.after.product_key
        return DraftInvoice(
            lines=tuple(
                (
                    line.kind,
                    self._label(
                        product, item.plan_key, item.add_on_key, item.package_key, buyer.locale
                    ),
                    line.item_id,
                    line.quantity,
                    line.unit_price.minor,
                    line.net.minor,
                )
                for item, line in planned.lines
            ),
            rate=str(decision.rate),
            net_minor=totals.net.minor,
            tax_minor=totals.tax.minor,
            gross_minor=totals.gross.minor,
            tax=as_json(tax_snapshot(decision, totals)),
            buyer=self._buyer(payer),
        )

    def _buyer(self, payer: Payer) -> str:
        found = self._buyers.get(payer.id)
        if found is None:
            found = self._buyers[payer.id] = as_json(buyer_snapshot(payer.buyer))
        return found

    def _announcement(self, renewing: Renewing, plan: NextPeriod) -> Announcement | None:
        if not plan.ends and not plan.applied:
            return None  # only a change that waited changes what is granted
        ref = renewing.payer.external_ref or str(renewing.payer.id)
        grants: dict[str, Any] = grants_of(ref, plan.after)
        if grants == grants_of(ref, renewing.state):
            return None
        return Announcement(
            renewing.payer.id,
            renewing.state.subscription_id,
            grants,
            self._acknowledges(renewing.state.product_key),
        )


def _overhang(plan: NextPeriod) -> int:
    """How many licences are in use beyond the seats of the new period."""
    if plan.ends:
        return 0
    return sum(max(item.assigned - item.quantity, 0) for item in plan.after.items if item.per_seat)


def _differs(renewing: Renewing, plan: NextPeriod) -> bool:
    """Whether what was invoiced ahead is not what takes effect: something was undone, or asked in
    time and written late (S4). Periods and licences follow the plan; people look at the invoice."""
    following = renewing.following
    if following is None:
        return False
    if plan.ends:
        return True
    assert plan.after.period is not None
    return (
        following.ends_on != plan.after.period.end
        or sum(line.net.minor for line in plan.lines) != following.net_minor
    )
