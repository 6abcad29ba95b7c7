"""What the wallet's pages show, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import gettext as _
from flask_babel import ngettext

from portal.domain.catalogue import Catalogue
from portal.domain.credit_use import MonthOfUse
from portal.domain.money import Money
from portal.domain.payment_methods import refusal_of
from portal.domain.price_book import PriceOf
from portal.domain.pricing import document_totals
from portal.domain.tax import TaxDecision
from portal.domain.wallet import TopUpDecision, TopUpState, first_of_next_month, plan_top_up
from portal.formats import format_integer
from portal.queries.payment_methods import PaymentMethodRow
from portal.queries.wallet import EntryRow, WalletRow
from portal.web.locale import speech

__all__ = [
    "EntryView", "PackView", "TopUpCard", "UsageView", "credits_words", "entry_views", "kinds_used",
    "pack_views", "top_up_card", "usage_name", "usage_views",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PackView:
    """A pack on sale: its price without VAT and, as this account pays it, with."""

    key: str
    credits: int
    net: Money
    gross: Money


@dataclass(frozen=True, slots=True)
class UsageView:
    """What credits buy; `uses` is how often the balance does."""

    name: str
    description: str
    credits: int
    uses: int


@dataclass(frozen=True, slots=True)
class TopUpCard:
    """Automatic top-up: `state` is what it would do if credits ran out now.

    off (never chosen, or switched off), stopped (after declines), charge (it works), or what keeps
    it from working: open, waits, suspended, owed, not_sold, no_method, cap. `pack` is None where it
    is not sold any more. `renews_on` is the day on which the month's cap begins anew.
    """

    state: str
    threshold: int
    credits: int
    pack: PackView | None
    cap: Money | None
    spent: Money
    next_try_at: datetime | None
    renews_on: date
    failure: str | None
    declines: int
    is_set_up: bool

    @property
    def is_on(self) -> bool:
        """Whether it buys anything by itself, now or later."""
        return self.state not in ("off", "stopped")


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry in words; `invoice` and `order_id` are where its purchase can be seen."""

    at: datetime
    words: str
    note: str
    change: int
    balance_after: int
    invoice: str | None
    order_id: int | None
    by: str | None


def credits_words(count: int) -> str:
    """2,000 credits."""
    number = format_integer(count, speech().locale)
    return ngettext("%(count)s credit", "%(count)s credits", count, count=number)


def pack_views(
    catalogue: Catalogue, prices: Mapping[str, PriceOf], tax: TaxDecision
) -> list[PackView]:
    """The packs on sale that have a price in the account's currency (C4), the smallest first."""
    found = []
    for pack in catalogue.offered_credit_packs:
        price = prices.get(pack.key)
        if price is not None:
            totals = document_totals([price.unit], tax.rate, price.unit.currency)
            found.append(PackView(pack.key, pack.credits, totals.net, totals.gross))
    return found


def usage_views(catalogue: Catalogue, balance: int) -> list[UsageView]:
    """What credits buy, in the catalogue's order."""
    locale = speech().locale
    return [
        UsageView(
            name=use.name.in_(locale),
            description=use.description.in_(locale),
            credits=use.credits,
            uses=balance // use.credits,
        )
        for use in catalogue.usage_prices
    ]


def usage_name(catalogue: Catalogue, kind: str) -> str:
    """A kind of use in the reader's language; one that is not in the catalogue has only its key."""
    for use in catalogue.usage_prices:
        if use.key == kind:
            return use.name.in_(speech().locale)
    return kind


def kinds_used(months: Iterable[MonthOfUse], catalogue: Catalogue) -> list[str]:
    """The kinds that were used in the months, in the catalogue's order, those it forgot last."""
    used = {kind for month in months for kind in month.by_kind}
    known = [use.key for use in catalogue.usage_prices if use.key in used]
    return known + sorted(used.difference(known))


def top_up_card(
    wallet: WalletRow,
    packs: Sequence[PackView],
    *,
    is_suspended: bool,
    today: date,
    now: datetime,
    catalogue: Catalogue,
) -> TopUpCard:
    """The state of automatic top-up, decided by the plan of the job that does it (W3)."""
    pack = next((p for p in packs if p.key == wallet.pack_key), None)
    known = next((p for p in catalogue.credit_packs if p.key == wallet.pack_key), None)
    if not wallet.is_on:
        state = "stopped" if wallet.declines and wallet.failure else "off"
    else:
        # As if the balance were used up, so that what is wrong is said before credits are missing.
        decision = plan_top_up(
            TopUpState(
                balance=0,
                on=True,
                threshold=wallet.threshold,
                price=pack.gross if pack is not None else None,
                cap=wallet.cap,
                spent=wallet.spent,
                is_open=wallet.open_since is not None,
                is_owed=wallet.is_owed,
                is_suspended=is_suspended,
                has_method=can_be_charged(wallet.method, today),
                next_try_at=wallet.next_try_at if wallet.declines else None,
            ),
            now,
        )
        state = TopUpDecision(decision).value
    return TopUpCard(
        state=state,
        threshold=wallet.threshold or 0,
        credits=known.credits if known is not None else 0,
        pack=pack,
        cap=wallet.cap,
        spent=wallet.spent,
        next_try_at=wallet.next_try_at,
        renews_on=first_of_next_month(today),
        failure=wallet.failure,
        declines=wallet.declines,
        is_set_up=wallet.is_set_up,
    )


def can_be_charged(method: PaymentMethodRow | None, today: date) -> bool:
    """Whether there is a method that is taken (M3)."""
    return method is not None and (
        refusal_of(method.funding, method.expires_year, method.expires_month, today) is None
    )


def entry_views(
    entries: Iterable[EntryRow], catalogue: Catalogue, *, sees_money: bool
) -> Iterator[EntryView]:
    """The entries in words; who does not see money does not see its documents either."""
    spoken: dict[tuple[object, ...], str] = {}  # a file has a great many of the same
    for entry in entries:
        count = (entry.details or {}).get("quantity", 1)
        key = (entry.reason, entry.usage_kind, count)
        if key not in spoken:
            spoken[key] = _entry_words(entry.reason, entry.usage_kind or "", count, catalogue)
        yield EntryView(
            at=entry.at,
            words=spoken[key],
            note=entry.note,
            change=entry.change,
            balance_after=entry.balance_after,
            invoice=entry.invoice_number if sees_money else None,
            order_id=entry.order_id if sees_money else None,
            by=entry.by if sees_money else None,
        )


def _entry_words(reason: str, usage_kind: str, count: int, catalogue: Catalogue) -> str:
    if reason == "usage":
        name = usage_name(catalogue, usage_kind)
        if count == 1:
            return name
        number = format_integer(count, speech().locale)
        return _("%(usage)s ×\N{NO-BREAK SPACE}%(number)s", usage=name, number=number)
    if reason == "purchase":
        return _("Credits bought")
    if reason == "top_up":
        return _("Automatic top-up")
    if reason == "manual":
        return _("Credits from %(vendor)s", vendor=catalogue.vendor.brand)
    return _("Correction")
