"""What the pages of change requests show: what is asked in words, and what it would come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext as _

from portal.domain.catalogue import Catalogue
from portal.domain.changes import ChangeTime, change_time
from portal.domain.errors import DomainError
from portal.domain.labels import item_label, label_of
from portal.domain.late_reductions import AtStake, renewal_at_stake
from portal.domain.money import Money
from portal.domain.periods import Interval
from portal.domain.pricing import document_totals
from portal.domain.requests import RequestKind, RequestStatus, most_seats
from portal.domain.seat_removal import SeatRemoval
from portal.domain.seats import SeatIncrease, plan_seat_increase
from portal.domain.subscriptions import ItemState, SubscriptionState
from portal.domain.tax import TaxDecision
from portal.queries.requests import ChangeRequestRow

__all__ = [
    "Asked", "Choice", "LessThen", "MoreNow", "RequestView", "asked_items", "choice_of",
    "less_then", "more_now", "request_view", "request_views", "targets_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """An item that licences, a plan or a billing period can be asked for."""

    state: SubscriptionState
    item: ItemState
    label: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known before anything is typed: the item, both dates of S4 where it waits, the most."""

    chosen: Choice
    time: ChangeTime | None
    most: int | None
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MoreNow:
    """What more licences would cost if they began today, and at each renewal; without promise."""

    increase: SeatIncrease
    net: Money
    gross: Money


@dataclass(frozen=True, slots=True)
class LessThen:
    """The renewal from which there are fewer licences, without and with the reduction."""

    removal: SeatRemoval
    interval: Interval
    before: Money
    after: Money


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request in a list or on its page: the row, what it is about, the plan or period in words.

    `at_stake` is the renewal that its day of sending left it, as long as nobody has confirmed it.
    """

    row: ChangeRequestRow
    label: str
    target: str
    at_stake: AtStake | None


def asked_items(
    states: Iterable[SubscriptionState], kind: RequestKind, catalogue: Catalogue, locale: str
) -> tuple[Choice, ...]:
    """What a request of `kind` can be about: running subscriptions, and each item with licences."""
    return tuple(
        Choice(state, item, item_label(catalogue, state.product_key, item, locale))
        for state in states
        if state.is_running
        for item in state.items
        if (item.per_seat and item.unit_price is not None)
        if kind.counts or item is state.plan_item
    )


def choice_of(
    chosen: Choice, kind: RequestKind, catalogue: Catalogue, today: date, locale: str
) -> Asked:
    """The frame of a request about one item; DomainError as `change_time`."""
    days = catalogue.policy.change_notice_days
    waits = kind is not RequestKind.MORE_SEATS
    return Asked(
        chosen=chosen,
        time=change_time(chosen.state, today, days) if waits else None,
        most=most_seats(kind, chosen.state, chosen.item, today, days) if kind.counts else None,
        targets=targets_of(chosen.state, kind, catalogue, locale),
    )


def targets_of(
    state: SubscriptionState, kind: RequestKind, catalogue: Catalogue, locale: str
) -> tuple[tuple[str, str], ...]:
    """The other plans, or the other billing periods."""
    if kind is RequestKind.PLAN:
        return tuple(
            (plan.key, plan.name.in_(locale))
            for plan in catalogue.product(state.product_key).offered_plans
            if plan.key != state.plan_item.plan_key
        )
    if kind is RequestKind.PERIOD:
        return tuple(
            (one.value, interval_words(one.value)) for one in Interval if one != state.interval
        )
    return ()


def interval_words(interval: str) -> str:
    """A billing period as it is chosen."""
    if interval == Interval.MONTH:
        return str(_("Monthly"))
    return str(_("Quarterly") if interval == Interval.QUARTER else _("Yearly"))


def more_now(
    chosen: Choice, number: int, tax: TaxDecision, today: date, currency: str
) -> MoreNow | None:
    """What `number` more would cost from today on; None where that cannot be told."""
    try:
        [increase] = plan_seat_increase(
            [chosen.state], {chosen.item.item_id: chosen.item.quantity + number}, today
        )
    except DomainError:
        return None
    totals = document_totals([increase.line.net], tax.rate, currency)
    return MoreNow(increase, totals.net, totals.gross)


def less_then(removal: SeatRemoval, tax: TaxDecision, currency: str) -> LessThen:
    """What is paid at the renewal without and with the reduction, VAT included."""
    planned = removal.planned

    def gross(nets: Iterable[Money]) -> Money:
        return document_totals(nets, tax.rate, currency).gross

    return LessThen(
        removal,
        planned.after.after.interval or Interval.MONTH,
        gross(line.net for line in planned.before.lines),
        gross(line.net for line in planned.after.lines),
    )


def request_view(row: ChangeRequestRow, catalogue: Catalogue, locale: str) -> RequestView:
    """A request with its names in the reader's language."""
    label = target = ""
    if row.item is not None:
        keys = row.item
        label = label_of(
            catalogue, keys.product_key, keys.plan_key, keys.add_on_key, keys.package_key, locale
        )
        if row.kind == RequestKind.PLAN:
            target = label_of(catalogue, keys.product_key, row.target, None, None, locale)
        elif row.kind == RequestKind.PERIOD:
            target = interval_words(row.target)
    stake = renewal_at_stake(
        RequestKind(row.kind), RequestStatus(row.status), row.sent_on, row.period,
        catalogue.policy.change_notice_days,
    )  # fmt: skip
    return RequestView(row, label, target, stake)


def request_views(
    rows: Sequence[ChangeRequestRow], catalogue: Catalogue, locale: str
) -> list[RequestView]:
    """Those of a list."""
    return [request_view(row, catalogue, locale) for row in rows]
