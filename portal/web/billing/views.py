"""What the billing pages show, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.domain.catalogue import Catalogue, Vendor
from portal.domain.changes import ChangeTime, change_time
from portal.domain.labels import item_label, label_of
from portal.domain.money import Money, total
from portal.domain.period_options import PeriodOption, plan_period_options, why_no_period_change
from portal.domain.periods import Interval, Period, notice_closes_on
from portal.domain.price_book import PriceBook
from portal.domain.pricing import PricedLine, decide_vendor_tax
from portal.domain.refunds import plan_balance_use
from portal.domain.renewal_invoices import (
    ComingInvoices,
    RenewalInvoice,
    plan_coming_invoices,
)
from portal.domain.renewals import plan_next_period
from portal.domain.subscriptions import SubscriptionState
from portal.domain.tax import EU_COUNTRIES, TaxDecision, Totals, VatStatus
from portal.payments.smallest_charge import smallest_charge
from portal.queries.billing import InvoicedAhead
from portal.queries.quotes import AccountBuying
from portal.web.changes.views import ChangeLine, change_lines

__all__ = [
    "ComingView", "InvoiceView", "PeriodCard", "PeriodLine", "VatView", "coming_invoices",
    "coming_view", "invoice_view", "period_cards", "period_lines", "product_name", "tax_of",
    "vat_view",
]  # fmt: skip

_SHORTEST_MONTH = 28


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """One invoice to come: its lines named in the reader's language, with their formulas."""

    subscription_id: int
    product: str
    interval: Interval | None
    period: Period | None
    lines: tuple[tuple[str, PricedLine], ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class ComingView:
    """The next renewal date with its invoices; `issued_on` is when they are issued (I3).

    `changes` are part of it, `later` wait for another day; `ending` are products that end by then.
    `balance_used` of the account's balance pays a part of it (M6).
    """

    on: date
    issued_on: date
    due_on: date
    invoices: tuple[InvoiceView, ...]
    totals: Totals
    decision: TaxDecision
    changes: tuple[ChangeLine, ...]
    later: tuple[ChangeLine, ...]
    ending: tuple[str, ...]
    balance_used: Money

    @property
    def to_pay(self) -> Money:
        """What is left of the total after the account's balance."""
        return self.totals.gross - self.balance_used


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """A subscription on the overview: its billing period, and what waits for its renewal."""

    id: int
    product: str
    status: str
    interval: Interval | None
    renews_on: date | None
    ends_on: date | None
    changes: tuple[ChangeLine, ...]

    @property
    def last_day(self) -> date | None:
        """The last day of one that was cancelled."""
        return self.ends_on - timedelta(days=1) if self.ends_on is not None else None


@dataclass(frozen=True, slots=True)
class PeriodCard:
    """A subscription where its billing period is chosen; `blocked` says why it is not.

    `anchor_day` is set where some months are too short for it (P1).
    """

    id: int
    product: str
    plan: str
    blocked: str | None
    state: SubscriptionState
    time: ChangeTime | None
    options: tuple[PeriodOption, ...]
    changes: tuple[ChangeLine, ...]
    anchor_day: int | None


@dataclass(frozen=True, slots=True)
class VatView:
    """The VAT of a buyer from the next invoice on; `before` and `after` where details change."""

    status: VatStatus
    is_eu: bool
    is_abroad: bool
    before: TaxDecision
    after: TaxDecision

    @property
    def changes(self) -> bool:
        """Whether another VAT applies than until now."""
        return self.before != self.after

    @property
    def key(self) -> str:
        """What was shown, to be sent back when it is saved."""
        return f"{self.after.treatment.value}.{self.after.rate}.{self.after.rate_country or ''}"


def tax_of(vendor: Vendor, buying: AccountBuying) -> TaxDecision:
    """The VAT of the account's invoices as its details are now (I4)."""
    return decide_vendor_tax(vendor, buying.country, buying.vat_number, buying.vat_status)


def vat_view(
    vendor: Vendor, buying: AccountBuying, country: str, number: str | None, status: VatStatus
) -> VatView:
    """The VAT with these details, beside that of the present ones."""
    return VatView(
        status=status,
        is_eu=country in EU_COUNTRIES,
        is_abroad=country in EU_COUNTRIES and country != vendor.address.country,
        before=tax_of(vendor, buying),
        after=decide_vendor_tax(vendor, country, number, status.value),
    )


def product_name(state: SubscriptionState, catalogue: Catalogue, locale: str) -> str:
    """The product alone, without its plan."""
    return label_of(catalogue, state.product_key, None, None, None, locale)


def invoice_view(invoice: RenewalInvoice, catalogue: Catalogue, locale: str) -> InvoiceView:
    """One invoice to come, in the reader's language."""
    state = invoice.state
    return InvoiceView(
        subscription_id=state.subscription_id,
        product=product_name(state, catalogue, locale),
        interval=state.interval,
        period=state.period,
        lines=tuple(
            (item_label(catalogue, state.product_key, item, locale), line)
            for item, line in invoice.lines
        ),
        totals=invoice.totals,
    )


def _to_invoice(
    states: Iterable[SubscriptionState], ahead: Iterable[InvoicedAhead]
) -> list[SubscriptionState]:
    """The subscriptions as of their next invoice: past a renewal whose invoice is issued."""
    done = {(one.subscription_id, one.on) for one in ahead}
    found = []
    for state in states:
        ahead_of_it = state.period is not None and (state.subscription_id, state.period.end) in done
        found.append(plan_next_period(state).after if ahead_of_it else state)
    return found


def coming_invoices(
    states: Iterable[SubscriptionState],
    ahead: Iterable[InvoicedAhead],
    decision: TaxDecision,
    currency: str,
) -> ComingInvoices | None:
    """The invoices of the next renewal date that has none yet."""
    return plan_coming_invoices(_to_invoice(states, ahead), decision, currency)


def coming_view(
    states: Sequence[SubscriptionState],
    ahead: Iterable[InvoicedAhead],
    buying: AccountBuying,
    catalogue: Catalogue,
    locale: str,
    balance: Money,
) -> ComingView | None:
    """The next invoices with every line; None where nothing renews.

    They use the account's `balance` by the same plan as when they are issued.
    """
    coming = coming_invoices(states, ahead, tax_of(catalogue.vendor, buying), buying.currency)
    if coming is None:
        return None
    by_transfer = buying.payment_terms == "bank_transfer"
    smallest = Money.zero(buying.currency) if by_transfer else smallest_charge(buying.currency)
    policy = catalogue.policy
    issued_on = notice_closes_on(coming.on, policy.change_notice_days) if by_transfer else coming.on
    lines = [
        line
        for state in states
        if state.is_running
        for line in change_lines(state, catalogue, locale)
    ]
    return ComingView(
        on=coming.on,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=policy.invoice_due_days) if by_transfer else issued_on,
        invoices=tuple(invoice_view(one, catalogue, locale) for one in coming.invoices),
        totals=coming.totals,
        decision=coming.decision,
        changes=tuple(line for line in lines if line.effective_on <= coming.on),
        later=tuple(line for line in lines if line.effective_on > coming.on),
        ending=tuple(product_name(state, catalogue, locale) for state in coming.ending),
        balance_used=total(
            plan_balance_use(balance, [one.totals.gross for one in coming.invoices], smallest),
            buying.currency,
        ),
    )


def period_lines(
    states: Iterable[SubscriptionState], catalogue: Catalogue, locale: str
) -> list[PeriodLine]:
    """Every subscription with its billing period."""
    return [
        PeriodLine(
            id=state.subscription_id,
            product=item_label(catalogue, state.product_key, state.plan_item, locale),
            status=state.status,
            interval=state.interval,
            renews_on=state.period.end if state.period is not None else None,
            ends_on=state.ends_on,
            changes=change_lines(state, catalogue, locale),
        )
        for state in states
    ]


def period_cards(
    states: Iterable[SubscriptionState],
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    today: date,
    locale: str,
) -> list[PeriodCard]:
    """Every subscription with the billing periods that it can have."""
    return [_card(s, book, catalogue, payment_terms, today, locale) for s in states]


def _card(
    state: SubscriptionState,
    book: PriceBook,
    catalogue: Catalogue,
    payment_terms: str,
    today: date,
    locale: str,
) -> PeriodCard:
    blocked = why_no_period_change(state, catalogue, payment_terms)
    product = catalogue.product(state.product_key)
    plan = product.plan(state.plan_item.plan_key or "")
    notice_days = catalogue.policy.change_notice_days
    anchor = state.term.anchor_day if state.term is not None else 0
    return PeriodCard(
        id=state.subscription_id,
        product=product_name(state, catalogue, locale),
        plan=plan.name.in_(locale),
        blocked=blocked,
        state=state,
        time=change_time(state, today, notice_days) if blocked is None else None,
        options=plan_period_options(state, book, today, notice_days) if blocked is None else (),
        changes=change_lines(state, catalogue, locale),
        anchor_day=anchor if anchor > _SHORTEST_MONTH else None,
    )
