"""What the cancellation page shows, put together from what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.cancellation import Alternative, plan_alternatives
from portal.domain.catalogue import Catalogue
from portal.domain.changes import ChangeTime, plan_cancellation
from portal.domain.labels import item_label
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.price_book import PriceBook
from portal.domain.pricing import document_totals
from portal.domain.renewals import NextInvoice, plan_next_invoice
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.tax import TaxDecision
from portal.queries.cancellation import Affected
from portal.web.pages import has_address

__all__ = ["CancellationView", "Instead", "cancellation_view"]


@dataclass(frozen=True, slots=True)
class Instead:
    """An alternative with the page where it is done; `plan` is the smaller plan's name."""

    what: Alternative
    url: str
    plan: str


@dataclass(frozen=True, slots=True)
class CancellationView:
    """What happens when, what is lost, what the next invoices are, what can be done instead.

    `renewal_gross` would be invoiced for the period that does not come any more, and
    `renewal_interval` is that period's. `credited` is the number of its invoice where it was
    issued ahead.
    """

    product: str
    time: ChangeTime
    items: tuple[tuple[str, ItemState], ...]
    people: int
    renewal_gross: Money
    renewal_interval: Interval | None
    next_before: NextInvoice | None
    next_after: NextInvoice | None
    credited: str | None
    waiting: int
    instead: tuple[Instead, ...]
    data_export_url: str

    @property
    def last_day(self) -> date:
        """The last day with access (C3)."""
        return self.time.effective_on - timedelta(days=1)


def cancellation_view(
    state: SubscriptionState,
    others: Sequence[SubscriptionState],
    affected: Affected,
    book: PriceBook,
    decision: TaxDecision,
    catalogue: Catalogue,
    today: date,
    locale: str,
) -> CancellationView:
    """The page for a subscription that can be cancelled; DomainError as `plan_cancellation`.

    `others` are the account's further subscriptions: the next invoice is the account's.
    """
    notice_days = catalogue.policy.change_notice_days
    planned = plan_cancellation(state, "", today, notice_days)
    product = catalogue.product(state.product_key)
    nets = [line.net for line in planned.before.lines]
    return CancellationView(
        product=product.name.in_(locale),
        time=planned.time,
        items=tuple(
            (item_label(catalogue, state.product_key, item, locale), item) for item in state.items
        ),
        people=affected.people,
        renewal_gross=document_totals(nets, decision.rate, book.currency).gross,
        renewal_interval=planned.before.after.interval,
        next_before=plan_next_invoice([*others, state], decision, book.currency),
        next_after=plan_next_invoice([*others, planned.after_state], decision, book.currency),
        credited=affected.invoiced_ahead if planned.time.in_time else None,
        waiting=len(state.changes),
        instead=tuple(_instead(state, book, catalogue, today, locale)),
        data_export_url=product.data_export_url,
    )


def _instead(
    state: SubscriptionState, book: PriceBook, catalogue: Catalogue, today: date, locale: str
) -> list[Instead]:
    product = catalogue.product(state.product_key)
    ways = plan_alternatives(
        state,
        [plan.key for plan in product.offered_plans],
        book,
        today,
        catalogue.policy.change_notice_days,
    )
    here = f"/licences/{state.subscription_id}"
    pages = {"seats": f"{here}/remove", "plan": f"{here}/plan", "period": "/billing/period"}
    return [
        Instead(
            way,
            pages[way.kind],
            product.plan(way.plan_key).name.in_(locale) if way.plan_key else "",
        )
        for way in ways
        if has_address(pages[way.kind])
    ]
